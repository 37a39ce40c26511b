import type { AnyElysia } from "elysia";
import { modulesOf } from "../../web/routes.ts";
import type { ModuleExports } from "../given/host-modules.ts";

export interface SetupOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Gets the teardown that runs if `setup` ends well after nobody waits for it any more. */
  readonly onLate: (teardown: Promise<void>) => void;
}

/**
 * Waits for the plugins that a router was given as promises.
 *
 * @throws Error after `timeoutMs`, the signal's reason when it is aborted, and what one of the promises rejects with
 */
export async function awaitModules(router: AnyElysia, timeoutMs: number, signal: AbortSignal): Promise<void> {
  const modules = modulesOf(router);
  if (modules === null) return;
  const late = `A plugin given to use() took longer than ${timeoutMs / 1000} s: its promise must settle`;
  await withDeadline(modules, timeoutMs, late, signal);
}

/**
 * Calls the `setup` that a plugin exports, if it does, and waits for it. What a `setup` opens that ends after
 * nobody waits for it any more is closed again by the plugin's `teardown`.
 *
 * @throws Error after `timeoutMs`, the signal's reason when it is aborted, and whatever `setup` throws
 */
export async function runSetup(exports: ModuleExports, options: SetupOptions): Promise<void> {
  const setup = readHandler(exports, "setup");
  if (setup === null) return;
  const { timeoutMs, signal, onLate } = options;
  const late = `setup() took longer than ${timeoutMs / 1000} s: it must end before the plugin serves`;
  let work: unknown;
  try {
    await withDeadline(() => (work = setup()), timeoutMs, late, signal);
  } catch (error) {
    onLate(
      Promise.resolve(work).then(
        () => (work === undefined ? undefined : runTeardown(exports, timeoutMs)),
        () => {},
      ),
    );
    throw error;
  }
}

/**
 * Calls the `teardown` that a plugin exports, if it does, and waits for it.
 *
 * @throws Error after `timeoutMs`, the signal's reason when it is aborted, and whatever `teardown` throws
 */
export async function runTeardown(
  exports: ModuleExports,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<void> {
  const teardown = readHandler(exports, "teardown");
  if (teardown === null) return;
  await withDeadline(
    () => teardown(),
    timeoutMs,
    `teardown() took longer than ${timeoutMs / 1000} s`,
    signal,
  );
}

function readHandler(exports: ModuleExports, name: "setup" | "teardown"): (() => unknown) | null {
  const handler = exports[name];
  if (handler === undefined) return null;
  if (typeof handler !== "function") throw new TypeError(`Cannot call "${name}": it is no function`);
  return handler as () => unknown;
}

async function withDeadline(
  work: () => unknown,
  timeoutMs: number,
  message: string,
  signal?: AbortSignal,
): Promise<void> {
  signal?.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(message)), timeoutMs);
  const abort = (): void => reject(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    await Promise.race([work(), promise]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}
