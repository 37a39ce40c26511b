import type { SqliteConnection } from "./connection/connection.ts";

const COMMENT = /--[^\n]*|\/\*[\s\S]*?\*\//g;

/**
 * Knows whether foreign keys are checked at a commit. A statement that leaves a row without what it refers to is refused
 * then, unless the next one of the same commit brings that: with a commit of its own it always is.
 *
 * SQLite doesn't tell whether a transaction has such rows, so it is asked what tables are declared with, which only SQL
 * of one's own makes so.
 */
export class DeferredKeys {
  #schemaVersion: number | null = null;
  #areThere = false;
  #isSuspect = false;

  /** Called after SQL of the caller's own: `PRAGMA defer_foreign_keys` holds until the next commit. */
  suspect(): void {
    this.#isSuspect = true;
  }

  /** Whether they may be, up to the next commit, which the caller then makes. */
  takeSuspicion(): boolean {
    const isSuspect = this.#isSuspect;
    this.#isSuspect = false;
    return isSuspect;
  }

  /** Whether there are any, in the transaction that is open. */
  areThere(writer: SqliteConnection): boolean {
    const version = Number(writer.values("pragma schema_version", [])[0]?.[0]);
    if (version === this.#schemaVersion) return this.#areThere;
    const candidates = writer.values(
      "select sql from sqlite_schema where type = 'table' and instr(lower(sql), 'deferred') > 0",
      [],
    );
    this.#areThere = candidates.some(([sql]) =>
      /\binitially\s+deferred\b/i.test(String(sql).replaceAll(COMMENT, " ")),
    );
    this.#schemaVersion = version;
    return this.#areThere;
  }
}
