import { Command } from "commander";
import { loadFor, type CommandContext } from "../open/command-context.ts";
import { toExamples } from "../terminal/output.ts";
import { describeBuild } from "../terminal/version.ts";
import type { Updated } from "./update.ts";

interface UpdateOptions {
  readonly from: string;
  readonly integrity: string;
  readonly json?: boolean;
}

/** `xcore self`: the executable itself. */
export function selfCommand(context: CommandContext): Command {
  return new Command("self")
    .description("Replace this executable by a newer one")
    .addHelpText("after", toExamples(EXAMPLE))
    .addCommand(updateCommand(context));
}

const EXAMPLE = "xcore self update --from https://releases.example.com/xcore-linux-x64 --integrity sha256-…";

function updateCommand(context: CommandContext): Command {
  return new Command("update")
    .description(
      "Replace this executable by another, have a new process take over from the server of this project that runs from it, " +
        "and put the one before back where that isn't healthy within 30 s",
    )
    .requiredOption("--from <url>", "where the executable is: an https: URL, or a file")
    .requiredOption(
      "--integrity <digest>",
      "what it must be: sha256-…, sha384-… or sha512-…, as its publisher says",
    )
    .option("--json", "print JSON")
    .addHelpText("after", toExamples(EXAMPLE))
    .action(async ({ from, integrity, json }: UpdateOptions, command: Command) => {
      const { updateExecutable } = await import("./update.ts");
      const loaded = loadFor(command, context);
      const { version, cwd, warn: say } = context;
      const updated = await updateExecutable({ from, integrity, loaded, cwd, version, say });
      context.print(json === true ? JSON.stringify(updated) : describe(updated));
    });
}

function describe({ executable, previous, now, pid }: Updated): string {
  if (previous === null) return `${executable} is ${describeBuild(now)} already`;
  const served =
    pid === null ? "no server of this project runs from it: start it" : `process ${pid} serves with it`;
  return `Updated to ${describeBuild(now)}; ${served}`;
}
