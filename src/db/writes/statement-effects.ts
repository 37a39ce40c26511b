import type { TableWrite } from "../contract/driver.ts";
import { findWrites } from "./found-tables.ts";

/** What a statement does to the transaction it is in, or which tables it writes to; null stands for any table. */
export type StatementEffect =
  | "begin"
  | "commit"
  | "rollback"
  | "savepoint"
  | "release"
  | "undo savepoint"
  | readonly (TableWrite | null)[];

const CONTROL = /^\s*(begin|start\s+transaction|commit|end|rollback\s+to|rollback|savepoint|release)\b/i;
const EFFECTS: Readonly<Record<string, StatementEffect>> = {
  begin: "begin",
  start: "begin",
  commit: "commit",
  end: "commit",
  savepoint: "savepoint",
  release: "release",
  rollback: "rollback",
};
const MOST_KEPT = 1000;

const kept = new Map<string, StatementEffect>();

/** Finds out what a statement does, as far as its text tells. */
export function toEffect(sql: string): StatementEffect {
  let effect = kept.get(sql);
  if (effect === undefined) {
    if (kept.size >= MOST_KEPT) kept.clear();
    kept.set(sql, (effect = read(sql)));
  }
  return effect;
}

export function isCommit(sql: string): boolean {
  return toEffect(sql) === "commit";
}

function read(sql: string): StatementEffect {
  const [, words = ""] = CONTROL.exec(sql) ?? [];
  if (words === "") return findWrites(sql);
  if (/\sto$/i.test(words)) return "undo savepoint";
  return EFFECTS[words.toLowerCase().split(/\s/)[0] ?? ""] ?? [];
}
