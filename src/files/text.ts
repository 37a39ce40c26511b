import { lstatSync, readFileSync, statSync } from "node:fs";
import { isEndless } from "./endless.ts";

const MAX_BYTES = 16e6; // what reads it holds everybody up

/** What reading a file gave: its text, or why there is none. */
export type TextFile =
  | { readonly state: "read"; readonly text: string }
  | { readonly state: "missing" }
  | { readonly state: "unreadable"; readonly expected: string; readonly found: string };

/** Reads a file that may not exist as UTF-8, with or without a byte order mark, and never throws. */
export function readTextFile(file: string): TextFile {
  let bytes: Buffer;
  try {
    const { size } = statSync(file);
    if (size > MAX_BYTES) {
      const expected = `a file of at most ${MAX_BYTES / 1e6} MB`;
      return { state: "unreadable", expected, found: `${Math.ceil(size / 1e6)} MB` };
    }
    bytes = readFileSync(file);
  } catch (error) {
    return toFailure(file, error);
  }
  try {
    return { state: "read", text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch {
    return { state: "unreadable", expected: "a file in UTF-8", found: describeEncoding(bytes) };
  }
}

/**
 * Whether a file holds nothing: it is missing, a link to nothing or empty, as it is for a moment while an editor or a
 * deployment replaces it.
 */
export function isVacant(file: string): boolean {
  try {
    if (isEndless(file) || statSync(file).size > MAX_BYTES) return false;
    return readFileSync(file, "utf8").trim() === "";
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "ENOENT" || code === "ENOTDIR";
  }
}

function toFailure(file: string, error: unknown): TextFile {
  const code = error instanceof Error && "code" in error ? String(error.code) : "an unknown error";
  const expected = "a file that can be read";
  switch (code) {
    case "ENOENT":
      // A link whose target is gone was meant to be a file: it must not pass for "no file".
      return isLink(file)
        ? { state: "unreadable", expected, found: "a link to nothing" }
        : { state: "missing" };
    case "ENOTDIR":
      return { state: "missing" };
    case "EISDIR":
      return { state: "unreadable", expected, found: "a directory" };
    case "EACCES":
    case "EPERM":
      return { state: "unreadable", expected, found: "a file that this user may not read" };
    default:
      return { state: "unreadable", expected, found: code };
  }
}

function isLink(file: string): boolean {
  return lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}

function describeEncoding(bytes: Buffer): string {
  const mark = bytes.subarray(0, 2).toString("hex");
  if (mark === "fffe" || mark === "feff") return "a file in UTF-16: save it as UTF-8";
  return "bytes that are not UTF-8: save it as UTF-8";
}
