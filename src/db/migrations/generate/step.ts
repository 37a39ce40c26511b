import type { Dialect } from "../../contract/driver.ts";
import { type Migration, withoutDrafts } from "../files.ts";

/** What is declared of tables, and what is there of migrations. */
export interface DeclaredSchema {
  readonly dialect: Dialect;
  /** Tables that `xcore db generate` writes migrations for. */
  readonly tables: readonly unknown[];
  /** Tables of code that it doesn't read: they count only where a migration has made them. */
  readonly otherTables: readonly unknown[];
  readonly migrations: readonly Migration[];
  /** Reads a file below the folder of `drizzle/`, such as "drizzle/sqlite/meta/0000_snapshot.json"; null for none. */
  readonly readFile: (name: string) => Promise<Uint8Array | null>;
}

/**
 * How a schema stands to its migrations:
 * - `in step`: they make what it declares, no more and no less
 * - `ahead`: they don't
 * - `unknown`: the last of them was written by hand, and what it makes stands in no snapshot
 */
export type SchemaStep = { readonly state: "in step" | "unknown" } | SchemaAhead;

export interface SchemaAhead {
  readonly state: "ahead";
  /** What differs, such as `column "crm_deals.stage"`. */
  readonly changes: readonly string[];
  /** Name of the migration that is a draft; null when there is none. */
  readonly draft: string | null;
}

/**
 * Compares a schema with the snapshot that stands beside its last migration. No database is asked, and nothing is read
 * for who has neither tables nor migrations.
 *
 * @throws InvalidMigrationError for a snapshot that can't be read, and for tables that no migration can be generated for
 */
export async function compareWithMigrations(schema: DeclaredSchema): Promise<SchemaStep> {
  const { dialect, tables, otherTables } = schema;
  const migrations = withoutDrafts(schema.migrations);
  if (migrations.length === 0 && tables.length === 0) return { state: "in step" };
  const snapshot = await findSnapshot({ ...schema, migrations });
  if (snapshot === null && migrations.length > 0) return { state: "unknown" };
  const { describeDifference } = await import("./snapshot-difference.ts");
  const changes = describeDifference(dialect, { tables, otherTables, snapshot: snapshot?.text ?? null });
  if (changes.length === 0) return { state: "in step" };
  if (snapshot !== null && !snapshot.isLast) return { state: "unknown" };
  return { state: "ahead", changes, draft: schema.migrations.find(({ isDraft }) => isDraft)?.name ?? null };
}

/** Finds the snapshot of the last migration that has one. */
async function findSnapshot({
  dialect,
  migrations,
  readFile,
}: DeclaredSchema): Promise<{ text: string; isLast: boolean } | null> {
  const last = migrations.length - 1;
  for (let index = last; index >= 0; index -= 1) {
    const number = String(index).padStart(4, "0");
    // oxlint-disable-next-line no-await-in-loop -- mostly the first one
    const content = await readFile(`drizzle/${dialect}/meta/${number}_snapshot.json`);
    if (content !== null) return { text: new TextDecoder().decode(content), isLast: index === last };
  }
  return null;
}
