import type { Logger } from "pino";
import type { Presence } from "../log/presence.ts";
import { type RedisClient, RedisConnection } from "../cache/redis/connection.ts";
import { RedisUnavailableError } from "../cache/redis/errors.ts";

export interface LimitStoreOptions {
  /** Of Redis. */
  readonly url: string;
  /** Of the application: its instances have the same, others that share the Redis another. */
  readonly appName: string;
  /** What names are hashed with: who reads Redis learns no address from them, and can't name one. */
  readonly nameKey: Uint8Array;
  readonly log: Logger;
  /** What all connections of the process share. @default one of its own */
  readonly presence?: Presence;
  /** How long it may be silent, in ms. @default 250 */
  readonly timeoutMs?: number;
}

/** Requests that one instance has let in. */
export interface Requests {
  /** Of whom, as `nameOf` says it. */
  readonly name: string;
  readonly windowMs: number;
  /** Since it was last told; less than none for what was taken back. */
  readonly count: number;
  /** More than this nobody can have made within a window: it isn't believed. */
  readonly most: number;
}

/** What all instances have let in. */
export interface RequestWindow {
  /** How long ago the window began. */
  readonly ageMs: number;
  readonly count: number;
  /** In the window before. */
  readonly before: number;
}

export interface AttemptRules {
  readonly limit: number;
  readonly windowMs: number;
}

/** By the clock of Redis: those of instances needn't agree. */
const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)`;

/**
 * KEYS: windows. ARGV: of each, its length in ms, what to add, and the most that is believed. A window is text: when it began,
 * its count, and that of the window before. What can't be that, of whatever type and size, begins anew.
 */
const COUNT = `${NOW}
local reply = {}
for i, key in ipairs(KEYS) do
  local length, most = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i])
  local kept = redis.pcall('GETRANGE', key, 0, 63)
  local start, count, before
  if type(kept) == 'string' then start, count, before = string.match(kept, '^(%d+) (%d+) (%d+)$') end
  start, count, before = tonumber(start), tonumber(count), tonumber(before)
  local age = start and now - start
  if not age or age < 0 or age >= 2 * length or count > most or before > most then
    start, count, before = now, 0, 0
  elseif age >= length then
    start, count, before = start + length, 0, count
  end
  count = math.max(0, count + tonumber(ARGV[3 * i - 1]))
  age = now - start
  redis.call('SET', key, string.format('%.0f %.0f %.0f', start, count, before), 'PX', 2 * length - age)
  reply[3 * i - 2], reply[3 * i - 1], reply[3 * i] = age, count, before
end
return reply`;

/**
 * KEYS: attempts. ARGV: how many there may be, and within how many ms. They are text, when each was, the oldest first; what a clock
 * that was set back leaves in the future was now. Returns for how many ms there may be no more; 0 when this one was counted.
 */
const TAKE = `${NOW}
local limit, length = tonumber(ARGV[1]), tonumber(ARGV[2])
local kept = redis.pcall('GETRANGE', KEYS[1], 0, 1023)
local recent = {}
if type(kept) == 'string' and string.match(kept, '^[%d ]*$') then
  for text in string.gmatch(kept, '%d+') do
    local age = now - tonumber(text)
    if math.abs(age) < length then table.insert(recent, string.format('%.0f', now - math.max(0, age))) end
  end
end
if #recent > limit then recent = {} end
local wait = 0
if #recent < limit then table.insert(recent, string.format('%.0f', now))
else wait = math.max(1, tonumber(recent[1]) + length - now) end
redis.call('SET', KEYS[1], table.concat(recent, ' '), 'PX', length)
return wait`;

/** KEYS: attempts. Forgets the last. */
const GIVE_BACK = `
local kept = redis.pcall('GETRANGE', KEYS[1], 0, 1023)
local rest = type(kept) == 'string' and string.match(kept, '^([%d ]*) %d+$')
if rest then redis.call('SET', KEYS[1], rest, 'KEEPTTL') else redis.call('DEL', KEYS[1]) end`;

/**
 * What the instances of an application count together, in Redis: requests in windows, and attempts. Each key ends by itself.
 * Nothing that stands there is believed beyond what it could be; while Redis is away, or refuses, there is nothing.
 */
export class LimitStore {
  readonly #connection: RedisConnection;
  readonly #nameKey: Uint8Array;
  readonly #prefix: string;
  readonly #log: Logger;
  /** Whether nothing is counted here any more. */
  isClosed = false;
  #hasFailed = false;

  constructor({ appName, nameKey, log, ...connection }: LimitStoreOptions) {
    this.#connection = new RedisConnection({ ...connection, log, name: "limits" });
    this.#nameKey = nameKey;
    this.#log = log;
    // Braces: one slot of a Redis cluster holds all that one script is about.
    this.#prefix = `{${appName}:limits}:`;
  }

  /** Resolves once Redis is there, or it was closed. */
  whenConnected(): Promise<void> {
    return this.#connection.whenConnected();
  }

  /** The name of a key in Redis: a hash, of the same length whatever is counted. */
  nameOf(key: string): string {
    const hash = new Bun.CryptoHasher("sha256", this.#nameKey).update(key).digest();
    return this.#prefix + hash.toString("base64url", 0, 18);
  }

  /** Adds requests to those of all instances; returns what there are then of each, null for what can't be told. */
  async count(requests: readonly Requests[]): Promise<(RequestWindow | null)[] | null> {
    const keys = requests.map(({ name }) => name);
    const args = requests.flatMap(({ windowMs, count, most }) =>
      [toLength(windowMs), count, most].map(String),
    );
    const reply = await this.#try((client): Promise<unknown> =>
      client.eval(COUNT, { keys, arguments: args }),
    );
    return reply === null ? null : toWindows(reply, requests);
  }

  /** Counts an attempt, unless there were too many: returns for how long there may be none, in ms. */
  async take(name: string, { limit, windowMs }: AttemptRules): Promise<number | null> {
    const args = [String(limit), String(windowMs)];
    const wait = await this.#try((client) => client.eval(TAKE, { keys: [name], arguments: args }));
    return isWithin(wait, windowMs) ? wait : null;
  }

  /** Takes the last attempt back. */
  async giveBack(name: string): Promise<void> {
    await this.#try((client) => client.eval(GIVE_BACK, { keys: [name] }));
  }

  close(): void {
    this.isClosed = true;
    this.#connection.close();
  }

  async #try<T>(command: (client: RedisClient) => Promise<T>): Promise<T | null> {
    try {
      const result = await this.#connection.run(command);
      this.#hasFailed = false;
      return result;
    } catch (error) {
      // That it is away, the connection says.
      if (!(error instanceof RedisUnavailableError) && !this.#hasFailed) {
        this.#hasFailed = true;
        this.#log.error(
          { err: error },
          "Redis refuses to count for the limits: each instance counts for itself",
        );
      }
      return null;
    }
  }
}

function toWindows(reply: unknown, requests: readonly Requests[]): (RequestWindow | null)[] {
  const numbers = Array.isArray(reply) ? (reply as readonly unknown[]) : [];
  return requests.map(({ windowMs, count, most }, index) => {
    const [ageMs, total, before] = numbers.slice(3 * index, 3 * index + 3);
    const isWindow =
      isWithin(ageMs, toLength(windowMs)) &&
      isWithin(total, most + Math.max(0, count)) &&
      isWithin(before, most);
    return isWindow ? { ageMs, count: total, before } : null;
  });
}

/** Redis counts whole milliseconds. */
function toLength(windowMs: number): number {
  return Math.max(1, Math.ceil(windowMs));
}

function isWithin(value: unknown, most: number): value is number {
  return typeof value === "number" && value >= 0 && value <= most;
}
