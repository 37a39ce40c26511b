import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative, resolve, sep } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { describePluginError } from "../../app/failure-text.ts";
import { openCommandStores } from "../../app/command-stores.ts";
import { fail } from "../../plugins/failure/error-codes.ts";
import { PluginError } from "../../plugins/failure/failure.ts";
import type { DeclaredPlugin } from "../../plugins/inventory/declared-plugins.ts";
import { replaceBytes } from "../../files/replace.ts";
import { createLockfile } from "../../plugins/packages/install.ts";
import { readPackageNeeds } from "../../plugins/packages/needs.ts";
import type { FetchedPlugin } from "../../plugins/remote/fetch/fetch.ts";
import { openFetched } from "../../plugins/remote/sources.ts";
import { computeIntegrity } from "../../plugins/snapshot/integrity.ts";
import { SnapshotStore } from "../../plugins/snapshot/store.ts";
import { withInspectingApp } from "../open/inspection.ts";
import { loadCommandPlugins } from "../open/plugins.ts";
import {
  declareSurface,
  listFiles,
  packFiles,
  type PublishablePlugin,
  readPublishable,
} from "../../plugins/remote/publish/pack.ts";
import { assertReplaceable, writePublished } from "../../plugins/remote/publish/published-folder.ts";
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
      if (into !== null) await assertWritable(into, target);
      const rehearsed = await rehearse(await readPlugin(target, context), target, command, context);
      const { plugin } = rehearsed;
      const { name, version } = plugin.manifest;
      const packed =
        into === null
          ? await packInto(resolve(context.cwd, output ?? `${name}-${version}.tgz`), rehearsed, target)
          : await publishInto(into, rehearsed, target);
      const { file, size, integrity, signers } = packed;
      if (plugin.signatures !== null && signers.length === 0) {
        context.warn("Left out plugin.json.sig: it is of other files; sign what was packed");
      }
      if (json === true) {
        const { surface } = plugin.manifest;
        const answer = { name, version, file, size, files: plugin.files.size, integrity, signers, surface };
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

/** A plugin that declares what it has registered. */
interface Rehearsed {
  readonly plugin: PublishablePlugin;
  /** Digest of all that was loaded: its files but plugin.json, and what it imports from elsewhere. */
  readonly loaded: string;
}

/** Loads a plugin as those will who fetch it, to declare what it registers. @throws AppError plugin_refused */
async function rehearse(
  plugin: PublishablePlugin,
  { shown, fetch, loaded }: PluginTarget,
  command: Command,
  context: CommandContext,
): Promise<Rehearsed> {
  const { manifest } = plugin;
  const { name } = manifest;
  const folder = await mkdtemp(join(await realpath(tmpdir()), "xcore-pack-"));
  try {
    const written = join(folder, "packed.tgz");
    await writeFile(written, await packFiles(plugin));
    const fetched = await readTarget(written, fetch);
    const { log } = openCommandStores(loaded, context);
    const store = new SnapshotStore({ cache: folder, vendor: join(folder, "vendor"), log });
    const files = await openFetched(fetched, { name, shown, store });
    const findPlugin = await createFinder(plugin, command, context);
    const surface = await withInspectingApp(loaded, context, (app) =>
      app.plugins.rehearse({ name, files, manifest }, findPlugin),
    );
    return { plugin: declareSurface(plugin, surface), loaded: digestOfLoaded(fetched) };
  } catch (error) {
    if (!(error instanceof PluginError)) throw error;
    const reason = `it can't be loaded: ${describePluginError(error)}`;
    throw fail("plugin_refused", `Cannot pack "${shown}": ${reason}`, { cause: error });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Returns what finds the plugins that a plugin depends on; nothing is read for one that depends on none. */
async function createFinder({ manifest }: PublishablePlugin, command: Command, context: CommandContext) {
  if (Object.keys(manifest.dependencies).length === 0) return () => undefined;
  const { byName, problems } = (await loadCommandPlugins(command, context)).plugins;
  return (name: string): DeclaredPlugin | undefined => {
    const problem = problems.get(name);
    if (problem !== undefined) throw problem;
    return byName.get(name);
  };
}

function digestOfLoaded({ snapshot }: FetchedPlugin): string {
  const files = new Map(snapshot.files);
  files.delete(snapshot.entry);
  return computeIntegrity({ ...snapshot, files });
}

/** Reads what was packed as those will read it who fetch it: what they would refuse is not packed. */
async function readPacked(
  written: string,
  { plugin, loaded }: Rehearsed,
  { fetch, shown }: PluginTarget,
): Promise<{ integrity: string; signers: readonly string[] }> {
  const fetched = await readTarget(written, fetch);
  if (digestOfLoaded(fetched) !== loaded) {
    const state = "what it imports from elsewhere has changed since it was loaded; pack it again";
    throw fail("plugin_refused", `Cannot pack "${shown}": ${state}`);
  }
  return { integrity: fetched.integrity, signers: await listSigners(fetched.integrity, plugin.signatures) };
}

async function packInto(file: string, rehearsed: Rehearsed, target: PluginTarget): Promise<Packed> {
  const { plugin } = rehearsed;
  const written = `${file}.${crypto.randomUUID().slice(0, 8)}.tmp.tgz`;
  try {
    const whole = await packFiles(plugin);
    await writeFile(written, whole);
    const { integrity, signers } = await readPacked(written, rehearsed, target);
    const isSigned = plugin.signatures === null || signers.length > 0;
    const content = isSigned ? whole : await packFiles({ ...plugin, signatures: null });
    await replaceBytes(file, content);
    return { file, size: content.length, integrity, signers };
  } finally {
    await rm(written, { force: true });
  }
}

async function publishInto(folder: string, rehearsed: Rehearsed, target: PluginTarget): Promise<Packed> {
  const { files, signatures } = listFiles(rehearsed.plugin);
  const { integrity, signers } = await writePublished({ files, signatures }, folder, async (written) => {
    const read = await readPacked(written, rehearsed, target);
    if (read.signers.length === 0) await rm(join(written, signatureNameOf("plugin.json")), { force: true });
    return read;
  });
  const size = [...files.values()].reduce((sum, { length }) => sum + length, 0);
  return { file: folder, size, integrity, signers };
}

/** Before any of the plugin's code runs. */
async function assertWritable(folder: string, { path }: PluginTarget): Promise<void> {
  if (isWithin(path, folder) || isWithin(folder, path)) {
    throw fail("validation_error", `Cannot write to "${folder}": the plugin itself is there`);
  }
  await assertReplaceable(folder);
}

function isWithin(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder + sep);
}

function parseOutput(text: string): string {
  if (/\.(tgz|tar\.gz)$/.test(text)) return text;
  throw new InvalidArgumentError("name it .tgz: that is how it is known for a packed plugin.");
}
