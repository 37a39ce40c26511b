import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { PluginError } from "../../failure/failure.ts";
import type { PluginFolder } from "../../snapshot/folder-files.ts";
import { readListed } from "./pack.ts";
import { signatureNameOf } from "../../snapshot/snapshot.ts";

const MANIFEST = "plugin.json";
const SIGNATURES = signatureNameOf(MANIFEST);

/**
 * Writes the files of a plugin into a folder that a web server can serve, in one step. What was published there
 * before is replaced; a folder that holds anything else is refused.
 *
 * @param finish gets the folder before it is put in its place
 * @throws PluginError
 */
export async function writePublished<T>(
  { files, signatures }: PluginFolder,
  folder: string,
  finish: (written: string) => Promise<T>,
): Promise<T> {
  await assertReplaceable(folder);
  await mkdir(dirname(folder), { recursive: true });
  const work = await mkdtemp(`${folder}.writing-`);
  try {
    const written = join(work, "new");
    await mkdir(written);
    for (const [name, content] of signatures === null
      ? files
      : [...files, [SIGNATURES, signatures] as const]) {
      const file = join(written, name);
      // oxlint-disable-next-line no-await-in-loop -- once for each plugin, in no hurry
      await mkdir(dirname(file), { recursive: true });
      // oxlint-disable-next-line no-await-in-loop -- as above
      await writeFile(file, content);
    }
    const finished = await finish(written);
    await rename(folder, join(work, "old")).catch(ignoreMissing);
    await rename(written, folder);
    return finished;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/**
 * Nothing is deleted that `writePublished` hasn't written: someone's sources, a repository's .git.
 *
 * @throws PluginError for a folder that holds anything else
 */
export async function assertReplaceable(folder: string): Promise<void> {
  const found = await listAll(folder);
  const manifest = await readFile(join(folder, MANIFEST), "utf8").catch(() => "");
  const listed = readListed(manifest);
  const written = new Set([MANIFEST, SIGNATURES, ...(Array.isArray(listed) ? (listed as unknown[]) : [])]);
  const foreign = found.find((name) => !written.has(name));
  if (foreign === undefined) return;
  throw new PluginError(
    "manifest",
    `Cannot write to "${folder}": it holds "${foreign}", which isn't of a published plugin; name another folder`,
  );
}

async function listAll(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true, recursive: true });
    return entries
      .filter((entry) => !entry.isDirectory())
      .map(({ parentPath, name }) =>
        join(parentPath, name)
          .slice(folder.length + 1)
          .replaceAll("\\", "/"),
      );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}
