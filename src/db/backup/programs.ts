import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { DatabaseError } from "../contract/database-error.ts";

/** The environment of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A program of a database, found on the PATH. */
export interface Program {
  readonly name: string;
  readonly path: string;
}

export interface RunOptions {
  readonly args: readonly string[];
  /** Its environment, where passwords belong: arguments can be seen by every user of the machine. */
  readonly env: Environment;
  /** Standard input. @default nothing */
  readonly input?: AsyncIterable<Uint8Array | string>;
  /** Ends the program when it is aborted. */
  readonly signal: AbortSignal;
  /** What the program is run for, the beginning of the error: `Cannot back up "…"`. */
  readonly action: string;
}

const KEPT_VARIABLES = ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT"];
const MAX_REASON = 400;

/**
 * Finds the first of some programs on the PATH.
 *
 * @throws DatabaseError that names the package which holds it
 */
export function findProgram(
  names: readonly string[],
  { env, action, packages }: { env: Environment; action: string; packages: string },
): Program {
  for (const name of names) {
    const path = Bun.which(name, { PATH: env["PATH"] ?? "" });
    if (path !== null) return { name, path };
  }
  const wanted = names.map((name) => `"${name}"`).join(" or ");
  throw new DatabaseError(
    "other",
    `${action}: ${wanted} is not on the PATH; install the package ${packages}`,
  );
}

/** The environment of a program: next to nothing of ours, as variables such as PGHOST would lead it astray. */
export function toProgramEnv(env: Environment, added: Environment): Environment {
  return { ...Object.fromEntries(KEPT_VARIABLES.map((name) => [name, env[name]])), LC_ALL: "C", ...added };
}

/**
 * Runs a program to its end.
 *
 * @throws DatabaseError with what it said, without values of rows
 */
export async function runProgram(program: Program, options: RunOptions): Promise<void> {
  const child = startProgram(program, options);
  // A program that ends early says why itself; the broken pipe only follows from it.
  const feeding = feed(child.stdin, options.input).then(
    () => null,
    (error: unknown) => error,
  );
  await child.ended;
  const error = await feeding;
  if (error !== null) throw error;
}

/** Runs a program and returns what it writes; fails at the end when the program does. */
export async function* readProgram(program: Program, options: RunOptions): AsyncGenerator<Uint8Array> {
  const child = startProgram(program, options);
  child.stdin.end();
  const ended = child.ended.then(
    () => null,
    (error: unknown) => error,
  );
  try {
    for await (const part of child.stdout) yield part as Buffer;
  } finally {
    child.kill();
  }
  const error = await ended;
  if (error !== null) throw error;
}

/** How long a program may take to tell how much there is to do, in ms. */
export const ESTIMATE_MS = 10_000;

/** The number that a program writes; 0 where it fails: what is run after it says why. */
export async function readNumber(parts: AsyncIterable<Uint8Array>): Promise<number> {
  try {
    const all = await Array.fromAsync(parts);
    const number = Number(Buffer.concat(all).toString().trim());
    return Number.isFinite(number) ? number : 0;
  } catch {
    return 0;
  }
}

/** The bytes of a file, to feed a program with. */
export async function* readBytes(path: string): AsyncGenerator<Uint8Array> {
  for await (const part of createReadStream(path)) yield part as Buffer;
}

interface Child {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly ended: Promise<void>;
  kill(): void;
}

function startProgram({ name, path }: Program, { args, env, action, signal: deadline }: RunOptions): Child {
  deadline.throwIfAborted();
  const child = spawn(path, args, { env: { ...env }, stdio: ["pipe", "pipe", "pipe"] });
  // At once: pg_dump would first ask the server to stop, which may not answer.
  const kill = (): void => void child.kill("SIGKILL");
  // It would go on without us, and nobody would take what it writes.
  process.on("exit", kill);
  deadline.addEventListener("abort", kill);
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    if (said.length < 100_000) said += text;
  });
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  const settle = (): void => {
    process.off("exit", kill);
    deadline.removeEventListener("abort", kill);
  };
  void ended.then(settle, settle);
  child.on("error", (error) => reject(new DatabaseError("other", `${action}: ${error.message}`)));
  child.on("close", (code, signal) => {
    if (code === 0) resolve();
    else if (deadline.aborted) reject(deadline.reason);
    else reject(new DatabaseError("other", `${action}: ${name} ${toReason(said, code, signal)}`));
  });
  return { stdin: child.stdin, stdout: child.stdout, ended, kill };
}

async function feed(stdin: Writable, input: RunOptions["input"]): Promise<void> {
  await pipeline(input === undefined ? Readable.from([]) : Readable.from(input), stdin);
}

/** What a program complained of, without what may be values: details, and what follows a colon or stands in quotes. */
function toReason(said: string, code: number | null, signal: string | null): string {
  const line = said.split("\n").find((one) => /\b(error|fatal|denied|failed|unknown)\b/i.test(one));
  if (line === undefined) return signal === null ? `ended with ${code}` : `was ended by ${signal}`;
  const [, sqlState] = /^(ERROR \d+ \(\w+\) at line \d+)/.exec(line) ?? [];
  const reason = sqlState ?? line.replace(/(syntax for type [\w ]+): .*/, "$1");
  return `says: ${reason.trim().slice(0, MAX_REASON)}`;
}
