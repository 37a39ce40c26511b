import { mkdir } from "node:fs/promises";
import { dirname, relative, resolve } from "node:path";
import { Command } from "commander";
import { replaceFile } from "../../files/replace.ts";
import type { CommandContext } from "../open/command-context.ts";
import { inspect, warnOfFailures } from "../open/inspection.ts";
import { toExamples } from "../terminal/output.ts";
import { writeClient } from "./writer.ts";

/** `xcore client`: writes what other programs call the server with. */
export function clientCommand(context: CommandContext): Command {
  return new Command("client")
    .description("Write a client of the server and its plugins, for other programs")
    .addHelpText("after", toExamples("xcore client ts --out web/src/xcore.ts"))
    .addCommand(typeScriptCommand(context));
}

function typeScriptCommand(context: CommandContext): Command {
  return new Command("ts")
    .description("Write a typed client in TypeScript: one file, that needs no package")
    .option("--out <file>", "write this file (default: print it)")
    .addHelpText("after", toExamples("xcore client ts > client.ts", "xcore client ts --out web/src/xcore.ts"))
    .action(async ({ out }: { out?: string }, command: Command) => {
      const text = await inspect(command, context, async (app) => {
        warnOfFailures(app, context);
        const resources = app.resources.list().map((resource) => ({
          plugin: resource.plugin,
          name: resource.name,
          path: app.pathOf(resource),
          expand: [...resource.expand],
        }));
        return writeClient(await app.openApi(), resources);
      });
      if (out === undefined) return context.print(text.trimEnd());
      const file = resolve(context.cwd, out);
      await mkdir(dirname(file), { recursive: true });
      await replaceFile(file, () => text);
      context.print(`Wrote ${relative(context.cwd, file)}`);
    });
}
