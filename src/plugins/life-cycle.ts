import type { ModuleExports } from "./host-modules.ts";

/**
 * Calls the `setup` that a plugin exports, if it does, and waits for it.
 *
 * @throws Error after `timeoutMs`, the signal's reason when it is aborted, and whatever `setup` throws
 */
export async function runSetup(
  exports: ModuleExports,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  const setup = readHandler(exports, "setup");
  if (setup === null) return;
  const late = `setup() took longer than ${timeoutMs / 1000} s: it must end before the plugin serves`;
  await withDeadline(setup(), timeoutMs, late, signal);
}

/**
 * Calls the `teardown` that a plugin exports, if it does, and waits for it.
 *
 * @throws Error after `timeoutMs`, and whatever `teardown` throws
 */
export async function runTeardown(exports: ModuleExports, timeoutMs: number): Promise<void> {
  const teardown = readHandler(exports, "teardown");
  if (teardown === null) return;
  await withDeadline(teardown(), timeoutMs, `teardown() took longer than ${timeoutMs / 1000} s`);
}

function readHandler(exports: ModuleExports, name: "setup" | "teardown"): (() => unknown) | null {
  const handler = exports[name];
  if (handler === undefined) return null;
  if (typeof handler !== "function") throw new TypeError(`Cannot call "${name}": it is no function`);
  return handler as () => unknown;
}

async function withDeadline(
  work: unknown,
  timeoutMs: number,
  message: string,
  signal?: AbortSignal,
): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(message)), timeoutMs);
  const abort = (): void => reject(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}
