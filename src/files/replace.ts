import { readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { fail } from "../errors/codes.ts";
import { describeOther } from "./text.ts";

/**
 * Writes a text file anew in one step, with its permissions, so that a running server never reads half of it.
 *
 * @param path where the file is, or a link to it
 * @param change gets its text; `null` for a file that isn't there
 * @throws AppError conflict for what is no file, such as a device, whose end never comes
 */
export async function replaceFile(path: string, change: (text: string | null) => string): Promise<void> {
  const file = await realpath(path).catch(() => path);
  const there = await stat(file).catch(() => null);
  const other = there === null ? null : describeOther(there);
  if (other !== null)
    throw fail("conflict", `Cannot write ${JSON.stringify(path)}: it is ${other}, and no file`);
  const before = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  await write(file, change(before), there?.mode ?? 0o644);
}

/**
 * Writes a file of bytes in one step: a reader finds the old file or the new one, whole.
 *
 * @param mode its permissions. @default everybody may read it
 */
export async function replaceBytes(path: string, content: Uint8Array, mode = 0o644): Promise<void> {
  const file = await realpath(path).catch(() => path);
  await write(file, content, mode);
}

async function write(file: string, content: string | Uint8Array, mode: number): Promise<void> {
  const written = `${file}.${process.pid}-${crypto.randomUUID().slice(0, 8)}.tmp`;
  try {
    await writeFile(written, content, { mode });
    await rename(written, file);
  } catch (error) {
    await rm(written, { force: true }).catch(() => {}); // the reason of the failure counts
    throw error;
  }
}
