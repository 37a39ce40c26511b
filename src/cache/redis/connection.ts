import type * as library from "redis";
import { CONNECT_MS, GuardedConnection, type GuardOptions } from "../contract/guarded-connection.ts";
import { RedisReplyError, RedisUnavailableError } from "./errors.ts";

/** What commands are sent with. Its replies are those of RESP3. */
export type RedisClient = library.RedisClientType;

export interface RedisConnectionOptions extends GuardOptions {
  /** `redis://`, `rediss://` (TLS) or `unix://`, with user, password and number of the database. */
  readonly url: string;
  /** Whether Redis says which of the keys change that were read here; see `onInvalidate`. @default false */
  readonly tracksReads?: boolean;
}

type Library = typeof library;

/**
 * A connection to Redis, made when it is first needed, that holds nobody up; see `GuardedConnection`. `CLIENT LIST` has its
 * name. Whatever fails is a RedisUnavailableError, or a RedisReplyError with what Redis answers.
 */
export class RedisConnection extends GuardedConnection<RedisClient> {
  readonly #options: RedisConnectionOptions;
  readonly #onInvalidate = new Set<(key: string | null) => void>();
  #library: Library | null = null;

  constructor(options: RedisConnectionOptions) {
    super(options);
    this.#options = options;
  }

  /** Calls `listener` with each key that was read here and has changed; null stands for all. Needs `tracksReads`. */
  onInvalidate(listener: (key: string | null) => void): () => void {
    this.#onInvalidate.add(listener);
    return () => void this.#onInvalidate.delete(listener);
  }

  protected override get product(): string {
    return "Redis";
  }

  protected override get address(): string {
    const { protocol, host, pathname } = new URL(this.#options.url);
    return protocol === "unix:" ? pathname : host;
  }

  protected override async load(): Promise<void> {
    this.#library ??= await import("redis");
  }

  protected override create(onLoss: (client: RedisClient, reason: unknown) => void): RedisClient {
    const { url, name, tracksReads = false } = this.#options;
    const client: RedisClient = (this.#library as Library).createClient({
      url,
      name: `xcore-${name}`,
      RESP: 3,
      // What it sends again by itself, or keeps for later, nobody waits for any more.
      disableOfflineQueue: true,
      socket: { connectTimeout: CONNECT_MS, reconnectStrategy: false },
      maintNotifications: "disabled",
      emitInvalidate: tracksReads,
    });
    client.on("error", (error: unknown) => onLoss(client, error));
    client.on("end", () => onLoss(client, new Error("it closed the connection")));
    client.on("invalidate", (key: Buffer | string | null) => {
      for (const listener of this.#onInvalidate) listener(key === null ? null : key.toString());
    });
    return client;
  }

  protected override async open(client: RedisClient): Promise<void> {
    await client.connect();
    // It takes connections while it reads its data, and answers nothing else.
    await client.ping();
  }

  protected override isOpen(client: RedisClient): boolean {
    return client.isReady;
  }

  protected override destroy(client: RedisClient): void {
    client.destroy();
  }

  protected override toReply(error: unknown): Error | null {
    const { ErrorReply: Reply } = this.#library as Library;
    return error instanceof Reply ? new RedisReplyError(error.message) : null;
  }

  protected override toUnavailable(reason: string): RedisUnavailableError {
    return new RedisUnavailableError(reason);
  }
}
