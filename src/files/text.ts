import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  type Stats,
} from "node:fs";

const MAX_BYTES = 16e6; // what reads it holds everybody up
const LIMIT = `a file of at most ${MAX_BYTES / 1e6} MB`;
const WRITER_MS = 5000;
const LOOK_MS = 10;

/** What reading a file gave: its text, or why there is none. */
export type TextFile =
  | { readonly state: "read"; readonly text: string }
  | { readonly state: "missing" }
  | { readonly state: "unreadable"; readonly expected: string; readonly found: string };

/**
 * Reads a file that may not exist as UTF-8, with or without a byte order mark, and never throws.
 *
 * @param writerMs how long somebody may take who writes into a pipe. @default 5000
 */
export function readTextFile(file: string, writerMs = WRITER_MS): TextFile {
  let bytes: Buffer;
  try {
    const stats = statSync(file);
    const { size } = stats;
    if (size > MAX_BYTES)
      return { state: "unreadable", expected: LIMIT, found: `${Math.ceil(size / 1e6)} MB` };
    if (!isOther(stats)) bytes = readFileSync(file);
    else {
      const read = readStream(file, { isPipe: stats.isFIFO(), writerMs });
      if (!Buffer.isBuffer(read)) return read;
      bytes = read;
    }
  } catch (error) {
    return toFailure(file, error);
  }
  try {
    return { state: "read", text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch {
    return { state: "unreadable", expected: "a file in UTF-8", found: describeEncoding(bytes) };
  }
}

/** Reads a pipe, into which somebody may still be about to write, or a device. Neither may hold up who reads it for ever. */
function readStream(
  file: string,
  { isPipe, writerMs }: { readonly isPipe: boolean; readonly writerMs: number },
): Buffer | TextFile {
  const descriptor = openSync(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const [parts, part]: [Buffer[], Buffer] = [[], Buffer.alloc(65_536)];
    let size = 0;
    let heardAt = performance.now();
    for (;;) {
      const count = readNow(descriptor, part);
      // A pipe has an end once somebody has written into it.
      if (count === 0 && (size > 0 || !isPipe)) return Buffer.concat(parts);
      if (count !== null && count > 0) {
        parts.push(Buffer.from(part.subarray(0, count)));
        size += count;
        heardAt = performance.now();
        if (size > MAX_BYTES) return { state: "unreadable", expected: LIMIT, found: "more" };
      } else if (performance.now() - heardAt > writerMs) {
        const found = isPipe ? "a pipe that nobody writes into" : "a device that says nothing";
        return { state: "unreadable", expected: "a file that can be read", found };
      } else Bun.sleepSync(LOOK_MS);
    }
  } finally {
    closeSync(descriptor);
  }
}

/** Returns how many bytes were there, 0 where nobody writes any more, null where they are still to come. */
function readNow(descriptor: number, into: Buffer): number | null {
  try {
    return readSync(descriptor, into);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EAGAIN") return null;
    throw error;
  }
}

/** Whether reading a file could go on without end, as of a pipe or a device: one that nobody writes into holds who reads it. */
export function isEndless(file: string): boolean {
  let stats: Stats | undefined;
  try {
    stats = statSync(file, { throwIfNoEntry: false });
  } catch {
    return false; // who reads it is told why it can't be read
  }
  return stats !== undefined && isOther(stats);
}

function isOther(stats: Stats): boolean {
  return !stats.isFile() && !stats.isDirectory();
}

/** Says what stands where a file should, as in "it is a folder"; null for a file. */
export function describeOther(stats: Stats): string | null {
  if (stats.isFile()) return null;
  return stats.isDirectory() ? "a folder" : "a pipe or a device";
}

/**
 * Whether a file holds nothing: it is missing, a link to nothing or empty, as it is for a moment while an editor or a
 * deployment replaces it.
 */
export function isVacant(file: string): boolean {
  try {
    const stats = statSync(file);
    if (isOther(stats) || stats.size > MAX_BYTES) return false;
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
