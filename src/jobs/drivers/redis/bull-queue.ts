// By their files: the package as a whole brings its PostgreSQL, its schedules and clients of other libraries along.
import type { JobJson } from "bullmq";
import type { createBunRedisClient } from "bullmq/dist/esm/classes/bun-redis-client.js";
import { QueueKeys } from "bullmq/dist/esm/classes/queue-keys.js";
import type { RedisConnection } from "bullmq/dist/esm/classes/redis-connection.js";
import { raw2NextJobData, RedisQueueBackend } from "bullmq/dist/esm/classes/redis-queue-backend.js";

export interface QueueSettings {
  /** What all keys begin with. */
  readonly prefix: string;
  /** How long a job belongs to whoever claims it, in ms. */
  readonly leaseMs: number;
}

/** How often a process may end while it runs a job before the job is taken for the reason. */
export const MOST_LOST = 10;
/** So many times within a lease it is looked for those that are over. */
const LOOKS = 4;

type Command = Parameters<RedisQueueBackend["execCommand"]>;

/** A queue of BullMQ, as its scripts know it: of several, all share one connection. */
export class BullQueue extends RedisQueueBackend {
  constructor(
    adapter: ReturnType<typeof createBunRedisClient>,
    name: string,
    { prefix, leaseMs }: QueueSettings,
  ) {
    const keys = new QueueKeys(prefix);
    const options = {
      prefix,
      connection: {},
      lockDuration: leaseMs,
      stalledInterval: Math.max(Math.round(leaseMs / LOOKS), 1),
      maxStalledCount: MOST_LOST - 1,
    };
    // All that it asks of a connection: to keep that, and to know which Redis it is, is for who has made it.
    const connection = { client: adapter, redisVersion: "7.0.0", databaseType: "redis" };
    const of = connection as unknown as RedisConnection;
    super(of, name, keys.getKeys(name), (type) => keys.toKey(name, type), options, undefined, false);
  }

  override async execCommand(client: Command[0], command: string, args: Command[2]): Promise<unknown> {
    const result: unknown = await super.execCommand(client, command, args);
    // What the adapter answers with once the connection is gone: it isn't known what has become of it.
    if (result === null || result === undefined) throw new Error("the connection was lost");
    if (Array.isArray(result) && Array.isArray(result[0])) mend(result[0] as unknown[]);
    return result;
  }

  override async getJobData(id: string): Promise<JobJson | undefined> {
    const client = await this.client;
    const fields = Object.entries(await client.hgetall(this.toKey(id))).flat();
    if (fields.length === 0) return undefined;
    mend(fields);
    return raw2NextJobData([fields, id])[0] as JobJson;
  }
}

/** Others may have written what a job is made of, or a part of it: BullMQ would fail with the job already taken. */
function mend(fields: unknown[]): void {
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const name = fields[at];
    if (name === "opts" && !isJson(fields[at + 1], "object")) fields[at + 1] = "{}";
    else if (name === "progress" && !isJson(fields[at + 1])) fields[at + 1] = "0";
    else if (name === "parent" && !isJson(fields[at + 1], "object")) fields[at] = "unread";
  }
}

function isJson(text: unknown, type?: "object"): boolean {
  try {
    const value: unknown = JSON.parse(String(text));
    return type === undefined || (typeof value === type && value !== null);
  } catch {
    return false;
  }
}
