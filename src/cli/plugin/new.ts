import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { fail } from "../../errors/codes.ts";
import { PluginError } from "../../plugins/failure/failure.ts";
import { toManifest } from "../../plugins/source/manifest.ts";
import { type CommandContext, loadFor } from "../open/command-context.ts";
import { EDITOR_FOLDER } from "../../editor/folder.ts";
import { offerEditor } from "../../editor/project.ts";
import { toExamples } from "../terminal/output.ts";
import helloManifest from "../../../plugins/hello/plugin.json" with { type: "text" };
import helloRun from "../../../plugins/hello/run.ts" with { type: "text" };
// @ts-expect-error -- a text, not the module
// oxlint-disable-next-line import/default
import helloTest from "../../../plugins/hello/hello.test.ts" with { type: "text" };

/** `xcore plugin new NAME`: makes a folder with the files of a minimal plugin. */
export function pluginNewCommand(context: CommandContext): Command {
  return new Command("new")
    .description("Make a new plugin in the plugins directory")
    .argument("<name>", "lower-case letters, digits and underscores", parseName)
    .addHelpText("after", toExamples("xcore plugin new invoices"))
    .action(async (name: string, _options: object, command: Command) => {
      const loaded = loadFor(command, context);
      const { config, directory } = loaded;
      const folder = join(resolve(directory, config.plugins.directory), name);
      const shown = relative(context.cwd, folder);
      if (existsSync(folder)) {
        throw fail("conflict", `Cannot make ${shown}: it exists; choose another name`);
      }
      await writePlugin(folder, name);
      context.print(`Made ${shown}: edit ${join(shown, "run.ts")}, it is served at /${name}`);
      const editor = await offerEditor(loaded, context.warn);
      if (editor === null || editor.folder !== "made") return;
      const made = [EDITOR_FOLDER, ...(editor.tsconfig === "made" ? ["tsconfig.json"] : [])];
      const names = made.map((file) => relative(context.cwd, join(directory, file))).join(" and ");
      context.print(`Made ${names}: your editor knows what a plugin imports`);
    });
}

/** Writes the files of a minimal plugin, in one step: a running server never sees half of it. */
export async function writePlugin(folder: string, name: string): Promise<void> {
  const directory = dirname(folder);
  await mkdir(directory, { recursive: true });
  const made = await mkdtemp(join(directory, `.${name}-`));
  try {
    const whole = join(made, name); // mkdtemp makes folders that only their owner may read
    await mkdir(whole);
    for (const [file, text] of toPluginFiles(name)) await writeFile(join(whole, file), text);
    await rename(whole, folder);
  } finally {
    await rm(made, { recursive: true });
  }
}

function parseName(text: string): string {
  try {
    return toManifest({ name: text, version: "1.0.0" }, { file: text, label: "it" }).name;
  } catch (error) {
    if (error instanceof PluginError) throw new InvalidArgumentError(error.message);
    throw error;
  }
}

/** The files of a minimal plugin with its test, after the example `plugins/hello`: names and texts. */
function toPluginFiles(name: string): [file: string, text: string][] {
  const title = name.replaceAll("_", " ").replace(/^./, (first) => first.toUpperCase());
  // They are texts; TypeScript takes them for what the files hold.
  const renamed = (text: unknown): string =>
    name === "hello"
      ? String(text)
      : String(text)
          .replaceAll(/"(\/?)hello"/g, `"$1${name}"`)
          .replaceAll("My Plugin", title);
  return [
    ["plugin.json", renamed(helloManifest)],
    ["run.ts", renamed(helloRun)],
    [`${name}.test.ts`, renamed(helloTest)],
  ];
}
