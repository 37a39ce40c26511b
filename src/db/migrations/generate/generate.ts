import { type Dialect, DIALECTS } from "../../contract/driver.ts";
import { type Backfill, type DeclaredSchemas, type Fill, findUnfilled, toFills } from "./backfills.ts";
import { findConversions } from "./conversions.ts";
import { compareSchemas, isEmpty, type ReplacedColumn, type SchemaDifference } from "./difference.ts";
import { describeLosses } from "./losses.ts";
import { readMigrationFolder, writeMigration } from "./migration-folder.ts";
import { freeForeignKeys, renameOnMysql, withForeignKeyIndexes } from "./mysql-obstacles.ts";
import { toMysqlStatements } from "./mysql-sql.ts";
import { toPostgresStatements } from "./postgres-sql.ts";
import { applyRename, assertRenamed, orderRenames, type Rename } from "./renames.ts";
import { readSchema } from "./schema-model.ts";
import { readSnapshot, toSnapshot } from "./snapshot.ts";
import { toSqliteStatements } from "./sqlite-sql.ts";
import type { SchemaModel } from "./table-model.ts";
import { InvalidMigrationError } from "../error.ts";

export { type Backfill, parseBackfill } from "./backfills.ts";
export { releaseDrafts } from "./drafts.ts";
export { parseRename, type Rename } from "./renames.ts";

export interface GenerateOptions {
  /** The `drizzle` folder, with a folder for each dialect. */
  readonly folder: string;
  /** What the migration is called after its number. @default made of what changes, such as "create_articles" */
  readonly name?: string | undefined;
  /** Gives what the schema exports when it is made for a dialect: its own tables and relations. */
  readonly schemaFor: (dialect: Dialect) => Promise<Record<string, unknown>>;
  /** What goes on under another name; anything else that vanishes is dropped. */
  readonly renames?: readonly Rename[] | undefined;
  /** What the rows that are there get in columns that are new or become required. */
  readonly backfills?: readonly Backfill[] | undefined;
}

export interface WriteOptions {
  /** Whether it isn't to be applied before `releaseDrafts` makes it real. @default false */
  readonly isDraft?: boolean;
}

/** A migration that isn't written yet. */
export interface GeneratedMigration {
  /** Its name with the number, such as "0001_alter_articles". */
  readonly name: string;
  readonly statements: Readonly<Record<Dialect, readonly string[]>>;
  /** What rows could lose, or what in them could stop the migration: a line each, to be asked about. */
  readonly losses: readonly string[];
  /** Drops that could be meant as renames, as `parseRename` reads them. */
  readonly possibleRenames: readonly string[];
  /** Columns, as "table.column", that rows which are there have no value for: `parseBackfill` reads one with it. */
  readonly unfilled: readonly string[];
  /** Writes the files of every dialect, or none; returns their paths. */
  write(options?: WriteOptions): Promise<string[]>;
}

const NAME = /^[a-z0-9_]{1,60}$/;

/**
 * Compares a schema with what its migrations have made so far.
 *
 * @returns null when nothing has changed
 * @throws InvalidMigrationError for a name or rename that doesn't fit, folders that aren't in step, what isn't portable
 */
export async function generateMigration(options: GenerateOptions): Promise<GeneratedMigration | null> {
  const { folder, name, schemaFor, renames = [], backfills = [] } = options;
  assertName(name);
  const present = await readMigrationFolder(folder);
  const before = mapDialects((dialect) => {
    const snapshot = present.snapshots[dialect];
    return snapshot === null ? new Map() : readSnapshot(snapshot);
  });
  const declared = await declareSchemas(schemaFor);
  const after = mapDialects((dialect) => readSchema(dialect, declared[dialect]));
  const ordered = orderRenames(renames);
  const renamed = mapDialects((dialect) => ordered.reduce(applyRename, before[dialect]));
  for (const rename of ordered) assertRenamed(after.postgres, rename);

  const conversions = findConversions(compareSchemas(renamed.postgres, after.postgres));
  const replaced = conversions.filter(({ isPossible }) => !isPossible);
  const differences = mapDialects((dialect) => compareSchemas(renamed[dialect], after[dialect], replaced));
  const fills = toFills(backfills, differences.postgres, declared);
  if (ordered.length === 0 && DIALECTS.every((dialect) => isEmpty(differences[dialect]))) return null;

  const statements = {
    sqlite: toSqliteStatements(differences.sqlite, ordered, { conversions, fills: fills.sqlite }),
    postgres: toPostgresStatements(differences.postgres, ordered, {
      before: before.postgres,
      conversions,
      fills: fills.postgres,
    }),
    mysql: writeMysql(before.mysql, after.mysql, { renames: ordered, replaced, fills: fills.mysql }),
  };
  const snapshots = mapDialects((dialect) => toSnapshot(dialect, after[dialect], present.snapshots[dialect]));
  const fullName = `${present.nextNumber}_${name ?? describe(differences.postgres, ordered)}`;
  return {
    name: fullName,
    statements,
    // The others differ in how they keep a type, not in what is lost.
    losses: describeLosses(differences.postgres, conversions, fills.postgres),
    possibleRenames: findPossibleRenames(differences.postgres),
    unfilled: findUnfilled(differences.postgres, fills.postgres),
    write: ({ isDraft = false } = {}) =>
      writeMigration(folder, { name: fullName, statements, snapshots, isDraft }),
  };
}

/**
 * Writes a migration for somebody to fill in by hand, as a draft; returns the paths of its files.
 *
 * @throws InvalidMigrationError for a name that doesn't fit, folders that aren't in step
 */
export async function writeEmptyMigration(folder: string, name = "by_hand"): Promise<string[]> {
  assertName(name);
  const { nextNumber, snapshots } = await readMigrationFolder(folder);
  const statements = { sqlite: [], postgres: [], mysql: [] };
  const same = mapDialects((dialect) => {
    const last = snapshots[dialect];
    return toSnapshot(dialect, last === null ? new Map() : readSnapshot(last), last);
  });
  const fullName = `${nextNumber}_${name}`;
  return writeMigration(folder, { name: fullName, statements, snapshots: same, isDraft: true });
}

function assertName(name: string | undefined): void {
  if (name === undefined || NAME.test(name)) return;
  const message = `Cannot name a migration "${name}": a name is 1 to 60 of a-z, 0-9 and "_"`;
  throw new InvalidMigrationError(message);
}

async function declareSchemas(schemaFor: GenerateOptions["schemaFor"]): Promise<DeclaredSchemas> {
  const sqlite = await schemaFor("sqlite");
  const postgres = await schemaFor("postgres");
  return { sqlite, postgres, mysql: await schemaFor("mysql") };
}

interface MysqlChange {
  readonly renames: readonly Rename[];
  readonly replaced: readonly ReplacedColumn[];
  readonly fills: readonly Fill[];
}

function writeMysql(
  before: SchemaModel,
  after: SchemaModel,
  { renames, replaced, fills }: MysqlChange,
): string[] {
  const goal = withForeignKeyIndexes(after);
  const renamed = renameOnMysql(withForeignKeyIndexes(before), renames);
  const freed = freeForeignKeys(renamed.schema, goal);
  const difference = compareSchemas(freed.schema, goal, replaced);
  return [...renamed.statements, ...freed.statements, ...toMysqlStatements(difference, fills)];
}

function findPossibleRenames({ created, dropped, altered }: SchemaDifference): string[] {
  const tables = dropped.flatMap((old) =>
    created
      .filter((table) =>
        [...old.columns.keys()].some((column) => column !== "id" && table.columns.has(column)),
      )
      .map((table) => `${old.name}=${table.name}`),
  );
  const columns = altered.flatMap(({ name, columns: { dropped: olds, added } }) =>
    olds.flatMap((old) =>
      added
        .filter((column) => column.name !== old.name && column.type === old.type)
        .map((column) => `${name}.${old.name}=${column.name}`),
    ),
  );
  return [...tables, ...columns];
}

function describe({ created, dropped, altered }: SchemaDifference, renames: readonly Rename[]): string {
  const parts = [
    ...created.map(({ name }) => `create_${name}`),
    ...renames.map(
      ({ table, column, to }) => `rename_${column === null ? table : `${table}_${column}`}_to_${to}`,
    ),
    ...altered.map(({ name }) => `alter_${name}`),
    ...dropped.map(({ name }) => `drop_${name}`),
  ];
  const first = parts[0] ?? "empty";
  return parts.length > 1 ? `${first.slice(0, 51)}_and_more` : first.slice(0, 60);
}

function mapDialects<Value>(toValue: (dialect: Dialect) => Value): Record<Dialect, Value> {
  return { sqlite: toValue("sqlite"), postgres: toValue("postgres"), mysql: toValue("mysql") };
}
