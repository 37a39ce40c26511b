import { and, type Column, or, type SQL, sql } from "drizzle-orm";
import type { Database } from "../../db/contract/database.ts";
import { findRareWords } from "../../db/search/rare-words.ts";
import { hasWord, mayHaveWords } from "../../db/search/words.ts";
import type { Access } from "../access/access.ts";
import type { Resource } from "../definition/definition.ts";
import { NOTHING, toCondition } from "../filter/conditions.ts";
import type { Asking } from "../filter/moments.ts";

export interface SearchOptions {
  readonly asking: Asking;
  /** Words that an index may look for; for others the condition looks at the rows themselves. */
  readonly indexed: readonly string[];
}

const MAX_WORDS = 10;
const MAX_LETTERS = 100; // of a word of an index
const WORDS = /[^\s\0]+/g; // no database takes NUL for a character

/** That each word is in one of the columns that are searched, as far as whoever asks may see them. */
export function toSearch(access: Access, text: string, options: SearchOptions): SQL[] {
  const { resource } = access;
  const words = toWords(resource, text);
  const fields = resource.search.filter((field) => access.follow(field) !== null);
  if (fields.length === 0) return words.length === 0 ? [] : [NOTHING];
  if (!resource.hasSearchIndex) return words.map((word) => contains(access, fields, { ...options, word }));
  const others = fields.filter((field) => field.includes("."));
  const columns = fields.flatMap((field) =>
    others.includes(field) ? [] : [resource.columns.get(field)],
  ) as Column[];
  if (others.length > 0)
    return words.map((word) => isInRowOrBehind(access, word, { ...options, columns, others }));
  const narrowed = mayHaveWords(
    resource.table,
    words.filter((word) => options.indexed.includes(word)),
  );
  const conditions = [narrowed, ...words.map((word) => hasWord(columns, word))];
  return conditions.filter((condition) => condition !== undefined);
}

/** The words of a search that an index should look for; none where nothing is searched for, or there is no index. */
export async function findIndexed(
  db: Database,
  { resource }: Access,
  text: string | undefined,
): Promise<readonly string[]> {
  if (text === undefined || !resource.hasSearchIndex) return [];
  return findRareWords(db, resource.table, toWords(resource, text));
}

function toWords({ hasSearchIndex }: Resource, text: string): string[] {
  const words = (text.match(WORDS) ?? []).slice(0, MAX_WORDS);
  return hasSearchIndex ? words.map((word) => Array.from(word).slice(0, MAX_LETTERS).join("")) : words;
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
  const narrowed = options.indexed.includes(word) ? mayHaveWords(table, [word]) : undefined;
  if (narrowed === undefined) return or(inRow, behind) as SQL;
  const found = sql`select ${key} as found from ${table} where ${and(narrowed, inRow)} union select ${key} from ${table} where ${behind}`;
  return sql`${key} in (select found from (${found}) as words)`;
}
