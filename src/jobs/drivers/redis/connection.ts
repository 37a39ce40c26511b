import { createBunRedisClient } from "bullmq/dist/esm/classes/bun-redis-client.js";
import { RedisClient } from "bun";
import {
  CONNECT_MS,
  GuardedConnection,
  type GuardOptions,
} from "../../../cache/contract/guarded-connection.ts";
import { RedisReplyError, RedisUnavailableError } from "../../../cache/redis/errors.ts";
import { BullQueue, type QueueSettings } from "./bull-queue.ts";
import { defineScripts } from "./bull-scripts.ts";
import { toQueueName } from "./names.ts";

export interface JobConnectionOptions extends GuardOptions, QueueSettings {
  /** `redis://`, `rediss://` (TLS) or `unix://`, with user, password and number of the database. */
  readonly url: string;
}

/** Bun's code of what Redis itself has answered. */
const REPLY_CODE = "ERR_REDIS_SERVER_ERROR";
const CLIENT_NAME = "xcore-jobs";

/** Whether an error is what Redis has answered, as Bun's client throws it. */
export function isReply(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === REPLY_CODE;
}

/** One connection, and the queues of BullMQ that share it. */
export class BullClient {
  readonly #raw: RedisClient;
  readonly #adapter: ReturnType<typeof createBunRedisClient>;
  readonly #settings: QueueSettings;
  readonly #queues = new Map<string, BullQueue>();
  /** Names of jobs that Redis has been told of on this connection. */
  readonly known = new Set<string>();
  #isOpen = false;

  constructor(url: string, settings: QueueSettings, onLoss: (client: BullClient, reason: unknown) => void) {
    this.#settings = settings;
    // What is lost is made anew: nothing is kept for later here, or sent again.
    const options = { autoReconnect: false, enableOfflineQueue: false, connectionTimeout: CONNECT_MS };
    this.#raw = new RedisClient(url.replace(/^unix:/, "redis+unix:"), options);
    // Made by hand: BullMQ takes a raw client for options.
    this.#adapter = createBunRedisClient(this.#raw, { lazyConnect: true });
    defineScripts(this.#adapter);
    const lose = (reason: unknown): void => onLoss(this, reason ?? new Error("it closed the connection"));
    this.#adapter.on("close", lose);
    this.#adapter.on("error", lose);
  }

  /** What all keys begin with. */
  get prefix(): string {
    return this.#settings.prefix;
  }

  /** The key of the set of all names. */
  get namesKey(): string {
    return `${this.prefix}:names`;
  }

  get isOpen(): boolean {
    return this.#raw.connected && this.#isOpen;
  }

  async open(): Promise<void> {
    await this.#adapter.connect();
    await this.send("CLIENT", "SETNAME", CLIENT_NAME);
    // It takes connections while it reads its data, and answers nothing else.
    await this.send("PING");
    this.#isOpen = true;
  }

  /** Sends a command. @throws what Redis answers with, as Bun's error */
  send(command: string, ...args: readonly string[]): Promise<unknown> {
    return this.#raw.send(command, [...args]) as Promise<unknown>;
  }

  /** Begins what is carried out together, or not at all. */
  multi(): ReturnType<ReturnType<typeof createBunRedisClient>["multi"]> {
    return this.#adapter.multi();
  }

  /** The queue of the jobs of one name. */
  queue(name: string): BullQueue {
    const present = this.#queues.get(name);
    if (present !== undefined) return present;
    const queue = new BullQueue(this.#adapter, toQueueName(name), this.#settings);
    this.#queues.set(name, queue);
    return queue;
  }

  close(): void {
    this.#adapter.removeAllListeners();
    this.#adapter.on("error", () => {});
    // Before the connection is closed: it would connect again by itself, also where it was lost already.
    this.#adapter.status = "end";
    this.#raw.close();
  }
}

/** A connection to the Redis that keeps jobs, by Bun's client; see `GuardedConnection`. `CLIENT LIST` has it as `xcore-jobs`. */
export class JobConnection extends GuardedConnection<BullClient> {
  readonly #options: JobConnectionOptions;

  constructor(options: JobConnectionOptions) {
    super(options);
    this.#options = options;
  }

  protected override get product(): string {
    return "Redis";
  }

  protected override get address(): string {
    const { protocol, host, pathname } = new URL(this.#options.url);
    return protocol === "unix:" ? pathname : host;
  }

  protected override async load(): Promise<void> {
    // Whoever has this has the library too.
  }

  protected override create(onLoss: (client: BullClient, reason: unknown) => void): BullClient {
    return new BullClient(this.#options.url, this.#options, onLoss);
  }

  protected override open(client: BullClient): Promise<void> {
    return client.open();
  }

  protected override isOpen(client: BullClient): boolean {
    return client.isOpen;
  }

  protected override destroy(client: BullClient): void {
    client.close();
  }

  protected override toReply(error: unknown): Error | null {
    if (!(error instanceof Error)) return null;
    // A mistake of ours isn't Redis being away.
    if (error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError)
      return error;
    if (isReply(error)) return new RedisReplyError(error.message.split("\n")[0]);
    return "code" in error && typeof error.code === "number" ? error : null; // of a script of BullMQ
  }

  protected override toUnavailable(reason: string): RedisUnavailableError {
    return new RedisUnavailableError(reason);
  }
}
