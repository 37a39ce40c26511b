import { Command } from "commander";
import type { CommandContext } from "../open/command-context.ts";
import { toExamples } from "../terminal/output.ts";
import { mailTestCommand } from "./test.ts";

/** `xcore mail`: sees whether mail can be sent. */
export function mailCommand(context: CommandContext): Command {
  return new Command("mail")
    .description("See whether mail can be sent")
    .addHelpText("after", toExamples("xcore mail test ada@example.com"))
    .addCommand(mailTestCommand(context));
}
