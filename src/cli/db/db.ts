import { Command } from "commander";
import type { CommandContext } from "../open/command-context.ts";
import { dbBackupCommand } from "./backup.ts";
import { dbCopyCommand } from "./copy.ts";
import { dbGenerateCommand } from "./generate.ts";
import { dbMigrateCommand } from "./migrate.ts";
import { dbRestoreCommand } from "./restore.ts";
import { dbSeedCommand } from "./seed.ts";
import { dbStatusCommand } from "./status.ts";
import { toExamples } from "../terminal/output.ts";

/** `xcore db`: migrations, backups and copies. */
export function dbCommand(context: CommandContext): Command {
  return new Command("db")
    .description("Generate and apply migrations, fill, back up, restore and copy the database")
    .addHelpText("after", toExamples("xcore db status", "xcore db generate blog", "xcore db backup"))
    .addCommand(dbStatusCommand(context))
    .addCommand(dbGenerateCommand(context))
    .addCommand(dbMigrateCommand(context))
    .addCommand(dbSeedCommand(context))
    .addCommand(dbBackupCommand(context))
    .addCommand(dbRestoreCommand(context))
    .addCommand(dbCopyCommand(context));
}
