import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { fail } from "../../errors/codes.ts";
import { PluginError } from "../../plugins/failure/failure.ts";
import { toManifest } from "../../plugins/source/manifest.ts";
import type { LoadedConfig } from "../../config/load.ts";
import { type CommandContext, loadFor } from "../open/command-context.ts";
import { EDITOR_FOLDER } from "../../editor/folder.ts";
import { offerEditor } from "../../editor/project.ts";
import { toExamples, toTable } from "../terminal/output.ts";
import { parseTable, type PluginFile, toTableFiles, toTableWord } from "./table-files.ts";
import helloManifest from "../../../plugins/hello/plugin.json" with { type: "text" };
import helloRun from "../../../plugins/hello/run.ts" with { type: "text" };
// @ts-expect-error -- a text, not the module
// oxlint-disable-next-line import/default
import helloTest from "../../../plugins/hello/hello.test.ts" with { type: "text" };

/** The longest name that every database keeps. */
const MAX_TABLE = 63;

interface NewOptions {
  /** True without a value. */
  readonly table?: string | true;
}

/** `xcore plugin new NAME`: makes a folder with the files of a minimal plugin. */
export function pluginNewCommand(context: CommandContext): Command {
  return new Command("new")
    .description("Make a new plugin in the plugins directory")
    .argument("<name>", "lower-case letters, digits and underscores", parseName)
    .option("--table [table]", 'with a table as an API, such as "orders" (default: "items")', parseTable)
    .addHelpText("after", toExamples("xcore plugin new invoices", "xcore plugin new sales --table orders"))
    .action(async (name: string, { table }: NewOptions, command: Command) => {
      const word = table === undefined ? null : toTableWord(name, table);
      if (word !== null && `${name}_${word}`.length > MAX_TABLE)
        command.error(`error: the table "${name}_${word}" has more than ${MAX_TABLE} characters`);
      const loaded = loadFor(command, context);
      const { config, directory } = loaded;
      const folder = join(resolve(directory, config.plugins.directory), name);
      const shown = relative(context.cwd, folder);
      if (existsSync(folder)) {
        throw fail("conflict", `Cannot make ${shown}: it exists; choose another name`);
      }
      await writePlugin(folder, name, word);
      const [file, path] = word === null ? ["run.ts", name] : ["schema.ts", `${name}/${word}`];
      context.print(`Made ${shown}: edit ${join(shown, file)}, it is served at /${path}`);
      await prepareEditor(loaded, context);
      if (word !== null) context.print(toNextSteps(name, shown));
    });
}

async function prepareEditor(loaded: LoadedConfig, { cwd, print, warn }: CommandContext): Promise<void> {
  const editor = await offerEditor(loaded, warn);
  if (editor === null || editor.folder !== "made") return;
  const made = [EDITOR_FOLDER, ...(editor.tsconfig === "made" ? ["tsconfig.json"] : [])];
  const names = made.map((file) => relative(cwd, join(loaded.directory, file))).join(" and ");
  print(`Made ${names}: your editor knows what a plugin imports`);
}

function toNextSteps(name: string, folder: string): string {
  const steps = [
    [
      `xcore db generate ${name}`,
      "writes the migration of its tables, now and whenever schema.ts has changed",
    ],
    [`xcore test ${folder}`, "runs its test"],
    ["xcore serve", "applies the migration and serves it; a running server does so by itself"],
  ];
  return `Next:\n${toTable(steps).replaceAll(/^/gm, "  ")}`;
}

/**
 * Writes the files of a minimal plugin, in one step: a running server never sees half of it.
 *
 * @param table what a table is called that it has; null for none
 */
export async function writePlugin(folder: string, name: string, table: string | null = null): Promise<void> {
  const directory = dirname(folder);
  await mkdir(directory, { recursive: true });
  const made = await mkdtemp(join(directory, `.${name}-`));
  try {
    const whole = join(made, name); // mkdtemp makes folders that only their owner may read
    await mkdir(whole);
    const files = table === null ? toPluginFiles(name) : toTableFiles(name, table);
    for (const [file, text] of files) await writeFile(join(whole, file), text);
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

/** The files of a minimal plugin with its test, after the example `plugins/hello`. */
function toPluginFiles(name: string): PluginFile[] {
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
