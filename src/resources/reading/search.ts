import { and, type Column, or, type SQL, sql } from "drizzle-orm";
import { hasWord, mayHaveWords } from "../../db/search/words.ts";
import type { Access } from "../access/access.ts";
import { NOTHING, toCondition } from "../filter/conditions.ts";
import type { Asking } from "../filter/moments.ts";

export interface SearchOptions {
  readonly asking: Asking;
  /** Whether an index may say which rows there are; else the condition looks at the rows themselves. */
  readonly mayUseIndex: boolean;
}

const MAX_WORDS = 10;
const MAX_LETTERS = 100; // of a word of an index
const WORDS = /[^\s\0]+/g; // no database takes NUL for a character

/** That each word is in one of the columns that are searched, as far as whoever asks may see them. */
export function toSearch(access: Access, text: string, options: SearchOptions): SQL[] {
  const { resource } = access;
  const words = (text.match(WORDS) ?? []).slice(0, MAX_WORDS);
  const fields = resource.search.filter((field) => access.follow(field) !== null);
  if (fields.length === 0) return words.length === 0 ? [] : [NOTHING];
  if (!resource.hasSearchIndex) return words.map((word) => contains(access, fields, { ...options, word }));
  const short = words.map((word) => Array.from(word).slice(0, MAX_LETTERS).join(""));
  const others = fields.filter((field) => field.includes("."));
  const columns = fields.flatMap((field) =>
    others.includes(field) ? [] : [resource.columns.get(field)],
  ) as Column[];
  if (others.length > 0)
    return short.map((word) => isInRowOrBehind(access, word, { ...options, columns, others }));
  const narrowed = options.mayUseIndex ? mayHaveWords(resource.table, short) : undefined;
  const conditions = [narrowed, ...short.map((word) => hasWord(columns, word))];
  return conditions.filter((condition) => condition !== undefined);
}

/** That one of the fields contains a word. */
function contains(
  access: Access,
  fields: readonly string[],
  { word, asking }: SearchOptions & { readonly word: string },
): SQL {
  const values = [{ type: "text" as const, text: word, at: 0 }];
  const parts = fields.map((field) => ({
    type: "comparison" as const,
    field,
    at: 0,
    operator: "~" as const,
    isAny: true,
    values,
  }));
  return toCondition(
    { type: "or", parts },
    { find: (name) => access.follow(name), names: () => fields, asking },
  );
}

/** As two queries of their own: databases use no full text index where one condition or another is to hold. */
function isInRowOrBehind(
  access: Access,
  word: string,
  {
    columns,
    others,
    ...options
  }: SearchOptions & { readonly columns: readonly Column[]; readonly others: readonly string[] },
): SQL {
  const { table, key } = access.resource;
  const behind = contains(access, others, { ...options, word });
  const inRow = columns.length === 0 ? undefined : hasWord(columns, word);
  if (inRow === undefined) return behind;
  const narrowed = options.mayUseIndex ? mayHaveWords(table, [word]) : undefined;
  if (narrowed === undefined) return or(inRow, behind) as SQL;
  const found = sql`select ${key} as found from ${table} where ${and(narrowed, inRow)} union select ${key} from ${table} where ${behind}`;
  return sql`${key} in (select found from (${found}) as words)`;
}
