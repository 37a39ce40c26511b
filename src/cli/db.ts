import { Command } from "commander";
import type { CommandContext } from "./command-context.ts";
import { dbBackupCommand } from "./db-backup.ts";
import { dbGenerateCommand } from "./db-generate.ts";
import { dbMigrateCommand } from "./db-migrate.ts";
import { dbRestoreCommand } from "./db-restore.ts";
import { dbStatusCommand } from "./db-status.ts";
import { toExamples } from "./examples.ts";

/** `xcore db`: migrations and backups. */
export function dbCommand(context: CommandContext): Command {
  return new Command("db")
    .description("Generate and apply migrations, back up and restore the database")
    .addHelpText("after", toExamples("xcore db status", "xcore db generate blog", "xcore db backup"))
    .addCommand(dbStatusCommand(context))
    .addCommand(dbGenerateCommand(context))
    .addCommand(dbMigrateCommand(context))
    .addCommand(dbBackupCommand(context))
    .addCommand(dbRestoreCommand(context));
}
