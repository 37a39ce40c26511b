import type { ErrorReply, RedisClientType } from "@redis/client";
import type { Logger } from "pino";
import { RedisReplyError, RedisUnavailableError } from "./errors.ts";

/** What commands are sent with. Its replies are those of RESP3. */
export type RedisClient = RedisClientType;

export interface RedisConnectionOptions {
  /** `redis://`, `rediss://` (TLS) or `unix://`, with user, password and number of the database. */
  readonly url: string;
  /** What it is for, such as "cache": the log and `CLIENT LIST` say so. */
  readonly name: string;
  readonly log: Logger;
  /** How long a command waits for its answer, the making of the connection among it, in ms. @default 250 */
  readonly timeoutMs?: number;
  /** Whether Redis says which of the keys change that were read here; see `onInvalidate`. @default false */
  readonly tracksReads?: boolean;
}

export interface RunOptions {
  /** For commands that may take longer than others, such as those that wait, or carry much. @default that of the connection */
  readonly timeoutMs?: number;
}

/** Told of each new connection, before anything else runs on it: what it throws makes the try to connect fail. */
export type OnConnect = (client: RedisClient) => unknown;

/** The tries to connect, from the first need to the first success. */
interface Connecting {
  /** Ends with the first of them. */
  readonly first: Promise<void>;
  readonly last: Promise<void>;
}

const TIMEOUT_MS = 250;
const CONNECT_MS = 2000; // nobody waits for as long: commands fail after their own time
const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 1000;

/**
 * A connection to Redis, made when it is first needed, that holds nobody up. While Redis is away, whether its process has
 * ended or is frozen, or its host swallows packets, a command fails within `timeoutMs`, and those that come after it at once;
 * meanwhile it tries to connect, and works again as soon as Redis does. Each way the log gets one line.
 */
export class RedisConnection {
  readonly #options: RedisConnectionOptions;
  readonly #timeoutMs: number;
  readonly #onConnect = new Set<OnConnect>();
  readonly #onLoss = new Set<() => void>();
  readonly #onInvalidate = new Set<(key: string | null) => void>();
  /** Null while there is no connection. */
  #client: RedisClient | null = null;
  #connecting: Connecting | null = null;
  /** Why commands fail at once; null while Redis is there, or isn't known to be away. */
  #absence: RedisUnavailableError | null = null;
  #isClosed = false;
  /** Loaded with the client. */
  #errorReply: typeof ErrorReply | null = null;
  #wake: (() => void) | null = null;
  /** When the last answer came. */
  #answeredAt = 0;
  /** Until when a command that may take longer than others is waited for. */
  #busyUntil = 0;

  constructor(options: RedisConnectionOptions) {
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  }

  /** Whether commands are sent: not before the first one, and not while Redis is away. */
  get isConnected(): boolean {
    return this.#client !== null;
  }

  /**
   * Runs a command, or several at once, which go out together.
   *
   * @throws RedisUnavailableError when Redis is away, or doesn't answer in time: the command may have been carried out
   * @throws RedisReplyError what Redis answers with, such as that its memory is full
   */
  run<T>(command: (client: RedisClient) => Promise<T>, options: RunOptions = {}): Promise<T> {
    const { timeoutMs = this.#timeoutMs } = options;
    const client = this.#client;
    if (client !== null) return this.#await(client, command(client), timeoutMs);
    if (this.#absence !== null) return Promise.reject(this.#absence);
    return this.#runOnceConnected(command, timeoutMs);
  }

  /** Connects where nothing has run yet. Resolves once it is connected, however long Redis is away, or closed. */
  async whenConnected(): Promise<void> {
    if (this.#client === null && !this.#isClosed) await this.#startConnecting().last;
  }

  /** Calls `listener` with each new connection, at once where there is one. Subscriptions belong there: they end with it. */
  onConnect(listener: OnConnect): () => void {
    this.#onConnect.add(listener);
    const client = this.#client;
    if (client !== null) {
      void this.#await(client, Promise.resolve(listener(client)), this.#timeoutMs).catch(() => {});
    }
    return () => void this.#onConnect.delete(listener);
  }

  /** Calls `listener` each time that a connection is lost. */
  onLoss(listener: () => void): () => void {
    this.#onLoss.add(listener);
    return () => void this.#onLoss.delete(listener);
  }

  /** Calls `listener` with each key that was read here and has changed; null stands for all. Needs `tracksReads`. */
  onInvalidate(listener: (key: string | null) => void): () => void {
    this.#onInvalidate.add(listener);
    return () => void this.#onInvalidate.delete(listener);
  }

  /** Gives the connection up as lost and makes a new one: for who has noticed what a command doesn't, such as a silent subscription. */
  renew(reason: string): void {
    if (this.#client !== null) this.#lose(this.#client, reason);
  }

  /** Ends it: commands under way and to come fail. */
  close(): void {
    this.#isClosed = true;
    this.#absence = new RedisUnavailableError("the connection was closed");
    this.#wake?.();
    this.#drop();
  }

  async #runOnceConnected<T>(command: (client: RedisClient) => Promise<T>, timeoutMs: number): Promise<T> {
    await import("@redis/client"); // whose loading is no fault of Redis
    const startedAt = performance.now();
    const { first } = this.#startConnecting();
    const { promise: late, resolve: giveUp } = Promise.withResolvers<void>();
    const timer = setTimeout(giveUp, timeoutMs);
    await Promise.race([first, late]);
    clearTimeout(timer);
    const client = this.#client;
    if (client === null) {
      this.#setAway(`it didn't answer within ${timeoutMs} ms`);
      throw this.#absence ?? new RedisUnavailableError("the connection was lost at once");
    }
    const leftMs = Math.max(1, timeoutMs - (performance.now() - startedAt));
    return await this.#await(client, command(client), leftMs);
  }

  #startConnecting(): Connecting {
    if (this.#connecting !== null) return this.#connecting;
    const { promise: first, resolve } = Promise.withResolvers<void>();
    return (this.#connecting = { first, last: this.#connect(resolve) });
  }

  /** Tries until it succeeds, or the connection is closed. */
  async #connect(onFirst: () => void): Promise<void> {
    for (let pauseMs = FIRST_PAUSE_MS; !this.#isClosed; pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- one try after another
        await this.#open();
        break;
      } catch (error) {
        this.#setAway(toReason(error));
      }
      onFirst();
      // Random: what was lost together needn't come back together.
      // oxlint-disable-next-line no-await-in-loop
      await this.#pause(pauseMs * (0.5 + Math.random() / 2));
    }
    onFirst();
    this.#connecting = null;
  }

  async #open(): Promise<void> {
    const client = await this.#createClient();
    try {
      await within(CONNECT_MS, async () => {
        await client.connect();
        // It takes connections while it reads its data, and answers nothing else.
        await client.ping();
        await Promise.all([...this.#onConnect].map((listener) => listener(client)));
      });
      if (!client.isReady || this.#isClosed) throw new Error("the connection was lost at once");
    } catch (error) {
      client.destroy();
      throw error;
    }
    const isBack = this.#absence !== null;
    this.#client = client;
    this.#absence = null;
    this.#busyUntil = 0;
    if (isBack) this.#options.log.info(this.#fields(), `Redis is back (${this.#options.name})`);
  }

  async #createClient(): Promise<RedisClient> {
    const { createClient, ErrorReply } = await import("@redis/client");
    this.#errorReply = ErrorReply;
    const { url, name, tracksReads = false } = this.#options;
    const client: RedisClient = createClient({
      url,
      name: `xcore-${name}`,
      RESP: 3,
      // What it sends again by itself, or keeps for later, nobody waits for any more.
      disableOfflineQueue: true,
      socket: { connectTimeout: CONNECT_MS, reconnectStrategy: false },
      maintNotifications: "disabled",
      emitInvalidate: tracksReads,
    });
    client.on("error", (error: unknown) => this.#lose(client, toReason(error)));
    client.on("end", () => this.#lose(client, "it closed the connection"));
    client.on("invalidate", (key: Buffer | string | null) => {
      for (const listener of this.#onInvalidate) listener(key === null ? null : key.toString());
    });
    return client;
  }

  /** The client's own timeouts don't free a command that was sent. */
  #await<T>(client: RedisClient, answer: Promise<T>, timeoutMs: number): Promise<T> {
    const startedAt = performance.now();
    if (timeoutMs > this.#timeoutMs) this.#busyUntil = Math.max(this.#busyUntil, startedAt + timeoutMs);
    return new Promise((resolve, reject) => {
      let isSettled = false;
      const settle = (): void => {
        isSettled = true;
        this.#answeredAt = performance.now();
        clearTimeout(timer);
      };
      const giveUp = (): void => {
        if (isSettled) return;
        isSettled = true;
        const reason = `it didn't answer within ${timeoutMs} ms`;
        reject(new RedisUnavailableError(reason));
        // It may be slow, or busy with what takes long, rather than away.
        if (this.#answeredAt < startedAt && performance.now() >= this.#busyUntil) this.#lose(client, reason);
      };
      // Where the event loop was held, the answer has come and waits to be read.
      const timer = setTimeout(() => setImmediate(() => setImmediate(giveUp)), timeoutMs);
      answer.then(
        (value) => {
          settle();
          resolve(value);
        },
        (error: unknown) => {
          settle();
          reject(this.#toFailure(error));
        },
      );
    });
  }

  #toFailure(error: unknown): Error {
    const { message } = error as Error;
    if (this.#errorReply !== null && error instanceof this.#errorReply) return new RedisReplyError(message);
    return this.#absence ?? new RedisUnavailableError(toReason(error));
  }

  #lose(client: RedisClient, reason: string): void {
    if (client !== this.#client) return;
    this.#setAway(reason);
    this.#drop();
    this.#startConnecting();
  }

  #drop(): void {
    const client = this.#client;
    if (client === null) return;
    this.#client = null;
    client.destroy();
    for (const listener of this.#onLoss) listener();
  }

  #setAway(reason: string): void {
    if (this.#isClosed || this.#absence !== null) return;
    this.#absence = new RedisUnavailableError(reason);
    const { log, name } = this.#options;
    log.warn({ ...this.#fields(), reason }, `Redis is away (${name}): ${reason}; trying again`);
  }

  #fields(): object {
    const { protocol, host, pathname } = new URL(this.#options.url);
    return { server: protocol === "unix:" ? pathname : host };
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

async function within(ms: number, work: () => Promise<void>): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`it didn't answer within ${ms} ms`)), ms);
  try {
    await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Never the address, which may hold a password. */
function toReason(error: unknown): string {
  const { message, code } = error as { message?: unknown; code?: unknown };
  if (code === "ECONNREFUSED") return "it refuses connections";
  return typeof message === "string" && message !== "" ? message : String(code ?? error);
}
