import type { HookData, HookEvents, HookName } from "./events.ts";
import { EmissionChains } from "./emission-chain.ts";
import {
  callHandler,
  type Emission,
  type HookHandler,
  type HookOrder,
  type HookResult,
  type Registration,
} from "./handlers.ts";
import { assertEventName, toNameTest } from "./names.ts";

export interface HookBusOptions {
  /** Told of every handler that fails; what `onError` itself throws is ignored. */
  onError: (error: unknown, at: HookErrorPlace) => void;
  /** Told before each handler of a plugin runs. @default nobody is */
  onCall?: (source: string, event: string) => void;
  /** Calls each handler by `call`, and passes on what comes of it. @default they are called as they are */
  around?: (
    at: Pick<HookErrorPlace, "event" | "source">,
    call: () => Promise<HookResult>,
  ) => Promise<HookResult>;
  /** @default () => new Date() */
  now?: () => Date;
  /** How long emit() waits for a handler that says nothing itself, in ms. @default 5000 */
  defaultTimeoutMs?: number;
  /**
   * Takes an event for the other instances, as it is now; what it returns tells them. @throws TypeError or RangeError for
   * data that they can't be told. @default there are no others
   */
  toOthers?: (event: SharedEvent) => () => void;
}

/** An event that all instances emit. */
export interface SharedEvent {
  readonly name: string;
  readonly data: unknown;
  readonly source: string | null;
  readonly at: Date;
  /** How many emissions count as waiting for this one. */
  readonly depth: number;
}

export interface HookErrorPlace {
  event: string;
  /** The plugin that the handler belongs to, null for the core. */
  source: string | null;
  reason: "threw" | "timed_out";
}

export interface HookOptions {
  /** All "before" handlers run first, then "normal", then "after". @default "normal" */
  order?: HookOrder;
  /** Remove the handler when it is called. @default false */
  once?: boolean;
  /** How long emit() waits for the handler, in ms. @default 5000 */
  timeout_ms?: number;
  /** The plugin that the handler belongs to. */
  source?: string;
}

export interface EmitOptions {
  /** The plugin that emits. */
  source?: string;
  /** Has all instances emit it: this one now, the others unless a handler here cancels it. @default false */
  cluster?: boolean;
}

/** One result per handler, in the order in which they run. */
export type HookResults = readonly HookResult[] & {
  readonly cancelled: boolean;
  readonly cancel_reason: string | null;
};

/** A registered handler as `GET /system/plugins/{name}` shows it. */
export interface HookListing {
  event: string;
  order: HookOrder;
  once: boolean;
  timeout_ms: number;
  source: string | null;
}

/** What follows the name in emit(): the data may be left out where no type asks for it. */
export type EmitArguments<Name extends string> = Name extends keyof HookEvents
  ? [data: HookEvents[Name], options?: EmitOptions]
  : [data?: unknown, options?: EmitOptions];

export interface HookBus {
  /** How many handlers are registered. */
  readonly size: number;
  /**
   * Calls the handler for each event with that name, which may hold wildcards (`user.*`, `*`). Returns its undo.
   * @throws TypeError for a name that can't be one, a handler that is no function, an unknown order
   * @throws RangeError for a timeout that is not between 1 and 2147483647 ms
   */
  on<Name extends HookName>(
    name: Name,
    handler: HookHandler<HookData<Name>>,
    options?: HookOptions,
  ): () => void;
  /**
   * Runs the handlers of an event one after another and resolves with how each fared. It never rejects: a handler
   * that throws or is late is reported, and the next one runs.
   * @throws TypeError at once, for a name that can't be one
   * @throws TypeError or RangeError at once, for data that other instances are to have and can't
   */
  emit<Name extends HookName>(name: Name, ...rest: EmitArguments<Name>): Promise<HookResults>;
  /** Runs the handlers of an event of another instance. @throws TypeError for a name that can't be one */
  emitHere(event: SharedEvent): Promise<HookResults>;
  /** Whether there is a handler of events with this name. @throws TypeError for a name that can't be one */
  isHeard(name: string): boolean;
  /** The handlers in the order in which they run, of one plugin or all. */
  list(filter?: { source?: string | null }): HookListing[];
}

const orders: readonly HookOrder[] = ["before", "normal", "after"];
const maxTimeoutMs = 2 ** 31 - 1; // setTimeout fires at once for more
const maxCachedNames = 1000;
const noResults: HookResults = Object.freeze(toResults([], false, null));
const nothing = Promise.resolve(noResults);

/** Makes a hook bus without handlers. */
export function createHookBus(options: HookBusOptions): HookBus {
  return new Bus(options);
}

class Bus implements HookBus {
  readonly #options: HookBusOptions;
  readonly #chains = new EmissionChains((error, event) => {
    this.#report(error, { event, source: null, reason: "threw" });
  });
  readonly #handlers: Record<HookOrder, Registration[]> = { before: [], normal: [], after: [] };
  readonly #matching = new Map<string, readonly Registration[]>();

  constructor(options: HookBusOptions) {
    assertTimeout(options.defaultTimeoutMs ?? 1);
    this.#options = options;
  }

  get size(): number {
    return orders.reduce((size, order) => size + this.#handlers[order].length, 0);
  }

  on<Name extends HookName>(
    name: Name,
    handler: HookHandler<HookData<Name>>,
    options: HookOptions = {},
  ): () => void {
    const matches = toNameTest(name);
    if (typeof handler !== "function") {
      throw new TypeError(
        `Cannot listen to "${name}": the handler is of type ${typeof handler}, not a function`,
      );
    }
    const { order = "normal", once = false, source = null } = options;
    if (!orders.includes(order)) {
      throw new TypeError(`Cannot listen to "${name}": order "${order}" is none of ${orders.join(", ")}`);
    }
    const timeoutMs = options.timeout_ms ?? this.#options.defaultTimeoutMs ?? 5000;
    assertTimeout(timeoutMs);
    const registration: Registration = {
      event: name,
      matches,
      // Sound: emit() gives a handler only the events that its name matches.
      handler: handler as HookHandler<unknown>,
      order,
      once,
      timeoutMs,
      source,
      isRemoved: false,
    };
    this.#handlers[order].push(registration);
    this.#matching.clear();
    return () => this.#remove(registration);
  }

  emit(name: string, data?: unknown, options?: EmitOptions): Promise<HookResults> {
    const handlers = this.#matching.get(name) ?? this.#match(name);
    const isShared = options?.cluster === true && this.#options.toOthers !== undefined;
    if (handlers.length === 0 && !isShared) return nothing;
    const source = options?.source ?? null;
    const at = this.#options.now?.() ?? new Date();
    const event = { name, data, source, at, depth: 0 };
    return isShared ? this.#emitEverywhere(handlers, event) : this.#emit(handlers, event);
  }

  emitHere(event: SharedEvent): Promise<HookResults> {
    return this.#emit(this.#matching.get(event.name) ?? this.#match(event.name), event);
  }

  isHeard(name: string): boolean {
    return (this.#matching.get(name) ?? this.#match(name)).length > 0;
  }

  list(filter: { source?: string | null } = {}): HookListing[] {
    return orders
      .flatMap((order) => this.#handlers[order])
      .filter(({ source }) => filter.source === undefined || filter.source === source)
      .map(({ event, order, once, timeoutMs, source }) => ({
        event,
        order,
        once,
        timeout_ms: timeoutMs,
        source,
      }));
  }

  #emitEverywhere(handlers: readonly Registration[], event: SharedEvent): Promise<HookResults> {
    // As it was before handlers have changed it: those of the others do the same.
    const tellOthers = this.#options.toOthers?.({ ...event, depth: this.#chains.depthOfOthers });
    return this.#emit(handlers, event).then((results) => {
      if (!results.cancelled) tellOthers?.();
      return results;
    });
  }

  #emit(
    handlers: readonly Registration[],
    { name, data, source, at, depth }: SharedEvent,
  ): Promise<HookResults> {
    const emission: Emission = {
      name,
      data,
      source,
      at,
      isCancelled: false,
      cancelReason: null,
      isStopped: false,
    };
    return (
      this.#chains.run(name, () => this.#run(handlers, emission), depth) ??
      Promise.resolve(toResults([], true, `"${name}" is emitted too deep`))
    );
  }

  async #run(handlers: readonly Registration[], emission: Emission): Promise<HookResults> {
    const results: HookResult[] = [];
    for (const registration of handlers) {
      if (registration.isRemoved) continue;
      if (emission.isCancelled || emission.isStopped) {
        const status = emission.isCancelled ? "cancelled" : "stopped";
        results.push({ source: registration.source, status, duration_ms: 0 });
        continue;
      }
      // Before it runs: a nested or concurrent emit() must not run it again.
      if (registration.once) this.#remove(registration);
      if (registration.source !== null) this.#options.onCall?.(registration.source, emission.name);
      const result = await this.#call(registration, emission);
      results.push(result);
      if (result.status === "threw" || result.status === "timed_out") {
        this.#report(result.error, {
          event: emission.name,
          source: registration.source,
          reason: result.status,
        });
      }
    }
    return toResults(results, emission.isCancelled, emission.cancelReason);
  }

  #call(registration: Registration, emission: Emission): Promise<HookResult> {
    const { around } = this.#options;
    if (around === undefined) return callHandler(registration, emission);
    const at = { event: emission.name, source: registration.source };
    return around(at, () => callHandler(registration, emission));
  }

  #match(name: string): readonly Registration[] {
    assertEventName(name);
    const handlers = orders.flatMap((order) => this.#handlers[order].filter(({ matches }) => matches(name)));
    if (this.#matching.size >= maxCachedNames) this.#matching.clear();
    this.#matching.set(name, handlers);
    return handlers;
  }

  #remove(registration: Registration): void {
    if (registration.isRemoved) return;
    registration.isRemoved = true;
    const handlers = this.#handlers[registration.order];
    handlers.splice(handlers.indexOf(registration), 1);
    this.#matching.clear();
  }

  #report(error: unknown, at: HookErrorPlace): void {
    try {
      this.#options.onError(error, at);
    } catch {
      // There is nobody left to tell.
    }
  }
}

function toResults(results: HookResult[], cancelled: boolean, reason: string | null): HookResults {
  return Object.assign(results, { cancelled, cancel_reason: reason });
}

function assertTimeout(timeoutMs: number): void {
  if (typeof timeoutMs === "number" && timeoutMs >= 1 && timeoutMs <= maxTimeoutMs) return;
  throw new RangeError(
    `Cannot wait ${String(timeoutMs)} ms for a handler: a timeout is between 1 and ${maxTimeoutMs} ms`,
  );
}
