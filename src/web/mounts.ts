import type { FollowRequest } from "./admission.ts";

const POLL_MS = 10;

/** Something that answers the requests below a prefix: the core, or one generation of a plugin. */
export interface Mount {
  /** "/hello" or "/api/hello", without a slash at its end; "" for the core. */
  readonly prefix: string;
  /** Name for the request log, null for the core. */
  readonly plugin: string | null;
  /** Answers a request; undefined once the request has become a WebSocket. */
  readonly fetch: (request: Request) => Response | undefined | Promise<Response | undefined>;
  readonly inFlight: InFlight;
}

/** Counts the requests that a mount is still answering, so that it can be drained before it is disposed of. */
export class InFlight {
  /** Requests whose handler has not answered yet. */
  handling = 0;
  /** Open WebSockets. They have no end to wait for: a drain closes them. */
  readonly sockets = new Set<{ close(code: number, reason: string): void }>();
  /** Follows a request that becomes a WebSocket, null where everybody is let in. @default nobody is followed */
  followerOf: (request: Request) => FollowRequest | null = () => null;
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
   * Resolves with true once no request is left, or with false after `timeoutMs` or when `signal` is aborted; then closes the WebSockets
   * with code 1012, "service restart", upon which clients connect again.
   *
   * @param isOpen whether the client of a followed request still waits for more
   */
  async drain(
    isOpen: (request: Request) => boolean,
    { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    // Bun tells when a body has been sent only to those who ask.
    while (!this.#isIdle(isOpen) && performance.now() < deadline && !signal.aborted) {
      await Bun.sleep(POLL_MS);
    }
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

/** Finds the mount of a path by its longest matching prefix. Immutable: a swap builds a new table. */
export class MountTable {
  readonly core: Mount;
  readonly #byFirstSegment = new Map<string, Mount[]>();

  /** @throws RangeError when two mounts have one prefix */
  constructor(core: Mount, mounts: Iterable<Mount>) {
    this.core = core;
    for (const mount of mounts) {
      const first = firstSegment(mount.prefix);
      const siblings = this.#byFirstSegment.get(first) ?? [];
      if (siblings.some((sibling) => sibling.prefix === mount.prefix)) {
        throw new RangeError(`Cannot mount "${mount.prefix}" twice`);
      }
      siblings.push(mount);
      siblings.sort((a, b) => b.prefix.length - a.prefix.length);
      this.#byFirstSegment.set(first, siblings);
    }
  }

  /** Every mount, the core first. */
  *all(): Iterable<Mount> {
    yield this.core;
    for (const siblings of this.#byFirstSegment.values()) yield* siblings;
  }

  /** Returns the mount that answers `path`, the core when no plugin does. */
  find(path: string): Mount {
    const first = firstSegment(path);
    const siblings = this.#byFirstSegment.get(first);
    if (siblings === undefined) return this.core;
    for (const mount of siblings) {
      if (mount.prefix === first || isBelow(path, mount.prefix)) return mount;
    }
    return this.core;
  }
}

function firstSegment(path: string): string {
  const end = path.indexOf("/", 1);
  return end === -1 ? path : path.slice(0, end);
}

function isBelow(path: string, prefix: string): boolean {
  return path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === "/");
}
