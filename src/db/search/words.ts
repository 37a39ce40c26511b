import { type Column, getTableColumns, getTableName, or, type SQL, sql, type Table } from "drizzle-orm";
import { isOfKind } from "../drizzle/expressions.ts";
import {
  betweenUnknownToSqlite,
  fold,
  foldedLetters,
  indexedParts,
  isFoundAnywhere,
  MAX_INDEXED,
  sameLetters,
  WORD_CHARACTERS,
} from "./letters.ts";
import { searchIndexOf } from "../schema/column-kind.ts";

/** Stands before each word in MySQL's index: none is then too short for it, or so common that it leaves it out. */
const MYSQL_MARK = "xcore";
/** Of a row that has too much text for an index: it may have any word. */
const ANY = { postgres: "*", mysql: "anyword" };
const POSTGRES_MAX_BYTES = 1_000_000; // more is refused
const MYSQL_MAX_LENGTH = 50_000; // MariaDB's time grows with the square of it
const ACCENTS = /[\u0300-\u036f]+/g;
const ORDINARY = /[\w\u0080-\u{10ffff}]/u;

/**
 * The condition that one of the columns has a word that begins with this one, whatever the case of letters and the accents
 * of Latin ones; one that begins with no letter or digit, or is of a script that writes no spaces, may be anywhere. It means
 * the same on every database, and looks at the columns alone.
 *
 * @param word of at most 100 characters: patterns of SQLite's are limited
 */
export function hasWord(columns: readonly Column[], word: string): SQL | undefined {
  const folded = fold(word);
  const all = columns.map((column) => toConditions(column, folded));
  return or(...all.flatMap(({ first }) => first ?? []), ...all.map(({ whole }) => whole));
}

/**
 * The condition that a row may have all of these words, by the index that its table declares: true of all that have them, and
 * of few others. Undefined where the index doesn't tell.
 */
export function mayHaveWords(table: Table, words: readonly string[]): SQL | undefined {
  const index = searchIndexOf(table);
  const parts = [...new Set(words.flatMap((word) => indexedParts(fold(word))))];
  if (index === null || parts.length === 0) return undefined;
  const tableName = getTableName(table);
  const key = Object.values<Column>(getTableColumns(table)).find(({ primary }) => primary);
  if (isOfKind(table, "PgTable")) {
    const text = toPostgresText(index.columns.map((column) => `"${tableName}"."${column}"`));
    const all = parts.map((part) => `${withoutAccents(part).slice(0, MAX_INDEXED)}:*`).join(" & ");
    // As an array, which is made first: it can't tell how few rows have a word, and would rather read all in their order.
    return sql`${key} = any(array(select ${key} from ${table} where ${sql.raw(text)} @@ ${`(${all}) | '${ANY.postgres}'`}::tsquery))`;
  }
  const name = sql.identifier(index.name);
  if (isOfKind(table, "MySqlTable")) {
    const all = parts.map((part) => `+${MYSQL_MARK}${part}*`).join(" ");
    return sql`match(${table}.${name}) against (${`(${all}) ${ANY.mysql}`} in boolean mode)`;
  }
  const all = parts.map((part) => `"${part}"*`).join(" AND ");
  return sql`${key} in (select rowid from ${name} where ${name} match ${all})`;
}

/**
 * What PostgreSQL's index holds of these columns. It stands in migrations that have been applied, and a query that says it
 * in other words isn't served by the index: it must not change.
 */
export function toPostgresText(columns: readonly string[]): string {
  const text = `(${joinTexts(columns)})`;
  const letters = [...foldedLetters()]
    .map(([letter, small]) => [withoutAccents(letter), withoutAccents(small)] as const)
    .filter(([letter, small]) => letter > "\u007f" && letter !== small);
  const pairs = new Map(letters);
  const plain = `lower(regexp_replace(normalize(${text}, NFD), '[\u0300-\u036f]+', '', 'g') collate "C")`;
  // Each letter is looked for among those to be translated, which takes long: mostly there are none.
  const capitals = `[${[...foldedLetters().keys()].filter((letter) => pairs.has(withoutAccents(letter))).join("")}]`;
  const small = `case when octet_length(${text}) = length(${text}) then lower(${text} collate "C") when ${text} ~ '${capitals}' then translate(${plain}, '${[...pairs.keys()].join("")}', '${[...pairs.values()].join("")}') else ${plain} end`;
  const words = `regexp_replace(regexp_replace(${small}, '[^${WORD_CHARACTERS} ]', ' ', 'g'), '  +', ' ', 'g')`;
  const short = `btrim(regexp_replace(${words}, '([^ ]{${MAX_INDEXED}})[^ ]+', '\\1', 'g'))`;
  return `(case when octet_length(${text}) > ${POSTGRES_MAX_BYTES} then array_to_tsvector(array['${ANY.postgres}']) else array_to_tsvector(string_to_array(${short}, ' ')) end)`;
}

/** What MySQL's index holds of these columns. Spaces are left to replace(), which is much faster. */
export function toMysqlText(columns: readonly string[]): string {
  const text = `concat_ws(' ', ${columns.join(", ")})`;
  const words = `regexp_replace(${text}, '[^${WORD_CHARACTERS} ]', ' ')`;
  const short = `regexp_replace(${words}, '(?<=[^ ]{${MAX_INDEXED}})[^ ]+', '')`;
  return `if(char_length(${text}) > ${MYSQL_MAX_LENGTH}, '${ANY.mysql}', concat('${MYSQL_MARK}', replace(${short}, ' ', ' ${MYSQL_MARK}')))`;
}

/** What SQLite's index is made of. */
export function toSqliteText(columns: readonly string[]): string {
  return joinTexts(columns);
}

/** How SQLite's index takes words apart. */
export function toSqliteTokenizer(): string {
  return `unicode61 remove_diacritics 2 separators '${betweenUnknownToSqlite()}'`;
}

function joinTexts(columns: readonly string[]): string {
  return columns.map((column) => `coalesce(${column}, '')`).join(" || ' ' || ");
}

function withoutAccents(text: string): string {
  return text.normalize("NFD").replaceAll(ACCENTS, "");
}

/** That a column has a word; and first what is told faster, which is so for most that have it. */
function toConditions(column: Column, word: string): { readonly first?: SQL; readonly whole: SQL } {
  const isAnywhere = isFoundAnywhere(word);
  const letters = Array.from(word);
  if (isOfKind(column, "SQLiteColumn")) {
    const pattern = letters.map(toGlob).join("");
    const anywhere = sql`${column} glob ${`*${pattern}*`}`;
    if (isAnywhere) return { whole: anywhere };
    return {
      first: sql`(' ' || ${column}) glob ${`* ${pattern}*`}`,
      // Each character is looked for among all that words consist of: only where the word is somewhere.
      whole: sql`(${anywhere} and (' ' || ${column}) glob ${`*[^${WORD_CHARACTERS}]${pattern}*`})`,
    };
  }
  const pattern = letters.map(toPattern).join("");
  if (isOfKind(column, "MySqlColumn"))
    return { whole: sql`${column} regexp ${isAnywhere ? pattern : `(?<![${WORD_CHARACTERS}])${pattern}`}` };
  const text = sql`${column} collate "C"`;
  if (isAnywhere) return { whole: sql`${text} ~ ${pattern}` };
  return {
    first: sql`strpos(' ' || lower(${text}), ${` ${word}`}) > 0`,
    whole: sql`${text} ~ ${`(^|[^${WORD_CHARACTERS}])${pattern}`}`,
  };
}

function toGlob(letter: string): string {
  const same = sameLetters(letter);
  return same.length > letter.length || "*?[".includes(letter) ? `[${same}]` : letter;
}

function toPattern(letter: string): string {
  const same = sameLetters(letter);
  if (same.length > letter.length) return `[${same}]`;
  return ORDINARY.test(letter) ? letter : `\\${letter}`;
}
