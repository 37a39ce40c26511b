import { AsyncLocalStorage } from "node:async_hooks";

/** One emission in a chain of emissions: a handler of its parent began it and waits for it. */
export interface ChainLink {
  readonly name: string;
  readonly depth: number;
  readonly parent: ChainLink | null;
  /** Shared by the whole chain: once it went too deep, nothing more is emitted in it. */
  readonly chain: { isTooDeep: boolean };
  isRunning: boolean;
}

const maxDepth = 64;
const crossingDepth = 31;

/**
 * Stops handlers that emit without end. It follows the asynchronous context, since plugins emit through an imported
 * `hooks` and not through the event that they were given. What a handler leaves behind, such as a timer that
 * emits, begins a chain of its own.
 */
export class EmissionChains {
  readonly #links = new AsyncLocalStorage<ChainLink>();
  readonly #onTooDeep: (error: Error, name: string) => void;

  /** `onTooDeep` is told once for each chain that goes too deep. */
  constructor(onTooDeep: (error: Error, name: string) => void) {
    this.#onTooDeep = onTooDeep;
  }

  /** What an emission on other instances begins with: each way to them counts for many, for there are several of them. */
  get depthOfOthers(): number {
    const link = this.#links.getStore();
    return link?.isRunning === true ? link.depth + crossingDepth : 0;
  }

  /**
   * Runs an emission as the next link of the chain that it is in, or returns null when that is too deep.
   *
   * @param depth that a chain begins with which goes on from another instance
   */
  run<Result>(name: string, emission: () => Promise<Result>, depth = 0): Promise<Result> | null {
    const link = this.#add(name, depth);
    if (link === null) return null;
    return this.#links.run(link, async () => {
      try {
        return await emission();
      } finally {
        link.isRunning = false;
      }
    });
  }

  #add(name: string, startDepth: number): ChainLink | null {
    const running = this.#links.getStore();
    const parent = running?.isRunning === true ? running : null;
    const chain = parent?.chain ?? { isTooDeep: false };
    const depth = parent?.depth ?? startDepth;
    if (chain.isTooDeep) return null;
    if (depth < maxDepth) return { name, depth: depth + 1, parent, chain, isRunning: true };
    // A handler that emits twice would take forever to unwind if only the innermost emissions were refused.
    chain.isTooDeep = true;
    const path = parent === null ? "on several instances" : toPath(parent);
    const message =
      `Cannot emit "${name}": ${maxDepth} emissions are already waiting for one another (${path}); ` +
      `a handler probably emits the event that it listens to`;
    this.#onTooDeep(new Error(message), name);
    return null;
  }
}

function toPath(link: ChainLink): string {
  const names: string[] = [];
  for (let at: ChainLink | null = link; at !== null && names.length < 4; at = at.parent)
    names.unshift(at.name);
  return `… → ${names.join(" → ")}`;
}
