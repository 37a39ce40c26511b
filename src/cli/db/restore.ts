import { resolve } from "node:path";
import { Command } from "commander";
import { toBackupProject } from "../../backups/project.ts";
import { type RestorePlan, restoreDatabase } from "../../db/backup/restore.ts";
import { createProgress, timeoutOption, toTimeoutMs } from "./backup.ts";
import { type CommandContext, loadFor } from "../open/command-context.ts";
import { confirm } from "../terminal/prompts.ts";
import { toExamples } from "../terminal/output.ts";

interface RestoreCommandOptions {
  readonly withConfig?: boolean;
  readonly yes?: boolean;
  readonly timeout?: number;
}

/** `xcore db restore FILE`: puts a backup in the place of the database, which is kept. */
export function dbRestoreCommand(context: CommandContext): Command {
  return new Command("restore")
    .description("Put a backup in the place of the database: checked before, and what was there is kept")
    .argument("<file>", "backup made by `xcore db backup`")
    .option("--with-config", "restore config.json and the plugins' manifests too")
    .option("--yes", "don't ask")
    .addOption(timeoutOption())
    .addHelpText(
      "after",
      toExamples("xcore db restore monday.tar.gz", "xcore db restore monday.tar.gz --yes"),
    )
    .action(async (file: string, { withConfig, yes, timeout }: RestoreCommandOptions, command: Command) => {
      const project = toBackupProject(loadFor(command, context), context);
      const done = await restoreDatabase({
        ...project,
        file: resolve(context.cwd, file),
        withConfig: withConfig === true,
        timeoutMs: toTimeoutMs(timeout),
        onProgress: createProgress(context),
        confirm: async (plan) => {
          describePlan(plan, context);
          return yes === true || (await confirm(`Replace everything in "${plan.database}"?`));
        },
      });
      if (done === null) {
        context.print("Nothing was changed");
        return;
      }
      context.print(`Restored "${done.database}" from ${file}`);
      if (done.keptAs !== null) context.print(`What was there is kept as ${done.keptAs}`);
      if (done.files.length > 0) context.print(`Restored ${done.files.join(", ")}`);
    });
}

function describePlan({ manifest, leftOut, files, warnings }: RestorePlan, { warn }: CommandContext): void {
  warn(`The backup is of ${manifest.created_at}, by xcore ${manifest.xcore_version}`);
  for (const warning of warnings) warn(`Warning: ${warning}`);
  if (files.length > 0) warn(`It also replaces ${files.join(", ")}; the present ones are kept beside them`);
  if (leftOut.length > 0) warn(`These stay in the backup without --with-config: ${leftOut.join(", ")}`);
}
