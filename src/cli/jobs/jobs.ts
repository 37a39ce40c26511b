import { Command } from "commander";
import type { CommandContext } from "../open/command-context.ts";
import { toExamples } from "../terminal/output.ts";
import { jobsCancelCommand, jobsRetryCommand } from "./change.ts";
import { jobsListCommand } from "./list.ts";
import { jobsRunCommand } from "./run.ts";
import { jobsShowCommand } from "./show.ts";

/** `xcore jobs`: shows background jobs, enqueues some, and changes what becomes of them. */
export function jobsCommand(context: CommandContext): Command {
  return new Command("jobs")
    .description("List, show, enqueue, retry and cancel background jobs; a running server follows")
    .addHelpText("after", toExamples("xcore jobs list --state dead", "xcore jobs run blog:notify"))
    .addCommand(jobsListCommand(context))
    .addCommand(jobsShowCommand(context))
    .addCommand(jobsRunCommand(context))
    .addCommand(jobsRetryCommand(context))
    .addCommand(jobsCancelCommand(context));
}
