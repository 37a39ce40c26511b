const NAME = "`?([\\w$]+)`?";
const CREATE_TABLE = whole(`create\\s+table\\s+${NAME}\\s*\\(.*`);
const ALTER_TABLE = whole(`alter\\s+table\\s+${NAME}\\s+(.*)`);
const RENAME_TABLE = whole(`rename\\s+to\\s+${NAME}`);
const UPDATE = whole(`update\\s+${NAME}\\s+set\\s+(.*)`);
const ASSIGNMENT = whole(`${NAME}\\s*=.*`);
const RENAME_COLUMN = whole(`rename\\s+column\\s+${NAME}\\s+to\\s+${NAME}`);
const MODIFY_COLUMN = whole(`modify\\s+column\\s+${NAME}\\s.*`);
const DROP_CONSTRAINT = whole(`drop\\s+constraint\\s+${NAME}`);
const ADDITIONS: readonly (readonly [RegExp, dropped: string])[] = [
  [whole(`add\\s+column\\s+${NAME}\\s.*`), "COLUMN"],
  [whole(`add\\s+(?:unique\\s+|fulltext\\s+)?(?:index|key)\\s+${NAME}\\s*\\(.*`), "INDEX"],
  [whole(`add\\s+constraint\\s+${NAME}\\s+check\\b.*`), "CONSTRAINT"],
  [whole(`add\\s+constraint\\s+${NAME}\\s+foreign\\s+key\\b.*`), "FOREIGN KEY"],
];

/** What takes statements of MySQL back, and which of them nothing does. */
export interface Reversal {
  /** For each statement the one that takes it back; null where there is nothing to take back. */
  readonly statements: readonly (string | null)[];
  /** The number of the first that can't be taken back without loss, from 1 on; null when all can. */
  readonly lost: number | null;
}

/**
 * Finds what takes the first statements of a migration back on a database that can't undo changes of tables: what they
 * have added is dropped, and what they have renamed gets its name again. What they have dropped, changed or written into
 * rows that were there before is gone.
 */
export function toReversal(statements: readonly string[]): Reversal {
  const added = new Added();
  const reversed: (string | null)[] = [];
  for (const [index, statement] of statements.entries()) {
    const back = reverse(
      statement
        .replace(/^(?:\s*--[^\n]*\n)+/, "")
        .trim()
        .replace(/;$/, ""),
      added,
    );
    if (back === undefined) return { statements: reversed, lost: index + 1 };
    reversed.push(back);
  }
  // What went again since, such as a check that only guarded a change, is there no more to be dropped.
  return { statements: reversed.map((back) => back && added.withoutGone(back)), lost: null };
}

/** What the statements so far have added. */
class Added {
  readonly columns = new Set<string>();
  readonly constraints = new Set<string>();
  readonly #gone = new Set<string>();

  drop(constraint: string): boolean {
    if (!this.constraints.delete(constraint)) return false;
    this.#gone.add(`DROP CONSTRAINT \`${constraint}\``);
    return true;
  }

  withoutGone(statement: string): string | null {
    const alteration = /^(ALTER TABLE \S+ )(DROP .*)$/.exec(statement);
    if (alteration === null) return statement;
    const [, start = "", changes = ""] = alteration;
    const left = changes.split(", ").filter((change) => !this.#gone.has(change));
    return left.length === 0 ? null : start + left.join(", ");
  }
}

/** Undefined for what can't be taken back. */
function reverse(statement: string, added: Added): string | null | undefined {
  const created = CREATE_TABLE.exec(statement)?.[1];
  if (created !== undefined) return `DROP TABLE \`${created}\``;
  const [, written, assigned = ""] = UPDATE.exec(statement) ?? [];
  if (written !== undefined) return isOfNew(written, assigned, added) ? null : undefined;
  const [, table, changes = ""] = ALTER_TABLE.exec(statement) ?? [];
  if (table === undefined) return undefined;
  const to = RENAME_TABLE.exec(changes)?.[1];
  if (to !== undefined) return `ALTER TABLE \`${to}\` RENAME TO \`${table}\``;
  const back = splitList(changes).map((change) => reverseChange(table, change, added));
  if (back.includes(undefined)) return undefined;
  const needed = back.filter((change) => typeof change === "string").toReversed();
  return needed.length === 0 ? null : `ALTER TABLE \`${table}\` ${needed.join(", ")}`;
}

function reverseChange(table: string, change: string, added: Added): string | null | undefined {
  const [, from, to] = RENAME_COLUMN.exec(change) ?? [];
  if (from !== undefined) return `RENAME COLUMN \`${to}\` TO \`${from}\``;
  const modified = MODIFY_COLUMN.exec(change)?.[1];
  if (modified !== undefined) return added.columns.has(`${table}.${modified}`) ? null : undefined;
  const dropped = DROP_CONSTRAINT.exec(change)?.[1];
  if (dropped !== undefined) return added.drop(dropped) ? null : undefined;
  for (const [addition, kind] of ADDITIONS) {
    const name = addition.exec(change)?.[1];
    if (name === undefined) continue;
    if (kind === "COLUMN") added.columns.add(`${table}.${name}`);
    if (kind === "CONSTRAINT") added.constraints.add(name);
    return `DROP ${kind} \`${name}\``;
  }
  return undefined;
}

/** Whether an update writes one column alone, which goes when its addition is taken back. */
function isOfNew(table: string, assigned: string, added: Added): boolean {
  const [first = "", ...others] = splitList(assigned);
  const column = ASSIGNMENT.exec(first)?.[1];
  return others.length === 0 && column !== undefined && added.columns.has(`${table}.${column}`);
}

/** Splits at the commas that stand in no text, name or parentheses. */
function splitList(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (const { 0: found, index } of text.matchAll(/'(?:[^'\\]|\\.|'')*'|`[^`]*`|"[^"]*"|[(),]/g)) {
    if (found === "(") depth += 1;
    if (found === ")") depth -= 1;
    if (found !== "," || depth > 0) continue;
    parts.push(text.slice(start, index).trim());
    start = index + 1;
  }
  return [...parts, text.slice(start).trim()];
}

function whole(source: string): RegExp {
  return new RegExp(`^${source}$`, "is");
}
