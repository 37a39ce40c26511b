import { Command } from "commander";
import type { CommandContext } from "../open/command-context.ts";
import { toExamples } from "../terminal/output.ts";
import { taskPauseCommand, taskRunCommand } from "./change.ts";
import { taskListCommand } from "./list.ts";

/** `xcore tasks`: shows scheduled tasks, and runs, pauses and resumes them. */
export function tasksCommand(context: CommandContext): Command {
  return new Command("tasks")
    .description("Show, run, pause and resume scheduled tasks; running servers follow at once")
    .addHelpText("after", toExamples("xcore tasks list", "xcore tasks run blog:recount"))
    .addCommand(taskListCommand(context))
    .addCommand(taskRunCommand(context))
    .addCommand(taskPauseCommand(context, "pause"))
    .addCommand(taskPauseCommand(context, "resume"));
}
