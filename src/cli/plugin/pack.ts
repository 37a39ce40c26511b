import { relative, resolve, sep } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { openCommandStores } from "../../app/command-stores.ts";
import { fail } from "../../errors/codes.ts";
import type { DeclaredPlugin } from "../../plugins/inventory/declared-plugins.ts";
import {
  assertReplaceable,
  type PluginTarget,
  preparePublication,
  type Publication,
  writeArchive,
  writeFolder,
} from "../../plugins/remote/publish/publish.ts";
import { type CommandContext, loadFor } from "../open/command-context.ts";
import { withInspectingApp } from "../open/inspection.ts";
import { findPluginTarget } from "../open/plugin-target.ts";
import { loadCommandPlugins } from "../open/plugins.ts";
import { toCount, toExamples } from "../terminal/output.ts";

interface PackOptions {
  readonly output?: string;
  readonly folder?: string;
  readonly json?: boolean;
}

/** `xcore plugin pack NAME|DIR`: packs a plugin into one file, or into a folder for a web server. */
export function pluginPackCommand(context: CommandContext): Command {
  return new Command("pack")
    .description(
      "Pack a plugin into <name>-<version>.tgz, to be published: the same files give the same bytes. It is loaded, " +
        "with no setup() and no database, and what it registers is written into the packed plugin.json. " +
        "Left out are node_modules, tests, and names that start with a dot or end in ~",
    )
    .argument("<plugin>", "name of a plugin in the plugins directory, or path of its folder")
    .option("--output <file>", "file to write instead, a .tgz; an older one is replaced", parseOutput)
    .addOption(
      new Option(
        "--folder <dir>",
        "write the files into a folder for a web server instead; what was packed there before is replaced",
      ).conflicts("output"),
    )
    .option("--json", "print JSON")
    .addHelpText("after", toExamples("xcore plugin pack crm", "xcore plugin pack crm --folder public/crm"))
    .action(async (text: string, { output, folder, json }: PackOptions, command: Command) => {
      const target = await findPluginTarget(text, command, context);
      const into = folder === undefined ? null : resolve(context.cwd, folder);
      await assertPackable(target, into);
      const publication = await prepare(target, command, context);
      const { manifest, files, signatures } = publication.plugin;
      const { name, version, surface } = manifest;
      const { file, size, integrity, signers } =
        into === null
          ? await writeArchive(publication, resolve(context.cwd, output ?? `${name}-${version}.tgz`))
          : await writeFolder(publication, into);
      if (signatures !== null && signers.length === 0) {
        context.warn("Left out plugin.json.sig: it is of other files; sign what was packed");
      }
      if (json === true) {
        const answer = { name, version, file, size, files: files.size, integrity, signers, surface };
        context.print(JSON.stringify(answer, null, 2));
        return;
      }
      const shown = relative(context.cwd, file) || ".";
      context.print(`Packed ${name} ${version} into ${shown}: ${toCount(files.size, "file")}, ${size} bytes`);
      context.print(`Integrity: ${integrity}`);
    });
}

/** Before any of the plugin's code runs. */
async function assertPackable({ path, shown, kind }: PluginTarget, into: string | null): Promise<void> {
  if (kind !== "folder") {
    const state = kind === "module" ? "it is a single file: publish it as it is" : "it is packed already";
    throw fail("validation_error", `Cannot pack "${shown}": ${state}`);
  }
  if (into === null) return;
  if (isWithin(path, into) || isWithin(into, path)) {
    throw fail("validation_error", `Cannot write to "${into}": the plugin itself is there`);
  }
  await assertReplaceable(into);
}

function prepare(target: PluginTarget, command: Command, context: CommandContext): Promise<Publication> {
  const loaded = loadFor(command, context);
  return preparePublication(target, {
    log: openCommandStores(loaded, context).log,
    warn: context.warn,
    async rehearse(plugin) {
      const findPlugin = await createFinder(plugin, command, context);
      return withInspectingApp(loaded, context, (app) => app.plugins.rehearse(plugin, findPlugin));
    },
  });
}

/** Returns what finds the plugins that a plugin depends on; nothing is read for one that depends on none. */
async function createFinder({ manifest }: DeclaredPlugin, command: Command, context: CommandContext) {
  if (Object.keys(manifest.dependencies).length === 0) return () => undefined;
  const { byName, problems } = (await loadCommandPlugins(command, context)).plugins;
  return (name: string): DeclaredPlugin | undefined => {
    const problem = problems.get(name);
    if (problem !== undefined) throw problem;
    return byName.get(name);
  };
}

function isWithin(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder + sep);
}

function parseOutput(text: string): string {
  if (/\.(tgz|tar\.gz)$/.test(text)) return text;
  throw new InvalidArgumentError("name it .tgz: that is how it is known for a packed plugin.");
}
