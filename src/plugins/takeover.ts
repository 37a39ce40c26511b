import { setImmediate } from "node:timers/promises";
import type { PluginRecord } from "./inventory/record.ts";
import type { PluginReport, UnloadReason } from "./report.ts";
import type { Generation } from "./runtime/generation.ts";
import type { PluginHost } from "./runtime/host.ts";

const SHRINK_EVERY = 20; // retired generations
const SHRINK_AFTER_MS = 250; // others are retired meanwhile
const MAX_WAIT_MS = 500; // for others that are about to be ready

export interface TakeoverOptions {
  readonly host: PluginHost;
  readonly report: PluginReport;
  /** Makes the generations that the records name those that serve, in one step. */
  readonly publish: () => void;
}

/** Loaded generations that are to serve together. */
export type LoadedGenerations = readonly (readonly [record: PluginRecord, generation: Generation])[];

/**
 * Puts generations in service and out of it: those that are loaded at the same time take the place of the running ones
 * in one step, for all requests and events from there on. What no longer serves is retired.
 */
export class Takeover {
  readonly #options: TakeoverOptions;
  /** What takes over in the next step. */
  #ready: { readonly record: PluginRecord; readonly generation: Generation; readonly signal: AbortSignal }[] =
    [];
  #next: Promise<void> | null = null;
  /** Those that have taken over and haven't been told of yet, each with the one whose place it took. */
  readonly #untold = new Map<Generation, Generation | null>();
  readonly #retiring = new Set<Promise<void>>();
  #retired = 0;

  constructor(options: TakeoverOptions) {
    this.#options = options;
  }

  /** Lets generations take over in the next step, or retires them when their load is aborted until then. */
  async add(loaded: LoadedGenerations, signal: AbortSignal): Promise<void> {
    this.#ready.push(...loaded.map(([record, generation]) => ({ record, generation, signal })));
    this.#next ??= this.#others().then(() => this.#takeOver());
    await this.#next;
  }

  /** Resolves once no load is at work any more: a table of mounts, and a collection of garbage, for each is too much. */
  async #others(): Promise<void> {
    const { turns } = this.#options.host.lifeCycle;
    const until = performance.now() + MAX_WAIT_MS;
    // oxlint-disable-next-line no-await-in-loop -- a turn of the event loop each time
    do await setImmediate();
    while (turns.isBusy && performance.now() < until);
  }

  /** Takes a plugin out of service, if it serves. */
  unload(record: PluginRecord, reason: UnloadReason): void {
    const { current } = record;
    if (current === null) return;
    record.current = null;
    this.#options.publish();
    this.#tell(current);
    this.#options.report.unloaded(current, reason);
    this.#retire(current);
  }

  /** Resolves once all that no longer serve have been disposed of. */
  async settled(): Promise<void> {
    await Promise.all(this.#retiring);
  }

  async #takeOver(): Promise<void> {
    this.#next = null;
    const superseded = this.#ready.filter(({ signal }) => signal.aborted);
    const ready = this.#ready.filter(({ signal }) => !signal.aborted);
    this.#ready = [];
    for (const { record, generation } of ready) this.#untold.set(generation, record.replace(generation));
    this.#options.publish();
    for (const { generation } of ready) {
      this.#untold.get(generation)?.deactivate();
      generation.activate();
    }
    for (const { generation } of superseded) this.#retire(generation);
    // The executable's Elysia leaves it out when it compiles an app; see build.ts.
    Bun.gc(false);
    const { turns } = this.#options.host.lifeCycle;
    for (const { generation } of ready) {
      // oxlint-disable-next-line no-await-in-loop -- telling of hundreds takes time too
      if (turns.isLong()) await turns.next();
      this.#tell(generation);
    }
  }

  /** Before anything else of it is told, and once. */
  #tell(generation: Generation): void {
    const previous = this.#untold.get(generation);
    if (previous === undefined) return;
    this.#untold.delete(generation);
    this.#options.report.loaded(generation, previous);
    if (previous !== null) this.#retire(previous);
  }

  #shrink(): void {
    this.#retired = 0;
    Bun.shrink();
  }

  #retire(generation: Generation): void {
    const retirement = generation.retire(this.#options.host);
    this.#retiring.add(retirement);
    void retirement.finally(() => {
      this.#retiring.delete(retirement);
      this.#retired += 1;
      // JavaScriptCore lets many dropped generations pile up before it collects them by itself. Once for all of them.
      if (this.#retired === SHRINK_EVERY) setTimeout(() => this.#shrink(), SHRINK_AFTER_MS).unref();
    });
  }
}
