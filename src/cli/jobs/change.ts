import { Command } from "commander";
import type { CommandContext } from "../open/command-context.ts";
import { EXAMPLE, toJobId, withJobs } from "./desk.ts";
import { toExamples } from "../terminal/output.ts";

/** `xcore jobs retry ID`: has a job run again. */
export function jobsRetryCommand(context: CommandContext): Command {
  return new Command("retry")
    .description("Run a job again that is dead, cancelled or incompatible, or at once one that is delayed")
    .argument("<id>", "which job")
    .addHelpText("after", toExamples(`xcore jobs retry ${EXAMPLE}`))
    .action((text: string, _options: object, command: Command) =>
      withJobs(command, context, async (desk) => {
        const id = toJobId(text);
        await desk.retry(id);
        context.print(`${id} waits to be run again`);
      }),
    );
}

/** `xcore jobs cancel ID`: cancels a job, or deletes one that has ended. */
export function jobsCancelCommand(context: CommandContext): Command {
  return new Command("cancel")
    .description("Cancel a job, with those of its chain behind it, or delete one that has ended")
    .argument("<id>", "which job")
    .addHelpText("after", toExamples(`xcore jobs cancel ${EXAMPLE}`))
    .action((text: string, _options: object, command: Command) =>
      withJobs(command, context, async (desk) => {
        const id = toJobId(text);
        context.print(`${id} is ${await desk.cancel(id)}`);
      }),
    );
}
