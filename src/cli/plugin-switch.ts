import { readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { Command } from "commander";
import { AppError } from "../errors/app-error.ts";
import { readDeclaredPlugins } from "../plugins/declared-plugins.ts";
import { createDisplayPath } from "../plugins/display-path.ts";
import { manifestPathOf } from "../plugins/manifest-file.ts";
import { type CommandContext, loadFor } from "./command-context.ts";
import { toExamples } from "./examples.ts";
import { findPlugin } from "./find-plugin.ts";
import { setJsonKey } from "./json-edit.ts";

/** `xcore plugin enable|disable NAME`: sets `active` in a plugin's manifest; a running server follows. */
export function pluginSwitchCommand(context: CommandContext, verb: "enable" | "disable"): Command {
  const active = verb === "enable";
  const done = active ? "enabled" : "disabled";
  return new Command(verb)
    .description(`${active ? "Enable" : "Disable"} a plugin, in its plugin.json; a running server follows`)
    .argument("<name>", "name of the plugin")
    .addHelpText("after", toExamples(`xcore plugin ${verb} invoices`))
    .action(async (name: string, _options: object, command: Command) => {
      const { config, directory } = loadFor(command, context);
      const toDisplayPath = createDisplayPath(directory);
      const folder = resolve(directory, config.plugins.directory);
      const plugins = await readDeclaredPlugins(folder, toDisplayPath);
      const found = findPlugin(plugins, name, toDisplayPath(folder));
      if (found.manifest.active === active) {
        context.print(`${name} is ${done} already`);
        return;
      }
      if (found.source.kind === "file") {
        const file = toDisplayPath(found.source.path);
        const message = `Cannot ${verb} "${name}": set \`active: ${active}\` in PLUGIN_INFO of ${file} yourself`;
        throw new AppError("conflict", 409, message);
      }
      const file = manifestPathOf(found.source);
      await replaceText(file, (text) => setJsonKey(text, "active", active));
      context.print(`${name} is ${done} now, in ${toDisplayPath(file)}`);
    });
}

/** Writes a file anew in one step, with its permissions, so that a running server never reads half of it. */
async function replaceText(file: string, change: (text: string) => string): Promise<void> {
  const text = await readFile(file, "utf8");
  const written = `${file}.${process.pid}.tmp`;
  try {
    await writeFile(written, change(text), { mode: (await stat(file)).mode });
    await rename(written, file);
  } catch (error) {
    await rm(written, { force: true });
    throw error;
  }
}
