import type { InFlight } from "./in-flight.ts";

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
