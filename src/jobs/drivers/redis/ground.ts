import type { Logger } from "pino";
import type { JobBackend } from "../../contract/backend.ts";
import type { Ground as DatabaseGround } from "../database/ground.ts";
import type { JobConnection } from "./connection.ts";

/** What the queue in Redis stands on. */
export interface Ground {
  readonly connection: JobConnection;
  /** Where jobs are before they are handed to Redis, and once they have failed for good. */
  readonly database: DatabaseGround;
  /** The same, as a backend. */
  readonly rows: JobBackend;
  readonly log: Logger;
  /** How long a job belongs to the process that runs it without a word of it, in ms. */
  readonly leaseMs: number;
  /** The jobs that this process has claimed, by id. */
  readonly held: Map<string, HeldJob>;
  /** Names whose queues can't be read, which the log has been told of. */
  readonly unreadable: Set<string>;
  /** What Redis has been told of how many jobs of a name may run. */
  readonly limits: Map<string, string>;
  /** The name of which there were as many jobs as were wanted, the last time that one was asked for alone. */
  plenty: string | null;
}

/** A job that this process has claimed. */
export interface HeldJob {
  readonly name: string;
  /** Whether its row stays in the database until it has ended, for other jobs depend on that. */
  readonly isKept: boolean;
  readonly rank: number;
  /** In ms since the epoch. */
  readonly createdAt: number;
  /** Whether it has asked for its steps. */
  hasSteps?: boolean;
}

/** Who rows belong to, in the place of a process, whose jobs are handed to Redis. */
export const REDIS = "00000000-0000-7000-8000-000000000000";

const ID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

/** Whether it is an id as they are made here: whatever else is in Redis, others have put there. */
export function isId(id: unknown): id is string {
  return typeof id === "string" && ID.test(id);
}
