import { Command } from "commander";
import { type LoadedConfig, readVariables } from "../../config/load.ts";
import { fillPlaceholders } from "../../config/placeholders.ts";
import {
  type AppliedMigration,
  copyDatabase,
  type CopyProgress,
  type CopyReport,
} from "../../db/copy/copy.ts";
import { type DatabaseUrl, parseDatabaseUrl } from "../../db/contract/database-url.ts";
import type { Dialect } from "../../db/contract/driver.ts";
import { applyMigrations } from "../../db/migrations/apply.ts";
import type { Migration } from "../../db/migrations/files.ts";
import { openDatabase, toDatabaseOptions } from "../../db/open.ts";
import { fail } from "../../errors/codes.ts";
import type { CommandContext } from "../open/command-context.ts";
import { listMigrationOwners, type MigrationOwner } from "../open/database.ts";
import { type CommandPlugins, loadCommandPlugins } from "../open/plugins.ts";
import { confirm } from "../terminal/prompts.ts";
import { toExamples } from "../terminal/output.ts";

interface CopyCommandOptions {
  readonly json?: boolean;
  readonly yes?: boolean;
}

const SAID_EVERY_MS = 5000;

/** `xcore db copy FROM TO`: copies all data into an empty database, of the same kind or another. */
export function dbCopyCommand(context: CommandContext): Command {
  return new Command("copy")
    .description(
      "Copy all data of xcore and its plugins into an empty database: between SQLite, PostgreSQL and MySQL. " +
        "It is compared at the end, and one that was cut off goes on where it was. Stop the servers before",
    )
    .argument(
      "<from>",
      "URL of the database that is copied, as in database.url; '${NAME}' takes it from a variable",
    )
    .argument("<to>", "URL of an empty database")
    .option("--yes", "don't ask")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      toExamples(
        "xcore db copy sqlite:data/app.db 'postgresql://xcore:${PASSWORD}@db/xcore'",
        "xcore db copy '${DATABASE_URL}' sqlite:data/copy.db --yes",
      ),
    )
    .action(async (fromText: string, toText: string, options: CopyCommandOptions, command: Command) => {
      const declared = await loadCommandPlugins(command, context);
      const [from, to] = [fromText, toText].map((text) => toUrl(text, declared.loaded, context));
      if (from === undefined || to === undefined) return;
      assertDifferent(from, to);
      context.warn(
        `This copies "${from.shown}" to "${to.shown}": what is written to the former meanwhile isn't copied`,
      );
      if (options.yes !== true && !(await confirm("Are the servers on it stopped, and shall it begin?"))) {
        context.print("Nothing was changed");
        return;
      }
      const startedAt = performance.now();
      const report = await copyDatabase({
        from,
        to,
        log: declared.log,
        makeTables: (applied) => makeTables(applied, { from, to, declared }),
        onProgress: createProgress(context),
      });
      tell(report, { to, seconds: (performance.now() - startedAt) / 1000, options, context });
    });
}

/** Reads a URL whose variables the shell hasn't put in: what it puts in every user of the machine can see. */
function toUrl(text: string, { directory }: LoadedConfig, context: CommandContext): DatabaseUrl {
  const { value, faults } = fillPlaceholders(text, readVariables(directory, context));
  const [fault] = faults;
  if (fault !== undefined)
    throw fail("config_invalid", `Cannot read the URL of the database: ${fault.message}`);
  return parseDatabaseUrl(String(value), directory);
}

function assertDifferent(from: DatabaseUrl, to: DatabaseUrl): void {
  if (toPlace(from) !== toPlace(to)) return;
  throw fail("config_invalid", `Cannot copy "${from.shown}" to itself`);
}

function toPlace(url: DatabaseUrl): string {
  return url.dialect === "sqlite" ? url.file : `${url.host}:${url.port}/${url.database}`;
}

interface Tables {
  readonly from: DatabaseUrl;
  readonly to: DatabaseUrl;
  readonly declared: CommandPlugins;
}

/** Applies to the copy what the source has, by the migrations for its own database. */
async function makeTables(
  applied: readonly AppliedMigration[],
  { from, to, declared }: Tables,
): Promise<void> {
  const { loaded, plugins, log, toDisplayPath } = declared;
  const owners = listMigrationOwners(to.dialect, plugins);
  const names = [...new Set(applied.map(({ owner }) => owner))];
  const missing = names.filter((name) => owners.every((owner) => owner.name !== name));
  if (missing.length > 0) {
    throw fail(
      "migration_failed",
      `Cannot copy the tables of ${missing.join(", ")}: the plugins aren't there or can't be loaded; put them back, or remove their tables with \`xcore plugin remove NAME --purge\``,
    );
  }
  const sources = new Map(listMigrationOwners(from.dialect, plugins).map((owner) => [owner.name, owner]));
  const chosen: { owner: string; migrations: readonly Migration[] }[] = [];
  for (const owner of owners.filter(({ name }) => names.includes(name))) {
    const done = new Set(applied.filter((one) => one.owner === owner.name).map(({ name }) => name));
    const dialects = { from: from.dialect, to: to.dialect };
    // oxlint-disable-next-line no-await-in-loop -- in the order of the owners
    chosen.push({
      owner: owner.name,
      migrations: await choose(owner, sources.get(owner.name), { done, dialects }),
    });
  }
  const driver = await openDatabase({
    ...toDatabaseOptions(loaded.config.database),
    poolSize: 1,
    url: to,
    log,
  });
  try {
    for (const one of chosen) {
      // oxlint-disable-next-line no-await-in-loop
      await applyMigrations(driver, { ...one, log, toDisplayPath });
    }
  } finally {
    await driver.close();
  }
}

/** Of an owner's migrations those that make the tables of the source. */
async function choose(
  owner: MigrationOwner,
  source: MigrationOwner | undefined,
  {
    done,
    dialects,
  }: { readonly done: ReadonlySet<string>; readonly dialects: { from: Dialect; to: Dialect } },
): Promise<readonly Migration[]> {
  const all = (await owner.readMigrations()).filter(({ isDraft }) => !isDraft);
  const same = all.filter(({ name }) => done.has(name));
  if (same.length === done.size) return same;
  // Called otherwise for each database: then they can only be taken whole.
  const others = (await source?.readMigrations()) ?? [];
  const isWhole = others.length > 0 && others.every(({ name, isDraft }) => isDraft || done.has(name));
  if (isWhole && others.length >= done.size && all.length > 0) return all;
  const advice =
    all.length === 0
      ? `there are none for ${dialects.to}: make them with \`xcore db generate ${owner.name}\` while database.url names the new database`
      : `those for ${dialects.from} and ${dialects.to} differ: bring the source up to date with \`xcore db migrate\``;
  throw fail("migration_failed", `Cannot copy the tables of "${owner.name}" by its migrations: ${advice}`);
}

function createProgress({ warn }: CommandContext): (progress: CopyProgress) => void {
  const startedAt = performance.now();
  let saidAt = startedAt;
  return ({ step, table, rows }) => {
    const now = performance.now();
    if (now - saidAt < SAID_EVERY_MS) return;
    saidAt = now;
    const what = step === "compare" ? "comparing" : "copying";
    warn(
      `${what}${table === null ? "" : ` ${table}`}, ${rows} rows after ${Math.round((now - startedAt) / 1000)} s`,
    );
  };
}

function tell(
  report: CopyReport,
  {
    to,
    seconds,
    options,
    context,
  }: {
    readonly to: DatabaseUrl;
    readonly seconds: number;
    readonly options: CopyCommandOptions;
    readonly context: CommandContext;
  },
): void {
  for (const name of report.left_out)
    context.warn(`Left out table "${name}": no migration of xcore or a plugin made it`);
  if (options.json === true) {
    context.print(JSON.stringify({ ...report, to: to.shown, seconds: Number(seconds.toFixed(3)) }, null, 2));
    return;
  }
  const resumed = report.was_resumed ? ", going on with a copy that was cut off" : "";
  context.print(
    `Copied ${report.rows} rows of ${report.tables.length} tables to "${to.shown}" in ${seconds.toFixed(1)} s${resumed}; counts and checksums agree`,
  );
  context.print("Set database.url to it, and start the servers again. Uploaded files stay where they are");
}
