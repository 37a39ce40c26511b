import { statSync } from "node:fs";

/** Whether reading a file could go on without end, as of a pipe or a device: one that nobody writes into holds who reads it. */
export function isEndless(file: string): boolean {
  const stats = statSync(file, { throwIfNoEntry: false });
  return stats !== undefined && !stats.isFile() && !stats.isDirectory();
}
