import { closeSync, fsyncSync, linkSync, openSync, realpathSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { lt } from "semver";
import { askToHandOver } from "../../app/command-channel.ts";
import type { LoadedConfig } from "../../config/load.ts";
import { fail } from "../../errors/codes.ts";
import { AppError } from "../../errors/errors.ts";
import { type Build, describeBuild, readBuild } from "../terminal/version.ts";
import { askVersion, assertRunsHere, describeUnfit, readCandidate, writeBeside } from "./candidate.ts";
import { assertIntegrity, type Integrity, parseIntegrity } from "./integrity.ts";
import { inTurn } from "./turn.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const STEADY_MS = 30_000; // in which a new process may still show that it is no good

export interface UpdateOptions {
  readonly from: string;
  readonly integrity: string;
  readonly loaded: LoadedConfig;
  readonly cwd: string;
  /** Of the executable that runs. */
  readonly version: string;
  /** Tells how far it is. */
  readonly say: (text: string) => void;
}

/** What an update has done. */
export interface Updated {
  readonly executable: string;
  /** Where the executable before is; null where nothing has changed. */
  readonly previous: string | null;
  readonly before: Build;
  readonly now: Build;
  /** The process that serves now; null where none did from this executable. */
  readonly pid: number | null;
}

/**
 * Replaces the executable that runs by another, and has a new process take over from the server of the project that runs
 * from it. Nothing is changed before the other is known to be what it must be, and to run here. The one before stays
 * beside it, and comes back where the server isn't healthy with the new one: it has gone on listening then.
 *
 * @throws AppError update_failed: the executable before is in place
 */
export async function updateExecutable(options: UpdateOptions): Promise<Updated> {
  if (!Bun.isStandaloneExecutable) {
    throw fail("update_failed", "Cannot update: xcore runs from its sources here; pull them");
  }
  const executable = realpathSync(process.execPath);
  const expected = parseIntegrity(options.integrity);
  return inTurn(executable, () => replaceBy(expected, executable, options));
}

async function replaceBy(
  expected: Integrity,
  executable: string,
  { from, loaded, cwd, version, say }: UpdateOptions,
): Promise<Updated> {
  const before = readBuild(version);
  const { allow_hosts: allowHosts } = loaded.config.plugins.fetch;
  const isOffline = loaded.config.plugins.offline;
  const bytes = await readCandidate(from, { cwd, allowHosts, isOffline, say });
  assertIntegrity(bytes, expected, { subject: from, unfit: describeUnfit(bytes) });
  assertRunsHere(bytes, from);
  const candidate = writeBeside(executable, bytes);
  try {
    const now = await askVersion(candidate, from);
    if (now.build === before.build) return { executable, previous: null, before, now, pid: null };
    assertNewer(now, before, from);
    const previous = swap(executable, candidate);
    say(
      `${executable} is ${describeBuild(now)} now; the one before is ${previous}\n` +
        "A server that runs from it is taken over from by a new process, which is watched for a while: a minute at most",
    );
    const pid = await uninterrupted(say, () => handOver(loaded, { executable, previous, now, before }));
    return { executable, previous, before, now, pid };
  } finally {
    rmSync(candidate, { force: true });
  }
}

/** @throws AppError update_failed */
function assertNewer(now: Build, before: Build, from: string): void {
  if (!lt(now.version, before.version)) return;
  throw fail(
    "update_failed",
    `Cannot update to ${from}: it is ${now.version}, which is older than ${before.version}; nothing was changed`,
  );
}

/** Puts the candidate in the executable's place, which is never empty; returns where the executable before is. */
function swap(executable: string, candidate: string): string {
  const previous = `${executable}.previous`;
  const kept = `${candidate}-previous`;
  // Windows lets nothing take the place of what runs, but lets that be renamed.
  if (process.platform === "win32") renameSync(executable, previous);
  else {
    linkSync(executable, kept);
    renameSync(kept, previous);
  }
  renameSync(candidate, executable);
  syncFolder(executable);
  return previous;
}

/** Whoever presses Ctrl+C now would leave an executable in place that may turn out to be no good. */
async function uninterrupted<T>(say: UpdateOptions["say"], work: () => Promise<T>): Promise<T> {
  const refuse = (): void =>
    say("This can't be stopped now: the one before comes back where the new one is no good");
  for (const signal of SIGNALS) process.on(signal, refuse);
  try {
    return await work();
  } finally {
    for (const signal of SIGNALS) process.off(signal, refuse);
  }
}

interface Swapped {
  readonly executable: string;
  readonly previous: string;
  readonly now: Build;
  readonly before: Build;
}

/** @throws AppError update_failed once the executable before is back */
async function handOver(
  loaded: LoadedConfig,
  { executable, previous, now, before }: Swapped,
): Promise<number | null> {
  try {
    return (await askToHandOver(loaded, { steadyMs: STEADY_MS, executable }))?.pid ?? null;
  } catch (error) {
    renameSync(previous, executable);
    syncFolder(executable);
    // Some workers may have been replaced by then.
    if (loaded.config.server.workers > 1)
      await askToHandOver(loaded, { steadyMs: 0, executable }).catch(() => null);
    const reason = error instanceof AppError ? error.message : String(error);
    throw fail(
      "update_failed",
      `Cannot update to ${now.version}: ${reason}; ${before.version} is back in place, and serves as before`,
      { cause: error },
    );
  }
}

function syncFolder(file: string): void {
  if (process.platform === "win32") return; // which has no such thing
  const folder = openSync(dirname(file), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
