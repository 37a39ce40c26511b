import type { Logger } from "pino";
import { Presence } from "../log/presence.ts";
import { within } from "../cache/contract/within.ts";
import { RedisConnection } from "../cache/redis/connection.ts";
import { RedisUnavailableError } from "../cache/redis/errors.ts";
import { Gathering } from "./gathering.ts";
import { EVERYTHING, Outbox } from "./outbox.ts";
import { ChangeStream, type Entry, type Position } from "./stream.ts";

export interface ChangeFeedOptions {
  /** Of Redis. */
  readonly url: string;
  /** Of the application: its instances have the same, others that share the Redis another. */
  readonly appName: string;
  readonly log: Logger;
  /** What all connections of the process share. @default one of its own */
  readonly presence?: Presence | undefined;
  /** How many changes are kept for instances that reconnect. @default 10_000 */
  readonly maxLength?: number;
  /** How much waits in this process while Redis is away. @default 16 MiB */
  readonly maxUnsentBytes?: number;
  /** How long Redis may be silent before the connection is given up, beyond `waitMs`, in ms. @default 1000 */
  readonly silenceMs?: number;
  /** How long it waits for a change before it asks whether it has missed any, in ms. @default 1000 */
  readonly waitMs?: number;
}

/** Who follows the changes of a topic. Neither may throw; what they return isn't waited for. */
export interface ChangeFollower {
  /** Is told of what another instance has published, in its order. */
  readonly onChange: (data: unknown) => void;
  /** Is told that anything may have changed: at the start, and when changes were lost. */
  readonly onReset: () => void;
  /** Is told that Redis can be read again: a process that has ended meanwhile may not have published what it did. @default nothing */
  readonly onReturn?: () => void;
}

const MAX_BYTES = 64 * 1024; // of one change
const MAX_UNSENT_BYTES = 16 * 1024 * 1024;
const MAX_NAMES = 250; // told at once
const MAX_SENDERS = 1000;
const SILENCE_MS = 1000;
const WAIT_MS = 1000;
const RETRY_MS = 1000;
const CLOSE_MS = 500;

/**
 * The one way in which the instances of an application follow what changes: what one publishes, all others are told of,
 * within milliseconds, in its order and once.
 *
 * Changes go through a stream of Redis, which keeps the latest: an instance that was cut off, frozen, or away with Redis
 * reads on where it was. Each has a number, so that one that is missing is noticed, whether it was trimmed or Redis has lost
 * its data: then all followers are told `onReset`. A connection that is dead without saying so is noticed within
 * `waitMs` and `silenceMs`. While Redis is away nothing fails and nobody waits: what is published is sent once it is back.
 */
export class ChangeFeed {
  readonly #options: ChangeFeedOptions;
  readonly #instance = crypto.randomUUID();
  readonly #followers = new Map<string, Set<ChangeFollower>>();
  readonly #gatherings = new Map<string, Gathering>();
  readonly #stream: ChangeStream;
  readonly #outbox: Outbox;
  readonly #sending: RedisConnection;
  /** One of its own: a command that waits holds all behind it up. */
  readonly #reading: RedisConnection;
  /** The latest change of each instance: what is sent again isn't told again. */
  readonly #latest = new Map<string, number>();
  /** Null until it is known. */
  #position: Position | null = null;
  #loop: Promise<void> | null = null;
  #isClosed = false;
  #hasFailed = false;
  readonly #started = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<void>();

  constructor(options: ChangeFeedOptions) {
    const {
      url,
      appName,
      log,
      presence = new Presence(log),
      maxLength,
      maxUnsentBytes = MAX_UNSENT_BYTES,
    } = options;
    this.#options = options;
    this.#stream = new ChangeStream(appName, maxLength);
    this.#sending = new RedisConnection({ url, log, presence, name: "changes" });
    this.#reading = new RedisConnection({ url, log, presence, name: "change-feed" });
    this.#outbox = new Outbox({
      connection: this.#sending,
      stream: this.#stream,
      instance: this.#instance,
      log,
      maxBytes: maxUnsentBytes,
    });
  }

  /** Whether others are told of changes, and this one of theirs, as far as it is known: what is silent is noticed later. */
  get isWorking(): boolean {
    return (
      this.#position !== null && this.#reading.isConnected && !this.#hasFailed && !this.#outbox.isRefused
    );
  }

  /** Begins to follow what others publish. Resolves once it does, when Redis is there: nobody need wait for that. */
  start(): Promise<void> {
    this.#loop ??= this.#follow();
    return this.#started.promise;
  }

  /**
   * Tells the followers of a topic on all other instances; never waits, and never fails for Redis.
   *
   * @param data anything that JSON can hold
   * @throws TypeError for what it can't
   * @throws RangeError for more than 64 KiB of it
   */
  publish(topic: string, data: unknown): void {
    this.prepare(topic, data)();
  }

  /**
   * Takes the data as it is now; what it returns publishes it.
   *
   * @throws TypeError for what JSON can't hold
   * @throws RangeError for more than 64 KiB of it
   */
  prepare(topic: string, data: unknown): () => void {
    const text = JSON.stringify([topic, data ?? null]);
    if (Buffer.byteLength(text) > MAX_BYTES) {
      throw new RangeError("The data is larger than 64 KiB as JSON");
    }
    return () => this.#outbox.add(text);
  }

  /**
   * Publishes names that may come often: the first at once, then those of each 50 ms together, as a list; as null, for any,
   * where they are very many.
   */
  publishNames(topic: string, names: readonly string[]): void {
    let gathering = this.#gatherings.get(topic);
    if (gathering === undefined) {
      gathering = new Gathering((all) => this.publish(topic, all.length > MAX_NAMES ? null : all));
      this.#gatherings.set(topic, gathering);
    }
    gathering.add(names);
  }

  /** Calls the follower from now on; returns its undo. */
  follow(topic: string, follower: ChangeFollower): () => void {
    const followers = this.#followers.get(topic) ?? new Set();
    this.#followers.set(topic, followers.add(follower));
    return () => void followers.delete(follower);
  }

  /**
   * Sends what is left, where Redis is there, and ends; resolves with whether all has been sent.
   *
   * @param waitMs how long it tries to; one that has just begun may have to connect yet
   */
  async close(waitMs = CLOSE_MS): Promise<boolean> {
    this.#isClosed = true;
    for (const gathering of this.#gatherings.values()) gathering.close();
    const isSent = await this.#outbox.close(waitMs);
    this.#closed.resolve();
    this.#started.resolve();
    this.#sending.close();
    this.#reading.close();
    await this.#loop;
    return isSent;
  }

  async #follow(): Promise<void> {
    while (!this.#isClosed) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- one after another
        await this.#readOn();
        this.#hasFailed = false;
      } catch (error) {
        // oxlint-disable-next-line no-await-in-loop
        await this.#recover(error);
      }
    }
  }

  async #readOn(): Promise<void> {
    const { silenceMs = SILENCE_MS, waitMs = WAIT_MS } = this.#options;
    const position = this.#position;
    if (position === null) {
      this.#position = await this.#reading.run((client) => this.#stream.end(client), {
        timeoutMs: silenceMs,
      });
      this.#reset();
      this.#started.resolve();
      return;
    }
    const entries = await this.#reading.run((client) => this.#stream.read(client, position.id, waitMs), {
      timeoutMs: waitMs + silenceMs,
    });
    if (entries.length === 0) await this.#lookForLoss(position, silenceMs);
    for (const entry of entries) this.#deliver(entry);
  }

  /** Silence may mean that nothing has changed, or that Redis has lost its data: the head tells. */
  async #lookForLoss(position: Position, timeoutMs: number): Promise<void> {
    const [head, entries] = await this.#reading.run(
      (client) => Promise.all([this.#stream.readHead(client), this.#stream.read(client, position.id, 0)]),
      { timeoutMs },
    );
    // Of what can't be read as a number, NaN is the same as NaN: the next change puts it right.
    const isSame = head.epoch === position.epoch && Object.is(head.number, position.number);
    if (!isSame && entries.length === 0) this.#position = null;
    for (const entry of entries) this.#deliver(entry);
  }

  async #recover(error: unknown): Promise<void> {
    if (error instanceof RedisUnavailableError) {
      this.#reading.renew("changes can't be read"); // whatever the connection says of itself
      await this.#reading.whenConnected();
      if (!this.#isClosed) this.#tellAll((follower) => follower.onReturn?.());
      return;
    }
    if (!this.#hasFailed)
      this.#options.log.error(
        { err: error },
        "changes of other instances can't be read from Redis: trying again",
      );
    this.#hasFailed = true;
    await within(this.#closed.promise, RETRY_MS);
  }

  #deliver(entry: Entry): void {
    const { id, epoch, number, from, sequence, text } = entry;
    const isNext = epoch === this.#position?.epoch && number === this.#position.number + 1;
    this.#position = { id, epoch, number };
    if (!isNext) this.#reset();
    if (from === this.#instance || sequence <= (this.#latest.get(from) ?? 0)) return;
    this.#latest.delete(from); // the latest last
    this.#latest.set(from, sequence);
    const [longest] = this.#latest.keys();
    if (this.#latest.size > MAX_SENDERS && longest !== undefined) this.#latest.delete(longest);
    if (text === EVERYTHING) this.#reset();
    else this.#tell(text);
  }

  #tell(text: string): void {
    let change: unknown;
    try {
      change = JSON.parse(text);
    } catch {
      change = null;
    }
    // Not from an instance: there is no telling what it was to say.
    if (!Array.isArray(change) || typeof change[0] !== "string") this.#reset();
    else this.#call(this.#followers.get(change[0]) ?? [], (follower) => follower.onChange(change[1]));
  }

  #reset(): void {
    this.#tellAll((follower) => follower.onReset());
  }

  #tellAll(tell: (follower: ChangeFollower) => void): void {
    for (const followers of this.#followers.values()) this.#call(followers, tell);
  }

  #call(followers: Iterable<ChangeFollower>, tell: (follower: ChangeFollower) => void): void {
    for (const follower of followers) {
      try {
        tell(follower);
      } catch (error) {
        this.#options.log.error({ err: error }, "a change of another instance can't be followed");
      }
    }
  }
}
