import { basename } from "node:path";
import { Command } from "commander";
import type { Driver } from "../../db/contract/driver.ts";
import { migrationStatus } from "../../db/migrations/status.ts";
import { fail } from "../../errors/codes.ts";
import { listMigrationOwners, type MigrationOwner, withDatabase } from "../open/database.ts";
import type { CommandContext } from "../open/command-context.ts";
import { type CommandPlugins, loadCommandPlugins } from "../open/plugins.ts";
import { findPluginStep } from "../../plugins/inventory/step.ts";
import { toExamples, toTable } from "../terminal/output.ts";
import { describeFailure } from "../../app/failure-text.ts";

/** `xcore db status`: tells which migrations are applied, pending, or changed since they were applied. */
export function dbStatusCommand(context: CommandContext): Command {
  return new Command("status")
    .description(
      "List the migrations: pending, applied, partial, changed, missing or draft; and where a schema.ts is ahead of them",
    )
    .option("--json", "print JSON")
    .addHelpText("after", toExamples("xcore db status", "xcore db status --json"))
    .action(async (options: { json?: boolean }, command: Command) => {
      const commandPlugins = await loadCommandPlugins(command, context);
      await withDatabase(commandPlugins.loaded, async ({ driver }) => {
        const unread: string[] = [];
        const all: ShownMigration[] = [];
        const lags: string[] = [];
        for (const owner of listMigrationOwners(driver.dialect, commandPlugins.plugins)) {
          try {
            // oxlint-disable-next-line no-await-in-loop -- in the order of the owners
            const { shown, lag } = await readOwner(owner, driver, commandPlugins);
            all.push(...shown);
            if (lag !== null) lags.push(`${owner.name}: ${lag}`);
          } catch (error) {
            context.warn(describeFailure(error));
            unread.push(owner.name);
          }
        }
        printStates(all, lags, { print: context.print, isJson: options.json === true });
        if (unread.length === 0) return;
        throw fail("migration_failed", `Cannot read the migrations of ${unread.join(", ")}: see above`);
      });
    });
}

interface ShownMigration {
  readonly owner: string;
  /** Null for a schema.ts that is ahead of its migrations. */
  readonly migration: string | null;
  readonly state: string;
  readonly applied_at: string | null;
  readonly file: string | null;
}

async function readOwner(
  { name: owner, plugin, readMigrations }: MigrationOwner,
  database: Driver,
  { plugins: { byName }, packages, log, toDisplayPath }: CommandPlugins,
): Promise<{ shown: ShownMigration[]; lag: string | null }> {
  const states = await migrationStatus(database, { owner, migrations: await readMigrations() });
  const shown: ShownMigration[] = states.map(({ name, state, appliedAt, file }) => ({
    owner,
    migration: name,
    state,
    applied_at: appliedAt?.toISOString() ?? null,
    file: file === null ? null : toDisplayPath(file),
  }));
  if (plugin === null) return { shown, lag: null };
  const isMigrated = states.every(({ state }) => state === "applied" || state === "missing");
  const { lag, file } = await findPluginStep(plugin, { byName, packages, log, database, isMigrated });
  if (lag !== null) shown.push({ owner, migration: null, state: "ahead", applied_at: null, file });
  return { shown, lag };
}

function printStates(
  all: readonly ShownMigration[],
  lags: readonly string[],
  { print, isJson }: { readonly print: (line: string) => void; readonly isJson: boolean },
): void {
  if (isJson) {
    print(JSON.stringify(all, null, 2));
    return;
  }
  const rows = all.map(({ owner, migration, state, applied_at, file }) => [
    owner,
    migration ?? basename(file ?? "schema.ts"),
    state,
    applied_at ?? "-",
  ]);
  print(toTable([["OWNER", "MIGRATION", "STATE", "APPLIED AT"], ...rows]));
  const drafts = all.filter(({ state }) => state === "draft");
  for (const { owner, migration } of drafts) {
    print(`\n${owner} ${migration} is a draft: \`xcore db generate ${owner}\` makes it real`);
  }
  const pending = all.filter(({ state }) => state === "pending" || state === "partial").length;
  if (pending > 0) print(`\n${pending} to apply: run \`xcore db migrate\``);
  for (const lag of lags) print(`\n${lag}`);
}
