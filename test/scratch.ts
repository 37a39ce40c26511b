import { mkdtempSync, readFileSync, statfsSync } from "node:fs";
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
    return bavail * bsize >= MEMORY_BYTES && mayRunPrograms() ? MEMORY : tmpdir();
  } catch {
    return tmpdir();
  }
}

/** Whether programs may stand there; in containers they often may not. */
function mayRunPrograms(): boolean {
  const mounts = readFileSync("/proc/mounts", "utf8").split("\n");
  const options = mounts.findLast((line) => line.split(" ")[1] === MEMORY)?.split(" ")[3] ?? "";
  return !options.split(",").includes("noexec");
}
