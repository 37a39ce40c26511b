import { statfs } from "node:fs/promises";
import { DatabaseError } from "../contract/database-error.ts";

const FULL_CODES: readonly unknown[] = ["ENOSPC", "EDQUOT", "EFBIG"];

/** Whether writing failed because the disk, the quota or the size of files is used up. */
export function isDiskFull(error: unknown): boolean {
  if (error instanceof DatabaseError) return error.fault === "full";
  return error instanceof Error && "code" in error && FULL_CODES.includes(error.code);
}

/** Bytes that may still be written in a folder. */
export async function findFreeSpace(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
