const POLL_MS = 10;

/** Counts the requests that a mount is still answering, so that it can be drained before it is disposed of. */
export class InFlight {
  /** Requests whose handler has not answered yet. */
  handling = 0;
  /** Open WebSockets. They have no end to wait for: a drain closes them. */
  readonly sockets = new Set<{ close(code: number, reason: string): void }>();
  readonly #bodies = new Set<Request>();
  #pruneAt = 64;

  /** Follows a request whose response body may go on after its handler has answered. */
  followBody(request: Request, isOpen: (request: Request) => boolean): void {
    this.#bodies.add(request);
    if (this.#bodies.size < this.#pruneAt) return;
    this.#prune(isOpen);
    this.#pruneAt = Math.max(64, this.#bodies.size * 2);
  }

  /**
   * Resolves with true once no request is left, or with false after `timeoutMs`; then closes the WebSockets
   * with code 1012, "service restart", upon which clients connect again.
   *
   * @param isOpen whether the client of a followed request still waits for more
   */
  async drain(isOpen: (request: Request) => boolean, timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    // Bun tells when a body has been sent only to those who ask.
    while (!this.#isIdle(isOpen) && performance.now() < deadline) await Bun.sleep(POLL_MS);
    this.closeSockets();
    return this.#isIdle(isOpen);
  }

  /** Closes the open WebSockets with code 1012, "service restart": clients come back. */
  closeSockets(): void {
    for (const socket of this.sockets) socket.close(1012, "Service restart");
  }

  #isIdle(isOpen: (request: Request) => boolean): boolean {
    if (this.handling > 0) return false;
    this.#prune(isOpen);
    return this.#bodies.size === 0;
  }

  #prune(isOpen: (request: Request) => boolean): void {
    for (const request of this.#bodies) {
      if (!isOpen(request)) this.#bodies.delete(request);
    }
  }
}
