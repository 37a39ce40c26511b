import { LOOP_DELAY } from "../../metrics/definitions.ts";
import type { Meter } from "../../metrics/meter.ts";

const EVERY_MS = 100;

/** Measures from now on how late the event loop is with what is due; it keeps no process alive. */
export function measureLoopDelay(meter: Meter): void {
  const delays = meter.histogram(LOOP_DELAY);
  let dueAt = performance.now() + EVERY_MS;
  setInterval(() => {
    const now = performance.now();
    delays.observe(Math.max(0, now - dueAt) / 1000);
    dueAt = now + EVERY_MS;
  }, EVERY_MS).unref();
}
