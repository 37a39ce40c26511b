import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";

const STALE_MS = 3_600_000; // age at which a folder was left behind by a process that is gone

/**
 * Makes a folder that only this user may read, for the caller to delete. Folders that killed processes left behind
 * are deleted.
 *
 * @param parent folder of nothing but temporary folders, made when it is needed; on the disk of the place that the
 * result is renamed to
 */
export async function makeTemporaryFolder(parent: string): Promise<string> {
  await mkdir(parent, { recursive: true });
  await sweep(parent);
  const folder = join(parent, crypto.randomUUID());
  await mkdir(folder, { mode: 0o700 });
  return folder;
}

async function sweep(parent: string): Promise<void> {
  const names = await readdir(parent);
  const deletions = names.map(async (name) => {
    const path = join(parent, name);
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs > STALE_MS) await rm(path, { recursive: true, force: true });
  });
  await Promise.allSettled(deletions);
}

/** Whether a process still runs whose number stands in the name of a file that it has left. */
export function isRunning(pid: number): boolean {
  try {
    return Number.isInteger(pid) && pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
