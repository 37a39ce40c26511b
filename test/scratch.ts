import { mkdtempSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MEMORY = "/dev/shm";
const MEMORY_BYTES = 1024 ** 3;

/** Where tests keep files: in memory where there is enough of it, for there nothing waits for a disk. */
export const SCRATCH = findScratch();

/** Makes a folder of its own for a test, which removes it. @returns its path */
export function makeScratchFolder(name: string): string {
  return mkdtempSync(join(SCRATCH, `xcore-${name}-`));
}

function findScratch(): string {
  try {
    const { bavail, bsize } = statfsSync(MEMORY);
    return bavail * bsize >= MEMORY_BYTES ? MEMORY : tmpdir();
  } catch {
    return tmpdir();
  }
}
