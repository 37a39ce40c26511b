import { rm, writeFile } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { fail } from "../../errors/codes.ts";
import { replaceBytes } from "../../files/replace.ts";
import { createLockfile } from "../../plugins/packages/install.ts";
import { readPackageNeeds } from "../../plugins/packages/needs.ts";
import {
  listFiles,
  packFiles,
  type PublishablePlugin,
  readPublishable,
} from "../../plugins/remote/publish/pack.ts";
import { writePublished } from "../../plugins/remote/publish/published-folder.ts";
import { listSigners } from "../../plugins/snapshot/signatures.ts";
import { signatureNameOf } from "../../plugins/snapshot/snapshot.ts";
import type { CommandContext } from "../open/command-context.ts";
import { toCount, toExamples } from "../terminal/output.ts";
import { findPluginTarget, type PluginTarget, readTarget } from "../open/plugin-target.ts";

interface PackOptions {
  readonly output?: string;
  readonly folder?: string;
  readonly json?: boolean;
}

/** What was packed. */
interface Packed {
  /** Absolute path of the archive or the folder. */
  readonly file: string;
  /** Bytes of the archive; of all files for a folder. */
  readonly size: number;
  readonly integrity: string;
  /** Keys that have signed it. */
  readonly signers: readonly string[];
}

/** `xcore plugin pack NAME|DIR`: packs a plugin into one file, or into a folder for a web server. */
export function pluginPackCommand(context: CommandContext): Command {
  return new Command("pack")
    .description(
      "Pack a plugin into <name>-<version>.tgz, to be published: the same files give the same bytes. " +
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
      const plugin = await readPlugin(target, context);
      const { name, version } = plugin.manifest;
      const packed =
        folder === undefined
          ? await packInto(resolve(context.cwd, output ?? `${name}-${version}.tgz`), plugin, target)
          : await publishInto(resolve(context.cwd, folder), plugin, target);
      const { file, size, integrity, signers } = packed;
      if (plugin.signatures !== null && signers.length === 0) {
        context.warn("Left out plugin.json.sig: it is of other files; sign what was packed");
      }
      if (json === true) {
        const answer = { name, version, file, size, files: plugin.files.size, integrity, signers };
        context.print(JSON.stringify(answer, null, 2));
        return;
      }
      const shown = relative(context.cwd, file) || ".";
      const files = toCount(plugin.files.size, "file");
      context.print(`Packed ${name} ${version} into ${shown}: ${files}, ${size} bytes`);
      context.print(`Integrity: ${integrity}`);
    });
}

async function readPlugin(target: PluginTarget, context: CommandContext): Promise<PublishablePlugin> {
  const { path, shown, kind, fetch } = target;
  if (kind !== "folder") {
    const state = kind === "module" ? "it is a single file: publish it as it is" : "it is packed already";
    throw fail("validation_error", `Cannot pack "${shown}": ${state}`);
  }
  const { maxBytes } = fetch.limits;
  const plugin = await readPublishable(path, { shown, maxBytes });
  const needs = await readPackageNeeds(async (name) => plugin.files.get(name) ?? null);
  const packageJson = plugin.files.get("package.json");
  if (needs === null || needs.isFrozen || packageJson === undefined) return plugin;
  const { projectDirectory } = fetch;
  await writeFile(join(path, "bun.lock"), await createLockfile(packageJson, { projectDirectory }));
  context.warn(`Made ${join(shown, "bun.lock")}: it says which npm packages exactly the plugin gets`);
  return readPublishable(path, { shown, maxBytes });
}

async function packInto(file: string, plugin: PublishablePlugin, target: PluginTarget): Promise<Packed> {
  const written = `${file}.${crypto.randomUUID().slice(0, 8)}.tmp.tgz`;
  try {
    const whole = await packFiles(plugin);
    await writeFile(written, whole);
    // As those will read it who fetch it: what they would refuse is not packed.
    const { integrity } = await readTarget(written, target.fetch);
    const signers = await listSigners(integrity, plugin.signatures);
    const isSigned = plugin.signatures === null || signers.length > 0;
    const content = isSigned ? whole : await packFiles({ ...plugin, signatures: null });
    await replaceBytes(file, content);
    return { file, size: content.length, integrity, signers };
  } finally {
    await rm(written, { force: true });
  }
}

async function publishInto(folder: string, plugin: PublishablePlugin, target: PluginTarget): Promise<Packed> {
  if (isWithin(target.path, folder) || isWithin(folder, target.path)) {
    throw fail("validation_error", `Cannot write to "${folder}": the plugin itself is there`);
  }
  const listed = listFiles(plugin);
  const { integrity, signers } = await writePublished(listed, folder, async (written) => {
    const fetched = await readTarget(written, target.fetch);
    const found = await listSigners(fetched.integrity, plugin.signatures);
    if (found.length === 0) await rm(join(written, signatureNameOf("plugin.json")), { force: true });
    return { integrity: fetched.integrity, signers: found };
  });
  const size = [...listed.files.values()].reduce((sum, { length }) => sum + length, 0);
  return { file: folder, size, integrity, signers };
}

function isWithin(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder + sep);
}

function parseOutput(text: string): string {
  if (/\.(tgz|tar\.gz)$/.test(text)) return text;
  throw new InvalidArgumentError("name it .tgz: that is how it is known for a packed plugin.");
}
