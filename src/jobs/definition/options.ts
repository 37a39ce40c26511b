import type { TSchema } from "@sinclair/typebox";
import type { Logger } from "pino";
import { assertKnownOptions } from "../../errors/suggestion.ts";
import { sha256 } from "../../files/sha256.ts";
import type { Database, Transaction } from "../../db/contract/database.ts";
import { isTypeBoxSchema } from "../../errors/plain-schema.ts";

/** How often something may happen. */
export interface JobRate {
  /** How many may start in a window. */
  readonly max: number;
  /** In seconds. */
  readonly window: number;
}

/** How long a job waits for its next try: twice as long each time, and up to half of that less, at random. */
export interface JobBackoff {
  /** Before the second try, in seconds. @default 5 */
  readonly delay?: number;
  /** At most, in seconds. @default 3600 */
  readonly max?: number;
}

/** What a plugin says of one kind of jobs. */
export interface JobOptions<Payload = unknown> {
  /** What the payload must be: a schema of TypeBox, such as `t.Object({ … })`. @default any JSON */
  readonly payload?: TSchema;
  /** How often it is tried before it is dead. @default 3 */
  readonly attempts?: number;
  /** A number is its `delay`. @default { delay: 5, max: 3600 } */
  readonly backoff?: number | JobBackoff;
  /** How long a try may take, in seconds. @default 300 */
  readonly timeout?: number;
  /** How many of them may run at once, on all instances together. @default as many as there are places */
  readonly concurrency?: number;
  /** How many of them may start, on all instances together. @default as many as there are */
  readonly rate?: JobRate;
  /** Of those with the same key, one runs at a time. @default none has a key */
  readonly key?: (payload: Payload) => string;
  /** How long one that is completed is kept, to be looked at, in seconds. 0 deletes it at once. @default 86400 */
  readonly keep?: number;
}

/** What the handler of a job is given. */
export interface JobContext<Payload = unknown, Tx = Transaction> {
  readonly id: string;
  readonly name: string;
  readonly payload: Payload;
  /** Which try this is, from 1. */
  readonly attempt: number;
  /** Whether the job is dead if this try fails. */
  readonly isLast: boolean;
  /** Aborted when the try takes longer than it may, when the job is cancelled, and when the server stops. */
  readonly signal: AbortSignal;
  /** The plugin's log: each line carries the job's id and name. */
  readonly log: Logger;
  /** Of a job that others were waited for with: how they ended. Null for any other. */
  readonly batch: { readonly total: number; readonly failed: number } | null;
  /**
   * Runs a step that isn't run again once it is done, however often the job is: its result, as JSON, is kept and given
   * again. A `work` that takes a `tx` runs in a transaction, whose writes commit together with the note that the step is
   * done; any other is noted after it has ended.
   *
   * @throws TypeError for a name that this try has used already
   */
  readonly step: <T>(name: string, work: (tx: Tx) => T | Promise<T>) => Promise<T>;
  /** Tells how far it is: from 0 to 1, and in words. */
  readonly progress: (fraction: number, text?: string) => void;
}

export type JobHandler = (context: JobContext) => unknown;

/** One kind of jobs, as it is now. */
export interface JobDefinition {
  /** With the plugin's: "blog:notify". */
  readonly name: string;
  readonly handler: JobHandler;
  readonly schema: TSchema | null;
  /** SHA-256 of the schema: versions of a plugin with another one have another. */
  readonly version: string;
  readonly attempts: number;
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
  readonly timeoutMs: number;
  readonly concurrency: number | null;
  readonly rate: { readonly max: number; readonly windowMs: number } | null;
  readonly keyOf: ((payload: unknown) => string) | null;
  readonly keepMs: number;
  readonly owner: JobOwner;
}

/** Whose handlers they are. */
export interface JobOwner {
  readonly plugin: string;
  /** What steps write with. */
  readonly db: Database;
  readonly log: Logger;
  /** Is told of each handler that runs: the owner lives until it has ended. */
  readonly hold: (work: Promise<unknown>) => void;
}

/** How the names of jobs end that import files into resources. */
export const IMPORT_SUFFIX = ".import";

const NAME = /^[a-z][a-z0-9_.-]{0,63}$/i;
const MAX_SECONDS = 365 * 86_400;
const KEYS = ["payload", "attempts", "backoff", "timeout", "concurrency", "rate", "key", "keep"];

/** The name of a job with its plugin's. */
export function toQualifiedName(plugin: string, name: string): string {
  return `${plugin}:${name}`;
}

/** The plugin and the name that a qualified name is made of. */
export function splitName(qualified: string): { readonly plugin: string; readonly name: string } {
  const at = qualified.indexOf(":");
  return { plugin: qualified.slice(0, Math.max(at, 0)), name: qualified.slice(at + 1) };
}

/** @throws TypeError for what no job or task may be called */
export function assertName(name: unknown, doing: string): asserts name is string {
  if (typeof name === "string" && NAME.test(name)) return;
  throw new TypeError(`${doing}: its name must be 1 to 64 letters, digits, "_", "." and "-", a letter first`);
}

/** Checks what a plugin says of its jobs, and fills in the defaults. @throws TypeError, RangeError */
export function toDefinition(
  owner: JobOwner,
  name: unknown,
  handler: unknown,
  options: JobOptions<never> = {},
): JobDefinition {
  const doing = `Cannot define the job "${String(name)}"`;
  assertName(name, doing);
  if (typeof handler !== "function") throw new TypeError(`${doing}: its second argument must be a function`);
  assertKnownOptions(options, KEYS, doing);
  const { payload: schema = null, rate, key = null } = options;
  if (schema !== null && !isTypeBoxSchema(schema)) {
    throw new TypeError(`${doing}: "payload" must be a schema of TypeBox, such as t.Object({ … })`);
  }
  if (key !== null && typeof key !== "function") {
    throw new TypeError(`${doing}: "key" must be a function of the payload`);
  }
  const within = (option: string, value: number, min: number, max: number): number => {
    if (typeof value === "number" && value >= min && value <= max) return value;
    throw new RangeError(
      `${doing}: "${option}" must be a number from ${min} to ${max}, found ${String(value)}`,
    );
  };
  const count = (option: string, value: number, max: number): number => {
    if (Number.isInteger(value)) return within(option, value, 1, max);
    throw new RangeError(`${doing}: "${option}" must be a whole number, found ${String(value)}`);
  };
  const backoff = typeof options.backoff === "number" ? { delay: options.backoff } : (options.backoff ?? {});
  const { concurrency, attempts = 3, timeout = 300, keep = 86_400 } = options;
  return {
    name: toQualifiedName(owner.plugin, name),
    handler: handler as JobHandler,
    schema,
    version: toVersion(schema),
    attempts: count("attempts", attempts, 1000),
    backoffMs: within("backoff", backoff.delay ?? 5, 0, MAX_SECONDS) * 1000,
    maxBackoffMs: within("backoff.max", backoff.max ?? 3600, 0, MAX_SECONDS) * 1000,
    timeoutMs: within("timeout", timeout, 0.001, 86_400 * 20) * 1000,
    concurrency: concurrency === undefined ? null : count("concurrency", concurrency, 10_000),
    rate:
      rate === undefined
        ? null
        : {
            max: count("rate.max", rate.max, 1_000_000),
            windowMs: within("rate.window", rate.window, 0.001, MAX_SECONDS) * 1000,
          },
    keyOf: key as JobDefinition["keyOf"],
    keepMs: within("keep", keep, 0, MAX_SECONDS) * 1000,
    owner,
  };
}

function toVersion(schema: TSchema | null): string {
  // A limit may be what JSON can't write.
  const text = JSON.stringify(schema, (_, value: unknown) =>
    typeof value === "bigint" ? `${value}n` : value,
  );
  return sha256(text);
}
