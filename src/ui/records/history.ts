import type { Page as List } from "../../db/paging/paginate.ts";
import type { Page } from "../../templates/templates.ts";
import { text } from "../shell/words.ts";
import { toCell } from "./cells.ts";
import { type Sent, sentValue } from "./fields.ts";
import type { Records, Row } from "./records.ts";

/** Somebody who has done something, or viewed as who has. */
export interface Person {
  readonly email: string;
  readonly full_name: string | null;
}

/** What was done to a row. */
export interface Entry {
  readonly id: number;
  readonly verb: "create" | "update" | "delete" | "restore" | "revert";
  readonly at: string;
  readonly actor: Person | null;
  readonly viewer: Person | null;
  readonly changes: Readonly<Record<string, Change>>;
}

interface Change {
  readonly before?: unknown;
  readonly after?: unknown;
  readonly omitted?: boolean;
}

/** What is said of each. */
export const VERBS: Readonly<Record<Entry["verb"], string>> = {
  create: text("made"),
  update: text("changed"),
  delete: text("deleted"),
  restore: text("restored"),
  revert: text("reverted"),
};

/** The page of what was done to a row, the latest first, each with what it changed. */
export async function showHistory(records: Records, id: string): Promise<Page> {
  const { api, ui, request } = records;
  const page = new URL(request.url).searchParams.get("page");
  const found = await api.get<List<Entry>>(records.apiPathOf(id, "history"), { page });
  const row = await api.getIfAllowed<Row>(records.apiPathOf(id));
  const isFirst = found.page === 1;
  return ui.page(request, "records/history.html", {
    about: records.about,
    path: records.path,
    here: records.pathOf(id),
    title: row === null ? `${records.about.singular} ${id}` : records.titleOf(row),
    found,
    entries: found.items.map((entry, at) => ({
      id: entry.id,
      at: entry.at,
      verb: VERBS[entry.verb],
      who: nameOf(entry.actor),
      viewer: nameOf(entry.viewer),
      changes: Object.entries(entry.changes).map(([name, change]) => toDifference(records, name, change)),
      // The row is what it was after the latest.
      mayRevert: records.may("update") && row !== null && entry.verb !== "delete" && !(isFirst && at === 0),
    })),
  });
}

/** How people call somebody; null for nobody known. */
export function nameOf(person: Person | null): string | null {
  return person === null ? null : (person.full_name ?? person.email);
}

/** Puts a row back to what it was after an entry of its history. */
export function revertRow(records: Records, id: string, sent: Sent): Promise<Page | Response> {
  const { ui, request } = records;
  const here = records.pathOf(id);
  const asked = ui.confirm(request, sent, {
    title: text("Put it back to what it was then?"),
    detail: text("What has been changed since is changed back. Its history keeps both."),
    button: text("Put it back"),
    back: `${here}/~history`,
  });
  const act = {
    call: (api: Records["api"]) =>
      api.post(records.apiPathOf(id, "revert"), { to: Number(sentValue(sent, "to")) }),
    done: { text: text("It is what it was then."), color: "success" },
    to: `${here}/~history`,
  } as const;
  return asked ?? ui.act(request, act);
}

function toDifference(records: Records, name: string, { before, after, omitted = false }: Change) {
  const column = records.column(name);
  const show = (value: unknown) =>
    column === null || column.references !== null
      ? {
          kind: value === null || value === undefined ? "none" : "text",
          text: String(value),
          href: null,
          thumb: null,
        }
      : toCell(records, column, { [name]: value });
  return { label: column?.label ?? name, before: show(before), after: show(after), omitted };
}
