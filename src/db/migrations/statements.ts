/** What one statement does to tables. */
export type TableEffect =
  | { readonly kind: "create" | "alter" | "drop"; readonly table: string }
  | { readonly kind: "rename"; readonly table: string; readonly to: string };

// What could hold words that look like SQL: strings, comments, bodies between dollars.
const MASKED = /'(?:[^']|'')*'|--[^\n]*|\/\*[\s\S]*?\*\/|\$(\w*)\$[\s\S]*?\$\1\$/g;
const ROUTINE =
  /^create\s+(?:or\s+replace\s+)?(?:definer\s*=\s*\S+\s+)?(?:(?:temp|temporary|constraint|aggregate)\s+)*(?:trigger|function|procedure|event)\b/i;
const TRANSACTION =
  /^(?:begin|start\s+transaction|commit|end|rollback|abort|savepoint|release|prepare\s+transaction|xa)\b/i;

const PART = '(?:"(?:[^"]|"")+"|`[^`]+`|\\[[^\\]]+\\]|[\\w$]+)';
const NAME = `((?:${PART}\\s*\\.\\s*)*${PART})`;

const CREATE_TABLE = pattern(
  `create\\s+(?:unlogged\\s+|virtual\\s+)?table\\s+(?:if\\s+not\\s+exists\\s+)?${NAME}`,
);
const ALTER_TABLE = pattern(`alter\\s+table\\s+(?:if\\s+exists\\s+)?(?:only\\s+)?${NAME}`);
const RENAME_TO = new RegExp(
  `\\brename\\s+(?:to\\s+|as\\s+)?(?!column\\b|index\\b|key\\b|constraint\\b)${NAME}\\s*$`,
  "i",
);
const DROP_TABLE = pattern(`drop\\s+table\\s+(?:if\\s+exists\\s+)?(${NAME}(?:\\s*,\\s*${NAME})*)`);
const RENAME_TABLE = pattern(
  `rename\\s+table\\s+(${NAME}\\s+to\\s+${NAME}(?:\\s*,\\s*${NAME}\\s+to\\s+${NAME})*)`,
);
const CREATE_INDEX = pattern(
  `create\\s+(?:unique\\s+|fulltext\\s+|spatial\\s+)?index\\b.*?\\son\\s+(?:only\\s+)?${NAME}`,
);
const DROP_INDEX = pattern(`drop\\s+index\\b.*?\\son\\s+${NAME}`);
const TRUNCATE = pattern(`truncate\\s+(?:table\\s+)?(?:only\\s+)?${NAME}`);

/** Finds what begins or ends a transaction or savepoint, such as "COMMIT"; null when nothing does. */
export function findTransactionControl(statement: string): string | null {
  const parts = toParts(statement);
  // BEGIN and END stand around the body of a trigger.
  if (parts.some((part) => ROUTINE.test(part))) return null;
  return parts.map((part) => TRANSACTION.exec(part)?.[0]).find((found) => found !== undefined) ?? null;
}

/** Tells which tables a statement creates, alters, drops or renames. Temporary tables and rows don't count. */
export function findTableEffects(statement: string): TableEffect[] {
  return toParts(statement).flatMap(findEffects);
}

function findEffects(text: string): TableEffect[] {
  const created = CREATE_TABLE.exec(text)?.[1];
  if (created !== undefined) return [{ kind: "create", table: toName(created) }];
  const altered = ALTER_TABLE.exec(text)?.[1];
  if (altered !== undefined) {
    const to = RENAME_TO.exec(text)?.[1];
    const table = toName(altered);
    return [to === undefined ? { kind: "alter", table } : { kind: "rename", table, to: toName(to) }];
  }
  const dropped = DROP_TABLE.exec(text)?.[1];
  if (dropped !== undefined) return dropped.split(",").map((name) => ({ kind: "drop", table: toName(name) }));
  const renamed = RENAME_TABLE.exec(text)?.[1];
  if (renamed !== undefined) {
    return renamed.split(",").map((pair) => {
      const [table = "", to = ""] = pair.split(/\sto\s/i);
      return { kind: "rename", table: toName(table), to: toName(to) };
    });
  }
  const touched = [CREATE_INDEX, DROP_INDEX, TRUNCATE].map((one) => one.exec(text)?.[1]);
  return touched.flatMap((name) => (name === undefined ? [] : [{ kind: "alter", table: toName(name) }]));
}

function pattern(source: string): RegExp {
  return new RegExp(`^${source}`, "is");
}

/** The table's own name: without its schema and quotes. Lower case, as MySQL may compare them so. */
function toName(written: string): string {
  const last = written.trim().match(new RegExp(`${PART}$`))?.[0] ?? written.trim();
  const bare = /^["`[]/.test(last) ? last.slice(1, -1).replaceAll('""', '"') : last;
  return bare.toLowerCase();
}

/** Splits a statement at its semicolons, without the text of its strings and comments. */
function toParts(statement: string): string[] {
  const masked = statement.replaceAll(MASKED, (found) => (found.startsWith("'") ? "''" : " "));
  return masked.split(";").map((part) => part.trim());
}
