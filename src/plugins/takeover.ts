import { setImmediate } from "node:timers/promises";
import type { PluginRecord } from "./inventory/record.ts";
import type { PluginReport, UnloadReason } from "./report.ts";
import type { Generation } from "./runtime/generation.ts";
import type { PluginHost } from "./runtime/host.ts";

const SHRINK_EVERY = 20; // retired generations

export interface TakeoverOptions {
  readonly host: PluginHost;
  readonly report: PluginReport;
  /** Makes the generations that the records name those that serve, in one step. */
  readonly publish: () => void;
}

/** Loaded generations that are to serve together. */
export type LoadedGenerations = readonly (readonly [record: PluginRecord, generation: Generation])[];

/**
 * Puts generations in service and out of it: those that are loaded in one turn of the event loop take the place of the
 * running ones in one step, for all requests and events from there on. What no longer serves is retired.
 */
export class Takeover {
  readonly #options: TakeoverOptions;
  /** What takes over in the next turn. */
  #ready: { readonly record: PluginRecord; readonly generation: Generation; readonly signal: AbortSignal }[] =
    [];
  #next: Promise<void> | null = null;
  readonly #retiring = new Set<Promise<void>>();
  #retired = 0;

  constructor(options: TakeoverOptions) {
    this.#options = options;
  }

  /** Lets generations take over in the next turn, or retires them when their load is aborted until then. */
  async add(loaded: LoadedGenerations, signal: AbortSignal): Promise<void> {
    this.#ready.push(...loaded.map(([record, generation]) => ({ record, generation, signal })));
    this.#next ??= setImmediate().then(() => this.#takeOver());
    await this.#next;
  }

  /** Takes a plugin out of service, if it serves. */
  unload(record: PluginRecord, reason: UnloadReason): void {
    const { current } = record;
    if (current === null) return;
    record.current = null;
    this.#options.publish();
    this.#options.report.unloaded(current, reason);
    this.#retire(current);
  }

  /** Resolves once all that no longer serve have been disposed of. */
  async settled(): Promise<void> {
    await Promise.all(this.#retiring);
  }

  #takeOver(): void {
    this.#next = null;
    const superseded = this.#ready.filter(({ signal }) => signal.aborted);
    const ready = this.#ready.filter(({ signal }) => !signal.aborted);
    this.#ready = [];
    const replaced = ready.map(({ record, generation }) => record.replace(generation));
    this.#options.publish();
    for (const [index, { generation }] of ready.entries()) {
      const previous = replaced[index] ?? null;
      previous?.deactivate();
      generation.activate();
      this.#options.report.loaded(generation, previous);
      if (previous !== null) this.#retire(previous);
    }
    for (const { generation } of superseded) this.#retire(generation);
    // The executable's Elysia leaves it out when it compiles an app; see build.ts.
    Bun.gc(false);
  }

  #retire(generation: Generation): void {
    const retirement = generation.retire(this.#options.host);
    this.#retiring.add(retirement);
    void retirement.finally(() => {
      this.#retiring.delete(retirement);
      this.#retired += 1;
      // JavaScriptCore lets many dropped generations pile up before it collects them by itself.
      if (this.#retired % SHRINK_EVERY === 0) Bun.shrink();
    });
  }
}
