import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { readTar, TarError } from "../../../files/tar.ts";
import type { FetchBudget } from "./budget.ts";
import { FetchError } from "../../failure/failure.ts";
import { isFilePath, signatureNameOf, type Snapshot } from "../../snapshot/snapshot.ts";
import type { FetchWork } from "./fetch.ts";
import { ModuleGraph } from "./module-graph.ts";

const ENTRY = "plugin.json";
const CHUNK = 64 * 1024; // bytes

/** Whether a file is an archive by its name. */
export function isArchiveName(name: string): boolean {
  return /\.(tgz|tar\.gz)$/i.test(name);
}

/**
 * Makes a snapshot of a plugin's archive and of what its code imports from URLs.
 *
 * @param about `subject`: what errors call it; `signatures`: those beside it, before those in it
 */
export async function takeArchive(
  packed: Uint8Array,
  about: { readonly subject: string; readonly signatures: Uint8Array | null },
  work: FetchWork,
): Promise<Snapshot> {
  const files = await readArchive(packed, work.budget, about.subject);
  const signatures = about.signatures ?? files.get(signatureNameOf(ENTRY)) ?? null;
  files.delete(signatureNameOf(ENTRY));
  return takeFolder(files, signatures, work);
}

/** Makes a snapshot of the files of a plugin's folder and of what its code imports from URLs. */
export async function takeFolder(
  files: ReadonlyMap<string, Uint8Array>,
  signatures: Uint8Array | null,
  work: FetchWork,
): Promise<Snapshot> {
  const graph = new ModuleGraph(work);
  graph.add(files);
  return { entry: ENTRY, signatures, ...(await graph.finish()) };
}

/**
 * Unpacks a plugin's archive, in memory, as far as the budget goes.
 *
 * @param subject what errors call it
 * @throws FetchError for anything that `xcore plugin pack` would not have made
 */
async function readArchive(
  packed: Uint8Array,
  budget: FetchBudget,
  subject: string,
): Promise<Map<string, Uint8Array>> {
  const unpacked = createGunzip();
  // An error of the reading side reaches the loop below through `unpacked`.
  Readable.from(inChunks(packed)).pipe(unpacked);
  const files = new Map<string, Uint8Array>();
  try {
    for await (const { name, size, content } of readTar(counted(unpacked, budget, subject))) {
      if (!isFilePath(name)) throw new TarError(`${JSON.stringify(name)} leads out of it, or is no name`);
      if (files.has(name)) throw new TarError(`it holds "${name}" twice`);
      budget.assertBytes(size, subject);
      budget.takeFile(subject);
      const chunks: Uint8Array[] = [];
      for await (const chunk of content) chunks.push(chunk);
      files.set(name, Buffer.concat(chunks));
    }
  } catch (error) {
    if (error instanceof FetchError) throw error;
    const state = error instanceof TarError ? error.message : "it can't be unpacked";
    const advice = 'make it with "xcore plugin pack"';
    throw new FetchError(`Cannot fetch ${subject}: ${state}; ${advice}`, { cause: error });
  } finally {
    unpacked.destroy();
  }
  if (files.has(ENTRY)) return files;
  throw new FetchError(
    `Cannot fetch ${subject}: it holds no plugin.json at its top; make it with "xcore plugin pack"`,
  );
}

function* inChunks(bytes: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += CHUNK) yield bytes.subarray(start, start + CHUNK);
}

/** A few bytes may unpack to any number: they are counted as they come. */
async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  budget: FetchBudget,
  subject: string,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    budget.takeBytes(chunk.length, subject);
    yield chunk;
  }
}
