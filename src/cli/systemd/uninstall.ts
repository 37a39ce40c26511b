import { existsSync, rmSync } from "node:fs";
import { Command } from "commander";
import { fail } from "../../errors/codes.ts";
import type { CommandContext } from "../open/command-context.ts";
import { toExamples } from "../terminal/output.ts";
import { assertOwnUnit, DEFAULT_NAME, toUnitFile } from "./install.ts";
import { assertMayChange, run, runOrFail } from "./machine.ts";
import { assertName } from "./plan.ts";

/** `xcore service uninstall`: stops the service and takes its unit away. */
export function uninstallCommand(context: CommandContext): Command {
  return new Command("uninstall")
    .description("Stop the service, and have systemd run it no more; the project, its data and the user stay")
    .option("--name <name>", "name of the service", DEFAULT_NAME)
    .addHelpText(
      "after",
      toExamples("sudo xcore service uninstall", "sudo xcore service uninstall --name shop"),
    )
    .action(async ({ name }: { name: string }) => {
      assertName(name, "the name of a service");
      assertMayChange("uninstall a service", "nothing was changed");
      const file = toUnitFile(name);
      if (!existsSync(file)) {
        throw fail("not_found", `Cannot uninstall ${name}: there is no ${file}; see "systemctl list-units"`);
      }
      assertOwnUnit(file);
      await runOrFail("systemctl", "disable", "--now", "--quiet", name);
      rmSync(file);
      await runOrFail("systemctl", "daemon-reload");
      await run("systemctl", "reset-failed", name);
      context.print(`Removed ${file}; the project and its data are where they were`);
    });
}
