import type { RequestMeter } from "../metrics/requests.ts";
import type { FollowRequest } from "./admission.ts";
import { OpenStreams, type StreamEnd } from "./open-streams.ts";

const POLL_MS = 10;
const POLL_SHARE = 50; // to look at thousands takes a part of the time: one in so many

/** Something that answers the requests below a prefix: the core, or one generation of a plugin. */
export interface Mount {
  /** "/hello" or "/api/hello", without a slash at its end; "" for the core. */
  readonly prefix: string;
  /** Name for the request log, null for the core. */
  readonly plugin: string | null;
  /** Answers a request; undefined once the request has become a WebSocket. */
  readonly fetch: (request: Request) => Response | undefined | Promise<Response | undefined>;
  readonly inFlight: InFlight;
  /** Counts its requests. @default nobody does */
  readonly meter?: RequestMeter | null;
}

/** What was left when nobody waited any more. */
export interface Drained {
  /** Streams that were ended. */
  readonly ended: number;
  /** Requests that go on: nothing can end them. */
  readonly left: number;
}

/** Counts the requests that a mount is still answering, so that it can be drained before it is disposed of. */
export class InFlight {
  /** Requests whose handler has not answered yet. */
  handling = 0;
  /** Open WebSockets. They have no end to wait for: a drain closes them. */
  readonly sockets = new Set<{ close(code: number, reason: string): void }>();
  /** Follows a request that becomes a WebSocket, null where everybody is let in. @default nobody is followed */
  followerOf: (request: Request) => FollowRequest | null = () => null;
  /** Whether requests for a path are never limited. @default none are */
  isFree: (path: string) => boolean = () => false;
  /** Whether the route of a request limits its clients of itself. @default none does */
  limitsItself: (request: Request) => boolean = () => false;
  /** Whether the route of a request takes files in a form. @default none does */
  takesFiles: (request: Request) => boolean = () => false;
  /** Streaming answers under way. */
  readonly streams = new OpenStreams();
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
   * Waits until no request is left, at most for `timeoutMs` and until `signal` is aborted; then ends the streams that are
   * left, and closes the WebSockets with code 1012, "service restart", upon which clients connect again. Streams of
   * events whose clients were told when to come back, by `retry:`, end at once.
   *
   * @param isOpen whether the client of a followed request still waits for more
   */
  async drain(
    isOpen: (request: Request) => boolean,
    { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<Drained> {
    this.streams.end("resumable");
    const deadline = performance.now() + timeoutMs;
    // Bun tells when a body has been sent only to those who ask.
    for (let now = performance.now(); !this.#isIdle(isOpen) && now < deadline && !signal.aborted;) {
      const tookMs = performance.now() - now;
      const pauseMs = Math.max(POLL_MS, tookMs * POLL_SHARE);
      // oxlint-disable-next-line no-await-in-loop -- until it is idle
      await Bun.sleep(Math.min(pauseMs, Math.max(0, deadline - performance.now())));
      now = performance.now();
    }
    this.#prune(isOpen);
    const streaming = this.streams.requests();
    const left = this.handling + [...this.#bodies].filter((request) => !streaming.has(request)).length;
    return { ended: this.end("all"), left };
  }

  /** Ends streams, and closes the WebSockets; returns how many streams there were. */
  end(which: StreamEnd): number {
    for (const socket of this.sockets) socket.close(1012, "Service restart");
    return this.streams.end(which);
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

/** The core before one is mounted. */
export function createEmptyMount(): Mount {
  return { prefix: "", plugin: null, inFlight: new InFlight(), fetch: refuse };
}

function refuse(): never {
  throw new TypeError("Cannot answer: no core is mounted");
}

function firstSegment(path: string): string {
  const end = path.indexOf("/", 1);
  return end === -1 ? path : path.slice(0, end);
}

function isBelow(path: string, prefix: string): boolean {
  return path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === "/");
}
