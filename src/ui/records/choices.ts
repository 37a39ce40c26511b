import { pathOfRecords, type Records, type Reference, type Row, shorten } from "./records.ts";
import { toText } from "./cells.ts";

/** A row that something may refer to. */
export interface Choice {
  readonly value: string;
  readonly label: string;
  readonly isChosen: boolean;
}

interface ChoiceOptions {
  /** Keys that are chosen: they are among the choices whatever is looked for. */
  readonly chosen: readonly string[];
  /** Words to look for. @default any */
  readonly words?: string;
}

/** Of the rows that fit, the first. */
const MAX_CHOICES = 50;
const USERS = "users";

interface Target {
  readonly path: string;
  readonly title: string;
  /** The parameter that words are looked for by; null for none. */
  readonly search: string | null;
  readonly sort: string | null;
}

/** The rows that a column may refer to, by title; null where whoever asks can't be shown any. */
export async function choicesOf(
  records: Records,
  reference: Reference,
  { chosen, words = "" }: ChoiceOptions,
): Promise<Choice[] | null> {
  const target = await toTarget(records, reference);
  if (target === null) return null;
  const { path, title, search, sort } = target;
  const found = await records.api.getIfAllowed<{ readonly items: readonly Row[] }>(path, {
    per_page: MAX_CHOICES,
    total: false,
    sort,
    ...(search !== null && words !== "" && { [search]: words }),
  });
  if (found === null) return null;
  const { column } = reference;
  const toChoice = (row: Row): Choice => {
    const value = toText(row[column]);
    const label = shorten(toText(row[title]));
    return { value, label: label === "" ? `#${value}` : label, isChosen: chosen.includes(value) };
  };
  const choices = found.items.map(toChoice);
  const missing = chosen.filter((value) => value !== "" && !choices.some((one) => one.value === value));
  return [
    ...(await Promise.all(missing.map((value) => readChosen(records, path, value, toChoice)))),
    ...choices,
  ];
}

/** Where a row is made that a column may refer to; null for whoever may make none. */
export async function makingPathOf(
  records: Records,
  { resource, column }: Reference,
): Promise<string | null> {
  const about = resource === null ? null : await records.describe(resource);
  const mayMake = about !== null && about.key === column && about.verbs.includes("create");
  return mayMake ? `${pathOfRecords(about.name)}/~new` : null;
}

async function readChosen(
  records: Records,
  path: string,
  value: string,
  toChoice: (row: Row) => Choice,
): Promise<Choice> {
  const row = await records.api.getIfAllowed<Row>(`${path}/${encodeURIComponent(value)}`);
  return row === null ? { value, label: `#${value}`, isChosen: true } : toChoice(row);
}

async function toTarget(
  records: Records,
  { resource, table, title, column }: Reference,
): Promise<Target | null> {
  if (resource !== null) {
    const about = await records.describe(resource);
    if (about === null || about.key !== column) return null;
    const sort = about.title !== null && about.sortable.includes(about.title) ? about.title : null;
    return {
      path: about.path,
      title: about.title ?? about.key,
      search: about.search.length > 0 ? "q" : title === null ? null : `${title}.contains`,
      sort,
    };
  }
  const isUsers = table === USERS && records.ui.can(records.request, "users:read");
  return isUsers ? { path: "/admin/users", title: "email", search: "q", sort: "email" } : null;
}
