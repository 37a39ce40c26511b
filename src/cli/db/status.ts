import { Command } from "commander";
import type { Driver } from "../../db/contract/driver.ts";
import { migrationStatus } from "../../db/migrations/status.ts";
import { fail } from "../../errors/codes.ts";
import { listMigrationOwners, type MigrationOwner, withDatabase } from "../open/database.ts";
import type { CommandContext } from "../open/command-context.ts";
import { loadCommandPlugins } from "../open/plugins.ts";
import { toExamples, toTable } from "../terminal/output.ts";
import { describeFailure } from "../../app/failure-text.ts";

/** `xcore db status`: tells which migrations are applied, pending, or changed since they were applied. */
export function dbStatusCommand(context: CommandContext): Command {
  return new Command("status")
    .description("List the migrations: pending, applied, partial, changed or missing")
    .option("--json", "print JSON")
    .addHelpText("after", toExamples("xcore db status", "xcore db status --json"))
    .action(async (options: { json?: boolean }, command: Command) => {
      const { loaded, plugins, toDisplayPath } = await loadCommandPlugins(command, context);
      await withDatabase(loaded, async ({ driver }) => {
        const unread: string[] = [];
        const all: ShownMigration[] = [];
        for (const owner of listMigrationOwners(driver.dialect, plugins)) {
          try {
            // oxlint-disable-next-line no-await-in-loop -- in the order of the owners
            all.push(...(await readStates(owner, driver, toDisplayPath)));
          } catch (error) {
            context.warn(describeFailure(error));
            unread.push(owner.name);
          }
        }
        printStates(all, { print: context.print, isJson: options.json === true });
        if (unread.length === 0) return;
        throw fail("migration_failed", `Cannot read the migrations of ${unread.join(", ")}: see above`);
      });
    });
}

interface ShownMigration {
  readonly owner: string;
  readonly migration: string;
  readonly state: string;
  readonly applied_at: string | null;
  readonly file: string | null;
}

async function readStates(
  { name: owner, readMigrations }: MigrationOwner,
  driver: Driver,
  toDisplayPath: (file: string) => string,
): Promise<ShownMigration[]> {
  const states = await migrationStatus(driver, { owner, migrations: await readMigrations() });
  return states.map(({ name, state, appliedAt, file }) => ({
    owner,
    migration: name,
    state,
    applied_at: appliedAt?.toISOString() ?? null,
    file: file === null ? null : toDisplayPath(file),
  }));
}

function printStates(
  all: readonly ShownMigration[],
  { print, isJson }: { readonly print: (line: string) => void; readonly isJson: boolean },
): void {
  if (isJson) {
    print(JSON.stringify(all, null, 2));
    return;
  }
  const rows = all.map(({ owner, migration, state, applied_at }) => [
    owner,
    migration,
    state,
    applied_at ?? "-",
  ]);
  print(toTable([["OWNER", "MIGRATION", "STATE", "APPLIED AT"], ...rows]));
  const pending = all.filter(({ state }) => state === "pending" || state === "partial").length;
  if (pending > 0) print(`\n${pending} to apply: run \`xcore db migrate\``);
}
