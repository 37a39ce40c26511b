import type { Page } from "../../templates/templates.ts";
import type { ApiProblem } from "../shell/api.ts";
import { text } from "../shell/words.ts";
import { toConflicts, withoutTheirs } from "./conflicts.ts";
import { defaultTexts, type Sent, sentValue, settableColumns, toOnce, toValues } from "./fields.ts";
import { DIALOG, findRow, formColumns, type FormState, readForm, showForm } from "./form.ts";
import type { Records, Row } from "./records.ts";
import { goBack, isAwaited, showRelated, showWaiting } from "./related.ts";

/** Asks for other choices of a relation, where no script does. */
const SEARCH = "search";

/** The page of a new row. */
export function showNew(records: Records): Promise<Page> {
  const given = Object.fromEntries(new URL(records.request.url).searchParams);
  const { [DIALOG]: dialog, ...texts } = given;
  return showForm(records, null, {
    texts: { ...defaultTexts(settableColumns(records, "create")), ...texts },
    sent: dialog === undefined ? {} : { [DIALOG]: dialog },
  });
}

/** Makes a row of what a form has sent. */
export async function createRow(records: Records, sent: Sent): Promise<Page | Response> {
  const back = await goBack(records, sent);
  if (back !== null) return back;
  const columns = formColumns(records, "create");
  const form = await readForm(records, columns, sent);
  const { texts, names, errors: wrongFiles } = form;
  const related = await showRelated(records, { ...form, columns, sent, id: null });
  if (related !== null) return related;
  if (sentValue(sent, SEARCH) !== null)
    return showForm(records, null, { texts, names, sent, errors: wrongFiles });
  const { values, errors: wrongTexts } = toValues(columns, texts, { isNew: true });
  const errors = { ...wrongTexts, ...wrongFiles };
  const again = (problem: ApiProblem | null): Promise<Page> =>
    showForm(records, null, toRefused({ texts, names, sent, errors, problem }));
  if (Object.keys(errors).length > 0) return again(null);
  if (isAwaited(sent)) return createAwaited(records, sent, { values, again });
  let made: Row = {};
  return records.ui.act(records.request, {
    call: async (api) => {
      made = await api.post<Row>(records.about.path, values, toOnce(sent, values));
    },
    done: () => ({ text: text("{row} is made."), values: { row: records.titleOf(made) }, color: "success" }),
    to: () => records.pathOf(made[records.about.key]),
    again,
  });
}

/** Makes a row that a form waits for, and shows that. */
async function createAwaited(
  records: Records,
  sent: Sent,
  { values, again }: { readonly values: Row; readonly again: (problem: ApiProblem) => Promise<Page> },
): Promise<Page | Response> {
  let made: Row;
  try {
    made = await records.api.post<Row>(records.about.path, values, toOnce(sent, values));
  } catch (error) {
    return records.ui.refused(records.request, error, { form: `${records.path}/~new`, again });
  }
  const waiting = await showWaiting(records, sent, made);
  return waiting ?? records.ui.redirect(records.request, records.pathOf(made[records.about.key]));
}

/** Changes what somebody has changed in the form of a row. */
export async function changeRow(records: Records, id: string, sent: Sent): Promise<Page | Response> {
  const columns = formColumns(records, "update");
  const form = await readForm(records, columns, sent);
  const { texts: typed, names, errors: wrongFiles } = form;
  const related = await showRelated(records, { ...form, columns, sent, id });
  if (related !== null) return related;
  if (sentValue(sent, SEARCH) !== null) {
    const found = await findRow(records, id);
    return showForm(records, found, { texts: typed, names, sent, errors: wrongFiles, isSame: true });
  }
  const texts = withoutTheirs(typed, sent);
  const original = toOriginal(sent);
  const changed = columns.filter(({ name }) => texts[name] !== undefined && texts[name] !== original[name]);
  const { values, errors: wrongTexts } = toValues(changed, texts, { isNew: false });
  const errors = { ...wrongTexts, ...wrongFiles };
  const to = records.pathOf(id);
  if (changed.length === 0 && Object.keys(errors).length === 0)
    return records.ui.redirect(records.request, to, { text: text("Nothing has changed.") });
  const again = async (problem: ApiProblem | null): Promise<Page> => {
    const found = await findRow(records, id);
    const conflicts =
      problem?.code === "precondition_failed"
        ? toConflicts(columns, { typed: texts, original, current: found.row, names })
        : [];
    // Only a form that shows what somebody else has saved may replace it.
    const isSame = problem?.code !== "precondition_failed";
    return showForm(records, found, {
      ...toRefused({ texts: typed, names, sent, errors, problem }),
      conflicts,
      isSame,
    });
  };
  if (Object.keys(errors).length > 0) return again(null);
  return records.ui.act(records.request, {
    call: (api) =>
      api.patch(records.apiPathOf(id), values, {
        headers: { "if-match": sentValue(sent, "version") ?? "*" },
      }),
    done: { text: text("Saved."), color: "success" },
    to,
    again,
  });
}

/** What the form had before somebody changed it. */
function toOriginal(sent: Sent): Readonly<Record<string, unknown>> {
  try {
    const original: unknown = JSON.parse(sentValue(sent, "original") ?? "{}");
    return typeof original === "object" && original !== null ? (original as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function toRefused({
  errors,
  problem,
  ...state
}: FormState & { readonly problem: ApiProblem | null }): FormState {
  return {
    ...state,
    errors: { ...problem?.fields, ...errors },
    problem,
    status: problem?.status ?? 422,
  };
}
