import { sha256 } from "../../files/sha256.ts";
import type { JobDefinition } from "./options.ts";
import { assertPayload, writePayload } from "./payloads.ts";
import type { NewJob } from "../contract/records.ts";

/** How a job is enqueued. */
export interface EnqueueOptions {
  /** How long it waits, in seconds. */
  readonly delay?: number;
  /** When it is due; before that it waits. */
  readonly at?: Date;
  /** From this until it has ended, no other of its name with the same text is added: enqueuing one gives the id of this. */
  readonly unique?: string;
  /** From -1000 to 1000: the highest runs first, and of the same the oldest. @default 0 */
  readonly priority?: number;
}

/** A job that is to be enqueued. */
export interface JobRequest {
  readonly definition: JobDefinition;
  readonly payload: unknown;
  readonly options?: EnqueueOptions | undefined;
}

/** Who it waits for, and who waits for it. */
export type Links = Partial<Pick<NewJob, "id" | "batchId" | "awaitsId" | "nextId">> & {
  readonly isBlocked?: boolean;
};

/** How long a job may wait, in seconds. */
export const MAX_DELAY = 10 * 365 * 86_400;
/** The highest priority; the lowest is its negative. */
export const MAX_PRIORITY = 1000;
const KEYS = ["delay", "at", "unique", "priority", "tx"];

/**
 * Makes the row of a job.
 *
 * @throws TypeError, RangeError for options that can't be, and for a payload that isn't JSON
 * @throws AppError validation_error, job_payload_too_large
 */
export function toNewJob({ definition, payload, options = {} }: JobRequest, links: Links = {}): NewJob {
  const { name, keyOf } = definition;
  const { unique, priority = 0 } = options;
  const unknown = Object.keys(options).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) throw refuse(name, `there is no option "${unknown}"`);
  const text = writePayload(name, payload);
  const read = assertPayload(definition, text);
  if (!Number.isInteger(priority) || Math.abs(priority) > MAX_PRIORITY) {
    throw new RangeError(
      `Cannot enqueue "${name}": "priority" must be a whole number from -${MAX_PRIORITY} to ${MAX_PRIORITY}`,
    );
  }
  if (unique !== undefined && typeof unique !== "string") throw refuse(name, '"unique" must be a text');
  const key = keyOf === null ? null : keyOf(read);
  if (key !== null && typeof key !== "string") throw refuse(name, 'what its "key" returns must be a text');
  return {
    id: links.id ?? Bun.randomUUIDv7(),
    name,
    payload: text,
    version: definition.version,
    rank: -priority,
    until: links.isBlocked === true ? "blocked" : toUntil(name, options),
    uniqueHash: unique === undefined ? null : digest(name, unique),
    lane: key === null ? null : digest(name, key),
    batchId: links.batchId ?? null,
    awaitsId: links.awaitsId ?? null,
    nextId: links.nextId ?? null,
  };
}

function toUntil(name: string, { delay, at }: EnqueueOptions): NewJob["until"] {
  if (delay !== undefined && at !== undefined)
    throw refuse(name, 'give it a "delay" or an "at", and not both');
  if (at !== undefined) {
    if (at instanceof Date && !Number.isNaN(at.getTime())) return { at: at.getTime() };
    throw refuse(name, '"at" must be a Date');
  }
  if (delay === undefined || delay === 0) return null;
  if (typeof delay === "number" && delay > 0 && delay <= MAX_DELAY) return { inMs: delay * 1000 };
  throw new RangeError(
    `Cannot enqueue "${name}": "delay" must be a number of seconds from 0 to ${MAX_DELAY}`,
  );
}

/** Of one length, whatever the text: spaces, newlines and 10 KB. */
function digest(name: string, text: string): string {
  return sha256(JSON.stringify([name, text]));
}

function refuse(name: string, reason: string): TypeError {
  return new TypeError(`Cannot enqueue "${name}": ${reason}`);
}
