import type { Caller } from "../db/contract/driver.ts";
import type { RequestEntry } from "../log/request-line.ts";
import { lengthOf } from "./answers.ts";
import type { Mount } from "./mounts.ts";

/** A request under way, from its arrival to its answer. */
export class Exchange implements Caller {
  /** As its handler sees it. */
  request: Request;
  readonly method: string;
  readonly path: string;
  readonly mount: Mount;
  readonly startedAt = performance.now();
  hasWritten = false;
  isAnswered = false;
  /** Of the client, for the log: it is known while the request is under way alone. */
  address = "";
  readonly #received: Request;
  readonly #server: Bun.Server<unknown> | null;

  constructor(
    received: Request,
    {
      server,
      mount,
      path,
    }: { readonly server: Bun.Server<unknown> | null; readonly mount: Mount; readonly path: string },
  ) {
    this.request = received;
    this.#received = received;
    this.method = received.method;
    this.path = path;
    this.mount = mount;
    this.#server = server;
  }

  /** Address of the other end of its connection; "" once that is gone. */
  get connection(): string {
    return this.#server?.requestIP(this.#received)?.address ?? "";
  }

  /** What goes on behind the answer has nobody to wait for it, and was begun in time. */
  isGone(): boolean {
    // Bun forgets the address with the connection: a listener of `signal` would cost each request something.
    return !this.isAnswered && this.#server !== null && this.#server.requestIP(this.#received) === null;
  }
}

export interface RequestLogOptions {
  /** Whether the line of a request that is answered with this status is written. @default each is */
  readonly takesRequest?: (status: number) => boolean;
  readonly logRequest: (entry: RequestEntry, request: Request) => void;
  /** Address of the client of a request under way, behind trusted proxies. */
  readonly addressOf: (exchange: Exchange) => string;
}

/** Tells of answered requests. */
export class RequestLog {
  readonly #takesRequest: (status: number) => boolean;
  readonly #options: RequestLogOptions;

  constructor(options: RequestLogOptions) {
    this.#options = options;
    this.#takesRequest = options.takesRequest ?? (() => true);
  }

  /** Notes whose request it is that takes a while to answer, before its client goes. */
  begin(exchange: Exchange): void {
    if (this.#takesRequest(500)) this.#noteAddress(exchange);
  }

  /** Tells of a request that has its answer; undefined for one that has become a WebSocket. */
  end(exchange: Exchange, requestId: string, answer: Response | undefined): void {
    const { method, path, mount, startedAt } = exchange;
    const status = answer?.status ?? 101;
    const duration = performance.now() - startedAt;
    if (this.#takesRequest(status)) this.#noteAddress(exchange);
    const entry: RequestEntry = {
      at: Date.now(),
      request_id: requestId,
      method,
      path,
      status,
      duration_ms: duration,
      plugin: mount.plugin,
      bytes: lengthOf(answer),
      ip_address: exchange.address,
      user_id: null,
      viewer_id: null,
    };
    mount.meter?.record(entry);
    this.#options.logRequest(entry, exchange.request);
  }

  /** To ask for it takes Bun longer than the rest of the line. */
  #noteAddress(exchange: Exchange): void {
    if (exchange.address === "") exchange.address = this.#options.addressOf(exchange);
  }
}
