/** What a handler is given. Its functions may be taken apart: `({ data, cancel }) => …`. */
export interface HookEvent<Data> {
  readonly name: string;
  /** The very object that was emitted, the same for every handler. */
  readonly data: Data;
  /** The plugin that emitted it, null for the core. */
  readonly source: string | null;
  readonly at: Date;
  /**
   * Tells the emitter not to go on: no later handler runs, and the results say `cancelled`. Only for handlers of
   * order "before", and only while they run.
   * @throws TypeError from any other handler, or after this one has ended
   */
  cancel(this: void, reason?: string): void;
  /**
   * Keeps the later handlers from running.
   * @throws TypeError after this handler has ended
   */
  stop(this: void): void;
}

export type HookHandler<Data> = (event: HookEvent<Data>) => unknown;

export type HookOrder = "before" | "normal" | "after";

/** How one handler fared. */
export interface HookResult {
  /** The plugin that the handler belongs to, null for the core. */
  readonly source: string | null;
  /** "cancelled" and "stopped" are handlers that did not run because an earlier one cancelled or stopped. */
  readonly status: "ok" | "threw" | "timed_out" | "cancelled" | "stopped";
  /** What the handler returned, when it is "ok" and that is not undefined. */
  readonly value?: unknown;
  /** What it threw, when it "threw"; an Error that says so when it "timed_out". */
  readonly error?: unknown;
  readonly duration_ms: number;
}

/** A handler as it is registered. */
export interface Registration {
  readonly event: string;
  readonly matches: (name: string) => boolean;
  readonly handler: HookHandler<unknown>;
  readonly order: HookOrder;
  readonly once: boolean;
  readonly timeoutMs: number;
  readonly source: string | null;
  isRemoved: boolean;
}

/** What the handlers of one emission share. */
export interface Emission {
  readonly name: string;
  readonly data: unknown;
  readonly source: string | null;
  readonly at: Date;
  isCancelled: boolean;
  cancelReason: string | null;
  isStopped: boolean;
}

/** Runs one handler and says how it fared, within its timeout; never throws. */
export async function callHandler(registration: Registration, emission: Emission): Promise<HookResult> {
  const { source } = registration;
  const startedAt = performance.now();
  const call = { isRunning: true };
  const end = (result: Pick<HookResult, "status" | "value" | "error">): HookResult => {
    call.isRunning = false;
    return { source, ...result, duration_ms: performance.now() - startedAt };
  };
  try {
    const returned = registration.handler(toEvent(registration, emission, call));
    const value = isThenable(returned)
      ? await withinTimeout(returned, registration, emission.name)
      : returned;
    return end(value === undefined ? { status: "ok" } : { status: "ok", value });
  } catch (error) {
    return end({ status: error instanceof HandlerTimeout ? "timed_out" : "threw", error });
  }
}

class HandlerTimeout extends Error {
  override readonly name = "HookTimeoutError";
}

/** Waits for the handler or its time; what a late handler does afterwards, even throwing, is nobody's concern. */
async function withinTimeout(
  returned: PromiseLike<unknown>,
  { timeoutMs, source }: Registration,
  name: string,
): Promise<unknown> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const owner = source === null ? "" : ` of plugin "${source}"`;
      reject(
        new HandlerTimeout(
          `Cannot wait for a handler${owner} of "${name}": it still runs after ${timeoutMs} ms`,
        ),
      );
    }, timeoutMs);
    timer.unref();
  });
  try {
    // Race subscribes to both, so that the loser's rejection counts as handled.
    return await Promise.race([returned, late]);
  } finally {
    clearTimeout(timer);
  }
}

function toEvent(
  registration: Registration,
  emission: Emission,
  call: { isRunning: boolean },
): HookEvent<unknown> {
  const { name, data, source, at } = emission;
  const assertRunning = (action: string): void => {
    if (!call.isRunning) throw new TypeError(`Cannot ${action} "${name}": the handler has already ended`);
  };
  return {
    name,
    data,
    source,
    at,
    cancel(reason) {
      assertRunning("cancel");
      if (registration.order !== "before") {
        throw new TypeError(
          `Cannot cancel "${name}": only a handler of order "before" may, not "${registration.order}"`,
        );
      }
      if (emission.isCancelled) return;
      emission.isCancelled = true;
      emission.cancelReason = reason ?? null;
    },
    stop() {
      assertRunning("stop");
      emission.isStopped = true;
    },
  };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    (typeof value === "object" || typeof value === "function") &&
    value !== null &&
    "then" in value &&
    typeof value.then === "function"
  );
}
