import { fail } from "../../errors/codes.ts";
import type { Page } from "../../templates/templates.ts";
import type { ApiProblem } from "../shell/api.ts";
import { text } from "../shell/words.ts";
import { isNumber, toCell } from "./cells.ts";
import { choicesOf } from "./choices.ts";
import { type Sent, sentTexts, sentValue, textsOf, toFields, toValues } from "./fields.ts";
import { findRow } from "./form.ts";
import type { Column, Records, Row } from "./records.ts";

/** One cell of a list, as it can be changed there. */
export interface CellPlace {
  readonly id: string;
  readonly column: string;
}

/** Shows the field of one cell: in its place in a list, or as a page where no script asks. */
export async function showCellForm(records: Records, place: CellPlace): Promise<Page> {
  const column = columnOf(records, place);
  const { row, version } = await findRow(records, place.id);
  return showField(records, place, { texts: textsOf([column], row), version, title: records.titleOf(row) });
}

/** Changes one cell, and shows it as it is now. */
export async function changeCell(records: Records, place: CellPlace, sent: Sent): Promise<Page | Response> {
  const { ui, request, about } = records;
  const column = columnOf(records, place);
  const texts = sentTexts([column], sent);
  const { values, errors } = toValues([column], texts, { isNew: false });
  const relation = records.relationOf(place.column);
  const again = async (problem: ApiProblem | null): Promise<Page> => {
    const { row, version } = await findRow(records, place.id);
    const message =
      problem === null ? errors[place.column] : (problem.fields[place.column] ?? problem.message);
    const state = { texts, version, title: records.titleOf(row), error: message ?? null };
    return showField(records, place, { ...state, status: problem?.status ?? 422 });
  };
  if (Object.keys(errors).length > 0) return again(null);
  let changed: Row = {};
  const answer = await ui.act(request, {
    call: async (api) => {
      const headers = { "if-match": sentValue(sent, "version") ?? "*" };
      const query = relation === null ? {} : { expand: relation };
      changed = await api.patch<Row>(records.apiPathOf(place.id), values, { headers, query });
    },
    done: { text: text("Saved."), color: "success" },
    to: records.path,
    again,
  });
  const isDone = answer instanceof Response && about.key in changed;
  return isDone && records.isHtmx ? showCell(records, column, changed) : answer;
}

/** Shows the rows that a column may refer to, as what to choose from: those that words are found in. */
export async function showChoices(records: Records, name: string, asked: URLSearchParams): Promise<Page> {
  const column = records.column(name);
  const words = asked.get(`w-${name}`) ?? "";
  const chosen = asked.getAll(`f-${name}`);
  const choices =
    column?.references === null || column === null
      ? []
      : await choicesOf(records, column.references, { chosen, words });
  const isEmptyable = column?.is_nullable ?? true;
  return records.ui.page(records.request, "records/choices.html", { choices: choices ?? [], isEmptyable });
}

interface FieldState {
  readonly texts: Readonly<Record<string, string>>;
  readonly version: string;
  /** Of the row. */
  readonly title: string;
  readonly error?: string | null;
  readonly status?: number;
}

async function showField(
  records: Records,
  { id, column: name }: CellPlace,
  { texts, version, title, error = null, status = 200 }: FieldState,
): Promise<Page> {
  const errors = error === null ? {} : { [name]: error };
  const columns = [columnOf(records, { id, column: name })];
  const [field] = await toFields(records, columns, { texts, errors, isNew: false });
  const here = records.pathOf(id);
  const data = {
    about: records.about,
    path: records.path,
    field,
    version,
    title,
    here,
    action: `${here}/~cell/${name}`,
  };
  const template = records.isHtmx ? "records/cell-form.html" : "records/cell-page.html";
  return records.ui.page(records.request, template, data, { status });
}

function showCell(records: Records, column: Column, row: Row): Promise<Page> {
  const id = row[records.about.key];
  return records.ui.page(records.request, "records/cell.html", {
    about: records.about,
    row: { title: records.titleOf(row) },
    cell: {
      ...toCell(records, column, row),
      label: column.label,
      isNumber: isNumber(column),
      edit: `${records.pathOf(id)}/~cell/${column.name}`,
    },
  });
}

/** @throws AppError not_found for one that whoever asks can't change */
function columnOf(records: Records, { column: name }: CellPlace): Column {
  const column = records.column(name);
  if (column?.may_update === true && column.kind !== "file" && records.may("update")) return column;
  throw fail("not_found", "Nothing is served at this path");
}
