import { type Stats, statSync } from "node:fs";

/** Whether reading a file could go on without end, as of a pipe or a device: one that nobody writes into holds who reads it. */
export function isEndless(file: string): boolean {
  let stats: Stats | undefined;
  try {
    stats = statSync(file, { throwIfNoEntry: false });
  } catch {
    return false; // who reads it is told why it can't be read
  }
  return stats !== undefined && !stats.isFile() && !stats.isDirectory();
}
