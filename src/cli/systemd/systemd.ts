import { Command } from "commander";
import type { CommandContext } from "../open/command-context.ts";
import { toExamples } from "../terminal/output.ts";
import { installCommand } from "./install.ts";
import { restartCommand } from "./restart.ts";
import { statusCommand } from "./status.ts";
import { uninstallCommand } from "./uninstall.ts";

/** `xcore service`: the server as a service of this machine. */
export function serviceCommand(context: CommandContext): Command {
  return new Command("service")
    .description("Run the server as a service of this machine, by systemd")
    .addHelpText(
      "after",
      toExamples("sudo xcore service install", "xcore service status", "xcore service restart"),
    )
    .addCommand(installCommand(context))
    .addCommand(uninstallCommand(context))
    .addCommand(statusCommand(context))
    .addCommand(restartCommand(context));
}
