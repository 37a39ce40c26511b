import type * as library from "memcache";
import { createFail } from "../../errors/codes.ts";
import { GuardedConnection, type GuardOptions } from "../contract/guarded-connection.ts";

export interface MemcachedConnectionOptions extends GuardOptions {
  /** `memcached://host:11211` */
  readonly url: string;
}

export const MEMCACHED_ERROR_CODES = {
  memcached_unavailable: {
    status: 503,
    meaning: "Memcached, which this needs, can't answer now; try again, as retry-after says",
  },
} as const;

const fail = createFail(MEMCACHED_ERROR_CODES);
const PORT = 11_211;
const NEVER_MS = 2 ** 31 - 1;
const RETRY_AFTER = "1"; // seconds

type Library = typeof library;
type Client = library.MemcacheNode;

/** What Memcached has answered with instead of a result: "SERVER_ERROR out of memory …". */
export class MemcachedReplyError extends Error {
  override readonly name = "MemcachedReplyError";
}

/** A connection to Memcached that holds nobody up; see `GuardedConnection`. */
export class MemcachedConnection extends GuardedConnection<Client> {
  readonly #url: URL;
  #library: Library | null = null;

  constructor(options: MemcachedConnectionOptions) {
    super(options);
    this.#url = new URL(options.url);
  }

  protected override get product(): string {
    return "Memcached";
  }

  protected override get address(): string {
    return this.#url.host;
  }

  protected override async load(): Promise<void> {
    this.#library ??= await import("memcache");
  }

  protected override create(onLoss: (client: Client, reason: unknown) => void): Client {
    const { hostname, port } = this.#url;
    const host = hostname.replace(/^\[(.+)\]$/, "$1");
    // Its timeout would close a connection that is idle.
    const client = (this.#library as Library).createNode(host, Number(port || PORT), { timeout: NEVER_MS });
    client.on("error", (error: unknown) => onLoss(client, error));
    client.on("close", () => onLoss(client, new Error("it closed the connection")));
    return client;
  }

  protected override async open(client: Client): Promise<void> {
    await client.connect();
    await client.command("version");
  }

  protected override isOpen(client: Client): boolean {
    return client.isConnected();
  }

  protected override destroy(client: Client): void {
    void client.disconnect();
  }

  protected override toReply(error: unknown): Error | null {
    const { message } = error as { readonly message?: unknown };
    const isReply = typeof message === "string" && /^(?:CLIENT_|SERVER_)?ERROR/.test(message);
    return isReply ? new MemcachedReplyError(message) : null;
  }

  protected override toUnavailable(reason: string): Error {
    const error = fail("memcached_unavailable", "Memcached is not available", {
      headers: { "retry-after": RETRY_AFTER },
    });
    return Object.assign(error, { reason });
  }
}
