import type { Stats } from "node:fs";
import { chmod, chown } from "node:fs/promises";

/** Gives a file the mode and, where root does it, the owner of the file that it replaces: the server must read it. */
export async function copyOwner({ mode, uid, gid }: Stats, file: string): Promise<void> {
  await chmod(file, mode);
  if (process.getuid?.() === 0) await chown(file, uid, gid);
}
