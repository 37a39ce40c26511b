import { Meter } from "./meter.ts";

const KEPT_MS = 10 * 60_000; // a scraper that missed the last of it has come by then
const KEPT_OF_ONE = 2;
const KEPT_IN_ALL = 100;
const HASH_LENGTH = 12;

/**
 * What is measured in this process, by `plugin@hash`: of the core, of the plugins that serve, and for a while of versions
 * that have been replaced.
 */
export class Metrics {
  readonly core: Meter;
  readonly #now: () => number;
  readonly #meters = new Map<string, Meter>();
  /** How many generations serve with it. */
  readonly #serving = new Map<Meter, number>();
  readonly #latest = new Map<string, Meter>();
  /** When those ended that don't serve, the first that did so first. */
  readonly #ended = new Map<Meter, number>();

  /** @param now in ms. @default performance.now */
  constructor(hash: string, now: () => number = () => performance.now()) {
    this.core = new Meter("core", hash.slice(0, HASH_LENGTH));
    this.#now = now;
  }

  /** Returns the meter of a version of a plugin. It is counted with the others once it is to serve. */
  meterOf(plugin: string, hash: string): Meter {
    const short = hash.slice(0, HASH_LENGTH);
    return this.#meters.get(`${plugin}@${short}`) ?? new Meter(plugin, short);
  }

  /** Has a meter count as that of its plugin, until the undo is called. */
  serve(meter: Meter): () => void {
    this.#add(meter);
    this.#latest.set(meter.plugin, meter);
    this.#ended.delete(meter);
    this.#serving.set(meter, (this.#serving.get(meter) ?? 0) + 1);
    return () => this.#end(meter);
  }

  /** The meter of the version of a plugin that serves, or did last; that of the core for null. */
  of(plugin: string | null): Meter {
    if (plugin === null || plugin === this.core.plugin) return this.core;
    const known = this.#latest.get(plugin);
    if (known !== undefined) return known;
    const meter = this.meterOf(plugin, "none");
    this.serve(meter)();
    return meter;
  }

  /** All that are kept. */
  all(): Meter[] {
    const now = this.#now();
    for (const [meter, at] of this.#ended) if (now - at >= KEPT_MS) this.#forget(meter);
    return [this.core, ...this.#meters.values()];
  }

  #add(meter: Meter): void {
    this.#meters.set(`${meter.plugin}@${meter.hash}`, meter);
  }

  #end(meter: Meter): void {
    const left = (this.#serving.get(meter) ?? 0) - 1;
    if (left > 0) {
      this.#serving.set(meter, left);
      return;
    }
    this.#serving.delete(meter);
    this.#ended.set(meter, this.#now());
    // Nobody may ever ask: they are let go of here too.
    const same = [...this.#ended.keys()].filter(({ plugin }) => plugin === meter.plugin);
    for (const old of same.slice(0, -KEPT_OF_ONE)) this.#forget(old);
    for (const old of [...this.#ended.keys()].slice(0, -KEPT_IN_ALL)) this.#forget(old);
  }

  #forget(meter: Meter): void {
    this.#ended.delete(meter);
    this.#meters.delete(`${meter.plugin}@${meter.hash}`);
    if (this.#latest.get(meter.plugin) === meter) this.#latest.delete(meter.plugin);
  }
}
