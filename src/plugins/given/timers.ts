import { setMaxListeners } from "node:events";
import nodeTimers from "node:timers";
import nodePromises from "node:timers/promises";
import { promisify } from "node:util";

type Callback = (this: unknown, ...args: unknown[]) => unknown;
type Handle = NodeJS.Timeout | NodeJS.Immediate;
type PromiseOptions = { readonly signal?: AbortSignal; readonly ref?: boolean };

/** One kind of timers: how it is started and stopped. */
interface Kind {
  readonly start: (callback: Callback, ...rest: unknown[]) => Handle;
  readonly stop: (handle: Handle) => void;
  readonly repeats: boolean;
}

const TIMEOUT = toKind(setTimeout, clearTimeout);
const INTERVAL: Kind = { ...toKind(setInterval, clearInterval), repeats: true };
const IMMEDIATE = toKind(setImmediate, clearImmediate);
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * The timers of one generation of a plugin, those that its npm packages start among them. They work as the host's do,
 * but end with the generation. A deadline such as `AbortSignal.timeout()` isn't among them: what waits for it must end.
 */
export class Timers {
  readonly #report: (error: unknown) => void;
  readonly #onCall: () => void;
  /** Those that have yet to be called, and what repeats. A timer that was called is forgotten, with its callback. */
  readonly #live = new Map<Handle, Kind>();
  readonly #jobs = new Set<Bun.CronJob>();
  /** Handles by their number, for plugins that clear them by it. */
  readonly #numbers = new Map<number, Handle>();
  #waiting = createSignal();
  #repeating = createSignal();
  #isOver = false;
  /** What the handles of timeouts and intervals inherit. */
  #prototype: object | null = null;

  /**
   * @param report gets what a callback throws: it must not end the process
   * @param onCall told before each callback is called
   */
  constructor(report: (error: unknown) => void, onCall: () => void = () => {}) {
    this.#report = report;
    this.#onCall = onCall;
  }

  /** What `node:timers/promises` exports. A promise that still waits at the end is never settled. */
  readonly promises = {
    setTimeout: <T>(ms?: number, value?: T, options?: PromiseOptions): Promise<T> =>
      this.#wait(options, (joined) => nodePromises.setTimeout(ms, value, joined)) as Promise<T>,
    setImmediate: <T>(value?: T, options?: PromiseOptions): Promise<T> =>
      this.#wait(options, (joined) => nodePromises.setImmediate(value, joined)) as Promise<T>,
    setInterval: <T>(ms?: number, value?: T, options?: PromiseOptions): AsyncIterable<T> =>
      this.#repeat(options, (joined) => nodePromises.setInterval(ms, value, joined)) as AsyncIterable<T>,
    scheduler: {
      wait: (ms: number, options?: PromiseOptions): Promise<void> =>
        this.promises.setTimeout(ms, undefined, options),
      yield: () => nodePromises.scheduler.yield(),
    },
  };

  /** The functions that are global, by name. */
  readonly globals = {
    setTimeout: Object.assign(this.#toStart(TIMEOUT), { [promisify.custom]: this.promises.setTimeout }),
    setInterval: this.#toStart(INTERVAL),
    setImmediate: Object.assign(this.#toStart(IMMEDIATE), { [promisify.custom]: this.promises.setImmediate }),
    clearTimeout: this.#toClear(TIMEOUT),
    clearInterval: this.#toClear(INTERVAL),
    clearImmediate: this.#toClear(IMMEDIATE),
  };

  /** What modules of Node.js export, by their names. */
  readonly modules = {
    timers: { ...nodeTimers, ...this.globals, promises: this.promises },
    "timers/promises": this.promises,
  };

  /** What Bun has of its own. */
  readonly bun = {
    sleep: (ms: number | Date): Promise<void> => this.#sleep(ms),
    cron: Object.assign((...args: Parameters<typeof Bun.cron>) => this.#schedule(args), { ...Bun.cron }),
  };

  /** Ends what repeats: intervals and cron jobs. More may be started. */
  endRepeating(): void {
    for (const [handle, kind] of this.#live) {
      if (kind.repeats) this.#end(handle, kind);
    }
    for (const job of this.#jobs) job.stop();
    this.#repeating.abort();
    this.#repeating = createSignal();
  }

  /** Ends all of them; what is started from now on is never called. */
  end(): void {
    this.#isOver = true;
    this.endRepeating();
    for (const [handle, kind] of this.#live) this.#end(handle, kind);
    this.#waiting.abort();
  }

  #toStart(kind: Kind): (callback: Callback, ...rest: unknown[]) => Handle {
    return (callback, ...rest) => {
      if (typeof callback !== "function") return kind.start(callback, ...rest); // which says what is wrong
      const handle = kind.start(
        (...args) => {
          if (!kind.repeats) this.#forget(handle);
          this.#call(callback, handle, args);
        },
        ...rest,
      );
      if (kind !== IMMEDIATE) Object.setPrototypeOf(handle, this.#prototypeFor(handle));
      if (this.#isOver) kind.stop(handle);
      else this.#live.set(handle, kind);
      return handle;
    };
  }

  #toClear({ stop }: Kind): (timer: unknown) => void {
    return (timer) => {
      this.#forget(typeof timer === "object" ? timer : this.#numbers.get(Number(timer)));
      stop(timer as Handle);
    };
  }

  #call(callback: Callback, handle: unknown, args: unknown[]): void {
    if (this.#isOver) return;
    this.#onCall();
    try {
      callback.apply(handle, args);
    } catch (error) {
      this.#report(error);
    }
  }

  #end(handle: Handle, kind: Kind): void {
    this.#forget(handle);
    kind.stop(handle);
  }

  #forget(handle: unknown): void {
    this.#live.delete(handle as Handle);
    for (const [number, known] of this.#numbers) if (known === handle) this.#numbers.delete(number);
  }

  #prototypeFor(handle: Handle): object {
    return (this.#prototype ??= this.#toPrototype(Object.getPrototypeOf(handle) as NodeJS.Timeout));
  }

  /** A timer may be armed again after it was called, cleared by its own methods, or be known by its number. */
  #toPrototype(native: NodeJS.Timeout): object {
    const arm = (handle: NodeJS.Timeout): NodeJS.Timeout => {
      if (this.#isOver) return handle;
      native.refresh.call(handle);
      const { _destroyed: isCleared } = handle as unknown as { readonly _destroyed: boolean };
      if (!isCleared && !this.#live.has(handle)) this.#live.set(handle, TIMEOUT);
      return handle;
    };
    const forget = (handle: Handle): void => this.#forget(handle);
    const number = (handle: NodeJS.Timeout): number => {
      const id = native[Symbol.toPrimitive].call(handle);
      if (this.#live.has(handle)) this.#numbers.set(id, handle);
      return id;
    };
    return Object.assign(Object.create(native) as object, {
      refresh(this: NodeJS.Timeout) {
        return arm(this);
      },
      close(this: NodeJS.Timeout) {
        forget(this);
        return native.close.call(this);
      },
      [Symbol.dispose](this: NodeJS.Timeout) {
        forget(this);
        native[Symbol.dispose].call(this);
      },
      [Symbol.toPrimitive](this: NodeJS.Timeout) {
        return number(this);
      },
    });
  }

  async #wait(
    options: PromiseOptions | undefined,
    start: (joined: PromiseOptions) => Promise<unknown>,
  ): Promise<unknown> {
    const { signal } = this.#waiting;
    try {
      return await start(join(options, signal));
    } catch (error) {
      if (!hasEnded(signal, options)) throw error;
      return new Promise(() => {});
    }
  }

  async *#repeat(
    options: PromiseOptions | undefined,
    start: (joined: PromiseOptions) => AsyncIterable<unknown>,
  ): AsyncGenerator {
    const { signal } = this.#repeating;
    try {
      if (!this.#isOver) yield* start(join(options, signal));
    } catch (error) {
      if (!hasEnded(signal, options)) throw error;
    }
  }

  #sleep(ms: number | Date): Promise<void> {
    const delay = ms instanceof Date ? Math.max(0, ms.getTime() - Date.now()) : ms;
    if (typeof delay !== "number" || !(delay <= MAX_TIMEOUT_MS)) return Bun.sleep(ms);
    return new Promise((resolve) => this.globals.setTimeout(() => resolve(), delay));
  }

  #schedule([schedule, handler, ...rest]: readonly unknown[]): unknown {
    const start = Bun.cron as (...args: unknown[]) => Bun.CronJob;
    if (typeof handler !== "function") return start(schedule, handler, ...rest); // a job of the system
    const report = this.#report;
    // What a job throws, or rejects with, would end the process.
    const job = start(
      schedule,
      async function run(this: Bun.CronJob, ...args: unknown[]) {
        try {
          await (handler as Callback).apply(this, args);
        } catch (error) {
          report(error);
        }
      },
      ...rest,
    );
    const jobs = this.#jobs.add(job);
    const stop = job.stop.bind(job);
    job.stop = () => {
      jobs.delete(job);
      return stop();
    };
    return this.#isOver ? job.stop() : job;
  }
}

function toKind(start: (callback: () => void) => Handle, stop: (handle: never) => void): Kind {
  return { start, stop, repeats: false } as Kind;
}

function createSignal(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

function join(options: PromiseOptions | undefined, own: AbortSignal): PromiseOptions {
  const asked: unknown = options?.signal;
  if (asked === undefined) return { ...options, signal: own };
  // What is no signal is left to Node.js to refuse.
  return asked instanceof AbortSignal
    ? { ...options, signal: AbortSignal.any([asked, own]) }
    : { ...options };
}

/** Whether a wait has failed because its generation has ended, rather than for the plugin's own signal. */
function hasEnded(own: AbortSignal, options: PromiseOptions | undefined): boolean {
  return own.aborted && options?.signal?.aborted !== true;
}
