import { readFile, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, sep } from "node:path";
import { isArchiveName, takeArchive, takeFolder } from "./archive.ts";
import { FetchError } from "../../failure/failure.ts";
import type { FetchWork, FoundPlugin } from "./fetch.ts";
import { readPluginFolder } from "../../snapshot/folder-files.ts";
import type { Location } from "./location.ts";
import { isCodeName, ModuleGraph } from "./module-graph.ts";
import { signatureNameOf } from "../../snapshot/snapshot.ts";

type PathLocation = Extract<Location, { kind: "path" }>;

/** Takes a plugin from this machine's disk: a folder with a plugin.json, an archive, or one module. */
export async function fetchFromPath(location: PathLocation, work: FetchWork): Promise<FoundPlugin> {
  const { path, text } = location;
  const subject = JSON.stringify(text);
  const stats = await stat(path).catch((error: unknown) => {
    throw unreadable(subject, error);
  });
  if (stats.isDirectory()) {
    const { files, signatures } = await readPluginFolder(path, { maxBytes: work.limits.maxBytes });
    if (!files.has("plugin.json")) {
      throw new FetchError(`Cannot fetch ${subject}: the folder holds no plugin.json; add one`);
    }
    for (const content of files.values()) work.budget.takeBytes(content.length, subject);
    return { location, snapshot: await takeFolder(files, signatures, work) };
  }
  if (isArchiveName(path)) {
    const packed = await readPlainFile(path, subject, work);
    const signatures = await readSignatures(path);
    return { location, snapshot: await takeArchive(packed, { subject, signatures }, work) };
  }
  if (!isCodeName(path)) {
    const advice = "name a folder with a plugin.json, a .tgz, or a module: .ts, .tsx, .js, .jsx, .mts, .mjs";
    throw new FetchError(`Cannot fetch ${subject}: its ending doesn't say what it is; ${advice}`);
  }
  return { location, snapshot: await takeModule(path, subject, work) };
}

async function takeModule(path: string, subject: string, work: FetchWork): Promise<FoundPlugin["snapshot"]> {
  const entry = basename(path);
  const content = await readPlainFile(path, subject, work);
  work.budget.takeBytes(content.length, subject);
  work.budget.takeFile(subject);
  const root = await realpath(dirname(path));
  const readOwn = async (name: string, reason: string): Promise<Uint8Array> => {
    const imported = `${JSON.stringify(name)}, ${reason}`;
    const file = await realpath(join(root, name)).catch((error: unknown) => {
      throw unreadable(imported, error);
    });
    if (!file.startsWith(root + sep)) {
      throw new FetchError(`Cannot fetch ${imported}: it leads outside the plugin's folder; move it in`);
    }
    const own = await readPlainFile(file, imported, work);
    work.budget.takeBytes(own.length, imported);
    return own;
  };
  const graph = new ModuleGraph({ ...work, readOwn });
  graph.add(new Map([[entry, content]]));
  const { files, redirects } = await graph.finish();
  return { entry, files, redirects, signatures: await readSignatures(path) };
}

async function readPlainFile(path: string, subject: string, { budget }: FetchWork): Promise<Uint8Array> {
  try {
    const stats = await stat(path);
    if (!stats.isFile()) throw new FetchError(`Cannot fetch ${subject}: it is no plain file`);
    budget.assertBytes(stats.size, subject);
    return await readFile(path);
  } catch (error) {
    throw error instanceof FetchError ? error : unreadable(subject, error);
  }
}

async function readSignatures(path: string): Promise<Uint8Array | null> {
  const file = signatureNameOf(path);
  try {
    return await readFile(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw unreadable(JSON.stringify(file), error);
  }
}

function unreadable(subject: string, error: unknown): FetchError {
  const { code = "unreadable" } = error as NodeJS.ErrnoException;
  const state = code === "ENOENT" ? "it is not there" : `it can't be read (${code})`;
  return new FetchError(`Cannot fetch ${subject}: ${state}`, { cause: error });
}
