import { Command } from "commander";
import { askToHandOver } from "../../app/command-channel.ts";
import { fail } from "../../errors/codes.ts";
import { type CommandContext, loadFor } from "../open/command-context.ts";
import { toExamples, withWaitNotice } from "../terminal/output.ts";

/** `xcore service restart`: has a new process take over from the one that runs. */
export function restartCommand(context: CommandContext): Command {
  return new Command("restart")
    .description("Start the server of this project anew, without refusing a request meanwhile")
    .option("--json", "print JSON")
    .addHelpText("after", toExamples("xcore service restart", "xcore --config shop.json service restart"))
    .action(async (options: { json?: boolean }, command: Command) => {
      const loaded = loadFor(command, context);
      const handedOver = await withWaitNotice(
        "Waiting for the new process",
        askToHandOver(loaded, { steadyMs: 0 }),
        context.warn,
      );
      if (handedOver === null) {
        throw fail(
          "not_found",
          "Cannot restart the server: none runs for this project that this user may ask; start it with xcore serve",
        );
      }
      context.print(options.json ? JSON.stringify(handedOver) : `Process ${handedOver.pid} serves now`);
    });
}
