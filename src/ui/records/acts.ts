import { toOwnPath } from "../../accounts/browser/navigation.ts";
import type { Page } from "../../templates/templates.ts";
import { ApiProblem } from "../shell/api.ts";
import { text } from "../shell/words.ts";
import {
  changeChosen,
  type Chosen,
  type RefusedRow,
  showBulkForm,
  showOutcome,
  showRefused,
  toWords,
} from "./bulk.ts";
import { type Sent, sentValue } from "./fields.ts";
import { ListQuery, toAddress } from "./list-query.ts";
import type { Records } from "./records.ts";

const FORMATS = new Set(["csv", "json", "xlsx"]);
/** What a file is sent with. */
const OF_FILES = ["content-type", "content-disposition"];

/** Takes a step of the workflow, while the row is the one that was shown. */
export function takeStep(records: Records, id: string, sent: Sent): Promise<Page | Response> {
  const name = sentValue(sent, "step") ?? "";
  const step = records.about.workflow?.transitions.find((one) => one.name === name);
  return records.ui.act(records.request, {
    call: (api) =>
      api.post(records.apiPathOf(id, name), undefined, {
        headers: { "if-match": sentValue(sent, "version") ?? "*" },
      }),
    done: { text: text("It is {state} now."), values: { state: step?.to ?? name }, color: "success" },
    to: records.pathOf(id),
  });
}

/** Deletes a row once that is confirmed. */
export async function deleteRow(records: Records, id: string, sent: Sent): Promise<Page | Response> {
  const { ui, request, about } = records;
  const values = { row: sentValue(sent, "title") ?? `${about.singular} ${id}` };
  const asked = ui.confirm(request, sent, {
    title: text("Delete {row}?"),
    detail: about.soft_delete ? text("It can be restored.") : text("It can't be restored."),
    values,
    button: text("Delete"),
    back: records.pathOf(id),
  });
  if (asked !== null) return asked;
  const version = sentValue(sent, "version");
  return ui.act(request, {
    call: (api) =>
      api.delete(records.apiPathOf(id), version === null ? {} : { headers: { "if-match": version } }),
    done: { text: text("{row} is deleted."), values, color: "success" },
    to: records.path,
    again: (problem: ApiProblem) =>
      Promise.resolve(ui.redirect(request, records.pathOf(id), { text: problem.message, color: "error" })),
  });
}

/** Puts a deleted row back. */
export function restoreRow(records: Records, id: string): Promise<Page | Response> {
  return records.ui.act(records.request, {
    call: (api) => api.post(records.apiPathOf(id, "restore")),
    done: { text: text("It is restored."), color: "success" },
    to: records.pathOf(id),
  });
}

/** Does something with the rows that were chosen in a list. */
export async function actOnChosen(records: Records, sent: Sent): Promise<Page | Response> {
  const { ui, request, about } = records;
  const { ids, back } = toChosen(records, sent);
  const act = sentValue(sent, "act") ?? "";
  if (ids.length === 0)
    return ui.redirect(request, back, { text: text("Choose rows first."), color: "warning" });
  const values = { count: String(ids.length) };
  if (FORMATS.has(act)) {
    const query = new ListQuery(records, new URL(back, request.url).search);
    const filter = `${about.key} in (${ids.map((id) => JSON.stringify(records.toKey(id))).join(", ")})`;
    const kept = new URLSearchParams({ ...query.own, filter });
    return ui.redirect(request, toAddress(`${records.path}/~export/${act}`, kept));
  }
  if (act === "restore") return restoreChosen(records, { ids, back });
  if (act === "edit") return showBulkForm(records, { ids, back });
  if (act !== "delete") return ui.redirect(request, back);
  const asked = ui.confirm(request, sent, {
    title: text("Delete {count} rows?"),
    detail: about.soft_delete ? text("They can be restored.") : text("They can't be restored."),
    values,
    button: text("Delete"),
    back,
  });
  return (
    asked ??
    ui.act(request, {
      call: (api) => api.post(`${about.path}/batch`, { delete: ids.map((id) => records.toKey(id)) }),
      done: { text: text("{count} rows are deleted."), values, color: "success" },
      to: back,
      again: (problem) => showRefused(records, { ids, back }, { problem, sent, action: "~chosen" }),
    })
  );
}

/** Sets the same in the rows that were chosen. */
export async function editChosen(records: Records, sent: Sent): Promise<Page | Response> {
  const chosen = toChosen(records, sent);
  if (chosen.ids.length > 0) return changeChosen(records, chosen, sent);
  return records.ui.redirect(records.request, chosen.back, {
    text: text("Choose rows first."),
    color: "warning",
  });
}

/** Puts deleted rows back, each by itself, and says of which it can't be. */
async function restoreChosen(records: Records, { ids, back }: Chosen): Promise<Page | Response> {
  const { ui, request, api } = records;
  const refused: RefusedRow[] = [];
  for (const id of ids) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- each is a write of its own
      await api.post(records.apiPathOf(id, "restore"));
    } catch (error) {
      if (!(error instanceof ApiProblem) || error.status === 401 || error.status >= 500) throw error;
      refused.push({ id, reasons: [{ label: null, message: toWords(error) }] });
    }
  }
  const done = ids.length - refused.length;
  if (refused.length > 0) return showOutcome(records, refused, { back, status: 422, done, form: null });
  const values = { count: String(done) };
  return ui.redirect(request, back, { text: text("{count} rows are restored."), values, color: "success" });
}

/** Sends the rows of a list as a file. */
export async function exportRows(records: Records, format: string): Promise<Response> {
  const query = new ListQuery(records, new URL(records.request.url).search);
  const file = await records.api.fetch("GET", `${records.about.path}/export.${format}`, {
    query: query.toExport(),
  });
  const headers = new Headers();
  for (const name of OF_FILES) headers.set(name, file.headers.get(name) ?? "");
  return new Response(file.body, { headers });
}

function toChosen(records: Records, sent: Sent): Chosen {
  const ids = [sent["id"]].flat().filter((id): id is string => typeof id === "string");
  return { ids: [...new Set(ids)], back: toBack(records, sent) };
}

/** The list that a form of it leads back to. */
function toBack({ path }: Records, sent: Sent): string {
  const back = toOwnPath(sentValue(sent, "back"));
  return back.startsWith(`${path}?`) ? back : path;
}
