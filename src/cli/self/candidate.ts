import {
  chmodSync,
  chownSync,
  closeSync,
  fsyncSync,
  openSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { valid } from "semver";
import { fail } from "../../errors/codes.ts";
import type { AppError } from "../../errors/errors.ts";
import { fetchFile } from "../../plugins/remote/fetch/fetch.ts";
import { parseLocation } from "../../plugins/remote/fetch/location.ts";
import type { Build } from "../terminal/version.ts";

const MAX_BYTES = 1_000_000_000;
const FETCH_MS = 900_000;
const VERSION_MS = 30_000;
const RESERVE_BYTES = 16_000_000; // what is left for others on a disk that is nearly full

/** What the first bytes of an executable are for: ELF, Mach-O and PE, with the number of the processor. */
const ELF: Readonly<Record<number, string>> = { 62: "linux-x64", 183: "linux-arm64" };
const MACH_O: Readonly<Record<number, string>> = { 0x0100_0007: "darwin-x64", 0x0100_000c: "darwin-arm64" };
const PE: Readonly<Record<number, string>> = { 0x8664: "win32-x64", 0xaa64: "win32-arm64" };

/**
 * Gets the bytes of an executable.
 *
 * @throws AppError validation_error for what is neither an "https:" URL nor a file
 * @throws AppError update_failed when it can't be read, FetchError when it can't be fetched
 */
export async function readCandidate(
  from: string,
  {
    cwd,
    allowHosts,
    isOffline,
    say,
  }: {
    readonly cwd: string;
    readonly allowHosts: readonly string[];
    readonly isOffline: boolean;
    /** Tells how far it is. */
    readonly say: (text: string) => void;
  },
): Promise<Uint8Array> {
  const location = parseLocation(from, cwd);
  if (location.kind === "npm")
    throw fail("validation_error", `Cannot update from "${from}": it is an https: URL, or a file`);
  if (location.kind === "path") return readHere(location.path);
  const limits = { timeoutMs: FETCH_MS, maxBytes: MAX_BYTES, maxRedirects: 5, allowHosts, isOffline };
  say(`Fetching ${from}: it may take ${FETCH_MS / 60_000} minutes at most`);
  return fetchFile(location.url, limits);
}

async function readHere(path: string): Promise<Uint8Array> {
  const found = statSync(path, { throwIfNoEntry: false });
  const refuse = (reason: string): AppError => fail("update_failed", `Cannot update to ${path}: ${reason}`);
  if (found === undefined) throw refuse("there is no such file");
  if (!found.isFile()) throw refuse("it is no file");
  if (found.size > MAX_BYTES) throw refuse("no executable of xcore is so large");
  return Bun.file(path).bytes();
}

/** @throws AppError update_failed for what is no executable, or one for other machines */
export function assertRunsHere(bytes: Uint8Array, subject: string): void {
  const what = describeUnfit(bytes);
  if (what !== null) throw fail("update_failed", `Cannot update to ${subject}: ${what}; nothing was changed`);
}

/** Says why bytes, by the first of them, can't be run on this machine; null where they may. */
export function describeUnfit(bytes: Uint8Array): string | null {
  const here = `${process.platform}-${process.arch}`;
  const found = findMachine(bytes);
  if (found === here) return null;
  return found === null ? "it is no executable" : `it is for ${found}, and this machine is ${here}`;
}

/** Returns for which machine an executable is, such as "linux-x64"; null for what is none. */
export function findMachine(bytes: Uint8Array): string | null {
  if (bytes.length < 64) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) === 0x7f45_4c46) return ELF[view.getUint16(18, true)] ?? "another machine";
  if (view.getUint32(0, true) === 0xfeed_facf) return MACH_O[view.getUint32(4, true)] ?? "another machine";
  if (view.getUint16(0) !== 0x4d5a) return null;
  const at = view.getUint32(60, true);
  if (at + 6 > bytes.length || view.getUint32(at) !== 0x5045_0000) return null;
  return PE[view.getUint16(at + 4, true)] ?? "another machine";
}

/**
 * Writes an executable beside the one that it is to replace, with that one's owner and mode.
 *
 * @returns its path
 * @throws AppError update_failed when it can't be written
 */
export function writeBeside(executable: string, bytes: Uint8Array): string {
  const folder = dirname(executable);
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < bytes.length + RESERVE_BYTES) throw full(folder, bytes.length);
  const path = join(folder, `.${basename(executable)}.new-${process.pid}`);
  const { uid, gid, mode } = statSync(executable);
  try {
    const file = openSync(path, "wx", 0o700);
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at, bytes.length - at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    if (process.getuid?.() === 0) chownSync(path, uid, gid);
    chmodSync(path, mode & 0o777);
    return path;
  } catch (error) {
    rmSync(path, { force: true });
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOSPC" || code === "EDQUOT") throw full(folder, bytes.length);
    throw unwritable(executable, error);
  }
}

/** The error of a folder in which nothing can be put beside the executable. */
export function unwritable(executable: string, cause: unknown): AppError {
  const { code } = cause as NodeJS.ErrnoException;
  const reason =
    code === "EACCES" || code === "EPERM" || code === "EROFS"
      ? `this user may not write to ${dirname(executable)}`
      : String(code);
  return fail("update_failed", `Cannot update ${executable}: ${reason}; nothing was changed`, { cause });
}

/** Has an executable say what it is. @throws AppError update_failed when it can't */
export async function askVersion(path: string, subject: string): Promise<Build> {
  const refuse = (reason: string): AppError =>
    fail(
      "update_failed",
      `Cannot update to ${subject}: it can't be run here, for ${reason}; nothing was changed`,
    );
  const child = spawnForVersion(path, refuse);
  const [code, output, errors] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  const build = code === 0 ? parseBuild(output) : null;
  if (build !== null) return build;
  const said = errors.trim().split("\n").at(-1) ?? "";
  const what =
    code === 0 ? "it is no xcore" : `"--version" ends with ${code}${said === "" ? "" : `: ${said}`}`;
  throw refuse(what);
}

function spawnForVersion(path: string, refuse: (reason: string) => AppError) {
  try {
    return Bun.spawn([path, "--version", "--json"], {
      stdio: ["ignore", "pipe", "pipe"],
      cwd: dirname(path),
      env: { PATH: process.env["PATH"] ?? "" },
      timeout: VERSION_MS,
    });
  } catch (error) {
    // It is cut off, or its disk lets nothing be run.
    throw refuse(`the system says ${String((error as NodeJS.ErrnoException).code)}`);
  }
}

function parseBuild(text: string): Build | null {
  try {
    const build = JSON.parse(text) as Partial<Build> | null;
    const isOurs =
      build?.name === "xcore" && valid(build.version) !== null && typeof build.build === "string";
    return isOurs ? (build as Build) : null;
  } catch {
    return null;
  }
}

function full(folder: string, bytes: number): AppError {
  const megabytes = Math.ceil((bytes + RESERVE_BYTES) / 1_000_000);
  return fail(
    "update_failed",
    `Cannot update: the disk of ${folder} is full, and ${megabytes} MB are needed; nothing was changed`,
  );
}
