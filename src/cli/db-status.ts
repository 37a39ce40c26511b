import { Command } from "commander";
import { migrationStatus } from "../db/migrations/status.ts";
import { listMigrationOwners, withDatabase } from "./command-database.ts";
import type { CommandContext } from "./command-context.ts";
import { toExamples } from "./examples.ts";
import { toTable } from "./table.ts";

/** `xcore db status`: tells which migrations are applied, pending, or changed since they were applied. */
export function dbStatusCommand(context: CommandContext): Command {
  return new Command("status")
    .description("List the migrations: pending, applied, partial, changed or missing")
    .option("--json", "print JSON")
    .addHelpText("after", toExamples("xcore db status", "xcore db status --json"))
    .action((options: { json?: boolean }, command: Command) =>
      withDatabase(command, context, async (database) => {
        const all = [];
        for (const { name: owner, migrations } of await listMigrationOwners(database)) {
          for (const status of await migrationStatus(database.driver, { owner, migrations })) {
            all.push({
              owner,
              migration: status.name,
              state: status.state,
              applied_at: status.appliedAt?.toISOString() ?? null,
              file: status.file === null ? null : database.toDisplayPath(status.file),
            });
          }
        }
        if (options.json) {
          context.print(JSON.stringify(all, null, 2));
          return;
        }
        const rows = all.map(({ owner, migration, state, applied_at }) => [
          owner,
          migration,
          state,
          applied_at ?? "-",
        ]);
        context.print(toTable([["OWNER", "MIGRATION", "STATE", "APPLIED AT"], ...rows]));
        const pending = all.filter(({ state }) => state === "pending" || state === "partial").length;
        if (pending > 0) context.print(`\n${pending} to apply: run \`xcore db migrate\``);
      }),
    );
}
