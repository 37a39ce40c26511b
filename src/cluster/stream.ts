import type { RedisClient } from "../cache/redis/connection.ts";

/** A change that some instance has published. */
export interface Entry {
  /** Of the stream, growing. */
  readonly id: string;
  /** Which life of the stream it belongs to: there is a new one once Redis has lost its data. */
  readonly epoch: string;
  /** Its number in the epoch, without gaps. */
  readonly number: number;
  /** The instance that has published it, and its number there. */
  readonly from: string;
  readonly sequence: number;
  readonly text: string;
}

/** How far somebody has read. */
export type Position = Pick<Entry, "id" | "epoch" | "number">;

/** What has been published by one instance and not been sent yet. */
export interface Unsent {
  readonly sequence: number;
  readonly text: string;
}

/** How many changes are kept for those who reconnect. */
const MAX_LENGTH = 10_000;
/** How many are read at once. */
const BATCH = 200;

/**
 * KEYS: head, stream. ARGV: an epoch for where there is none, length, from, then sequence and text of each. A change counts
 * once it is in the stream: an error, such as a key of another type, leaves no gap that looks like a loss. What can't be the
 * number of changes, such as "nan", would hide losses: a new epoch begins.
 */
const APPEND = `
redis.call('HSETNX', KEYS[1], 'epoch', ARGV[1])
local number = tonumber(redis.call('HGET', KEYS[1], 'count') or 0)
if not number or not (number >= 0 and number < 2^52) or number % 1 ~= 0 then
  number = 0
  redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'count', number)
end
local epoch = redis.call('HGET', KEYS[1], 'epoch')
for i = 4, #ARGV, 2 do
  number = number + 1
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], '*',
    'epoch', epoch, 'number', number, 'from', ARGV[3], 'sequence', ARGV[i], 'text', ARGV[i + 1])
  redis.call('HSET', KEYS[1], 'count', number)
end`;

/**
 * The changes of all instances in one stream of Redis, of limited length. Beside it stands its head: the epoch and how many
 * there have been, by which who reads notices what it has missed.
 */
export class ChangeStream {
  readonly #head: string;
  readonly #key: string;
  readonly #maxLength: number;

  /** @param name of the application: several may share one Redis */
  constructor(name: string, maxLength = MAX_LENGTH) {
    // Braces: one slot of a Redis cluster holds both.
    this.#key = `{${name}:changes}`;
    this.#head = `${this.#key}:head`;
    this.#maxLength = maxLength;
  }

  async append(client: RedisClient, from: string, changes: readonly Unsent[]): Promise<void> {
    const keys = [this.#head, this.#key];
    const texts = changes.flatMap(({ sequence, text }) => [String(sequence), text]);
    const args = [crypto.randomUUID(), String(this.#maxLength), from, ...texts];
    await client.eval(APPEND, { keys, arguments: args });
  }

  /** Where it ends now. */
  async end(client: RedisClient): Promise<Position> {
    await client.hSetNX(this.#head, "epoch", crypto.randomUUID());
    const [latest, head] = await Promise.all([
      client.sendCommand(["XREVRANGE", this.#key, "+", "-", "COUNT", "1"]),
      this.readHead(client),
    ]);
    const [entry] = toEntries(latest);
    // An entry of an earlier epoch: the head alone was lost.
    return entry?.epoch === head.epoch ? entry : { id: entry?.id ?? "0-0", ...head };
  }

  async readHead(client: RedisClient): Promise<Omit<Position, "id">> {
    const [epoch, count] = await client.hmGet(this.#head, ["epoch", "count"]);
    return { epoch: epoch ?? "", number: Number(count ?? 0) };
  }

  /** The entries after `id`, the first of them. @param waitMs how long it waits for one where there is none; 0: not at all */
  async read(client: RedisClient, id: string, waitMs: number): Promise<Entry[]> {
    const wait = waitMs > 0 ? ["BLOCK", String(waitMs)] : [];
    const command = ["XREAD", "COUNT", String(BATCH), ...wait, "STREAMS", this.#key, id];
    const reply: unknown = await client.sendCommand(command);
    return reply === null ? [] : toEntries((reply as Record<string, unknown>)[this.#key]);
  }
}

/** What others have written under this key isn't trusted: an entry that can't be read has number NaN, and follows none. */
function toEntries(reply: unknown): Entry[] {
  return (reply as [id: string, fields: string[]][]).map(([id, fields]) => {
    const values = new Map<string, string>();
    for (let at = 0; at + 1 < fields.length; at += 2) values.set(fields[at] ?? "", fields[at + 1] ?? "");
    return {
      id,
      epoch: values.get("epoch") ?? "",
      number: Number(values.get("number") ?? Number.NaN),
      from: values.get("from") ?? "",
      sequence: Number(values.get("sequence") ?? Number.NaN),
      text: values.get("text") ?? "",
    };
  });
}
