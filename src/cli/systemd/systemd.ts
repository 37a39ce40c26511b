import { Command } from "commander";
import type { CommandContext } from "../open/command-context.ts";
import { toExamples } from "../terminal/output.ts";
import { restartCommand } from "./restart.ts";

/** `xcore service`: the server as a service of this machine. */
export function serviceCommand(context: CommandContext): Command {
  return new Command("service")
    .description("Run the server as a service of this machine")
    .addHelpText("after", toExamples("xcore service restart"))
    .addCommand(restartCommand(context));
}
