import type { Caller } from "../db/contract/driver.ts";
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

  /** What goes on behind the answer has nobody to wait for it, and was begun in time. */
  isGone(): boolean {
    // Bun forgets the address with the connection: a listener of `signal` would cost each request something.
    return !this.isAnswered && this.#server !== null && this.#server.requestIP(this.#received) === null;
  }
}
