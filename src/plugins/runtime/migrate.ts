import { applyMigrations } from "../../db/migrations/apply.ts";
import { type Dialect, DIALECTS, type Driver } from "../../db/contract/driver.ts";
import type { Migration } from "../../db/migrations/files.ts";
import { findMissingColumns, migrationStatus } from "../../db/migrations/status.ts";
import { compareWithMigrations } from "../../db/migrations/generate/step.ts";
import { PluginError } from "../failure/failure.ts";
import type { PluginFiles } from "../source/files.ts";
import type { PluginLifeCycle } from "./host.ts";
import type { DeclaredTables } from "./modules.ts";

const AHEAD = "schema.ts is ahead of its migrations";
const MAX_CHANGES = 3; // shown

/** A plugin's migrations wait for somebody to apply them: until then its code isn't for these tables. */
export class PendingMigrationsError extends PluginError {
  /** Whether they have been applied since. */
  readonly isSettled: () => Promise<boolean>;

  constructor(owner: string, pending: readonly string[], isSettled: () => Promise<boolean>) {
    const what = pending.length === 1 ? "a migration is" : `${pending.length} migrations are`;
    super("migrate", `Cannot load "${owner}": ${what} pending: run xcore db migrate (${pending.join(", ")})`);
    this.isSettled = isSettled;
  }
}

/**
 * Applies a plugin's pending migrations, or makes sure that somebody else has.
 *
 * @throws MigrationError when one can't be applied
 * @throws PendingMigrationsError when some are pending and aren't applied by the server
 */
export async function migratePlugin(
  database: Driver,
  owner: { readonly owner: string; readonly migrations: readonly Migration[] },
  { autoMigrate, upgrade, log, toDisplayPath }: PluginLifeCycle,
): Promise<void> {
  if (owner.migrations.length === 0) return;
  if (autoMigrate()) {
    await applyMigrations(database, { ...owner, log, toDisplayPath, upgrade });
    return;
  }
  const findPending = async (): Promise<string[]> => {
    const states = await migrationStatus(database, owner);
    return states.filter(({ state }) => state !== "applied" && state !== "missing").map(({ name }) => name);
  };
  const pending = await findPending();
  if (pending.length === 0) return;
  throw new PendingMigrationsError(owner.owner, pending, async () => (await findPending()).length === 0);
}

/** The plugin whose tables are compared with its migrations. */
export interface StepOptions {
  readonly files: PluginFiles;
  readonly manifest: { readonly name: string };
  readonly migrations: readonly Migration[];
  readonly dialect: Dialect;
}

/**
 * Makes sure that a plugin's migrations make the tables that its schema files declare.
 *
 * @param database null where none is open
 * @throws PluginError of stage "migrate" when they don't
 * @throws InvalidMigrationError for a snapshot that can't be read
 */
export async function assertInStep(
  tables: DeclaredTables,
  database: Driver | null,
  options: StepOptions,
): Promise<void> {
  const lag = await describeLag(tables, database, options);
  if (lag === null) return;
  const { files } = options;
  const [first = null] = await files.findSchemas();
  throw new PluginError("migrate", lag, { file: first === null ? null : files.source.show(first) });
}

/**
 * Says that a plugin's tables are ahead of its migrations, and what to do; null when they aren't. Of migrations that are
 * written by hand, without snapshots, only the database can tell.
 *
 * @param database with all of them applied; null where none is open
 * @throws InvalidMigrationError as `assertInStep` does
 */
export async function describeLag(
  { exported, others }: DeclaredTables,
  database: Driver | null,
  options: StepOptions,
): Promise<string | null> {
  const { files, migrations, dialect } = options;
  const { read: readFile } = files;
  const declared = { dialect, tables: exported, otherTables: others, migrations, readFile };
  const step = await compareWithMigrations(declared);
  if (step.state === "ahead") {
    return `${AHEAD}: ${await advise(step.draft, options)} (missing in them: ${list(step.changes)})`;
  }
  if (step.state === "in step" || database === null) return null;
  const missing = await findMissingColumns(database, exported);
  if (missing.length === 0) return null;
  const advice = "the last of them was written by hand, so write the next one by hand too";
  return `${AHEAD}: ${advice} (missing in the database: ${list(missing)})`;
}

async function advise(
  draft: string | null,
  { files, manifest, migrations, dialect }: StepOptions,
): Promise<string> {
  if (files.source.remote !== null) return "its author must generate them, and pack it anew";
  const command = `xcore db generate ${manifest.name}`;
  if (draft !== null) return `${draft} is a draft, which ${command} makes real`;
  const others = migrations.length > 0 ? [] : await findOtherDialects(files, dialect);
  if (others.length === 0) return `run ${command}`;
  return `there are some for ${others.join(" and ")}, and none for ${dialect}`;
}

function list(changes: readonly string[]): string {
  const more = changes.length > MAX_CHANGES ? ` and ${changes.length - MAX_CHANGES} more` : "";
  return `${changes.slice(0, MAX_CHANGES).join(", ")}${more}`;
}

async function findOtherDialects(files: PluginFiles, dialect: Dialect): Promise<Dialect[]> {
  const others = DIALECTS.filter((one) => one !== dialect);
  const found = await Promise.all(
    others.map(async (one) => ((await files.readMigrations(one)).length > 0 ? [one] : [])),
  );
  return found.flat();
}
