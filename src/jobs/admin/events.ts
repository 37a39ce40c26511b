import { sse } from "elysia";
import type { Watchers } from "../queue/watchers.ts";

export interface FollowOptions<Answer> {
  /** Returns what there is to tell of the job; null once it is gone. */
  readonly read: () => Promise<{ readonly answer: Answer; readonly hasEnded: boolean } | null>;
  readonly id: string;
  readonly watchers: Watchers;
  readonly signal: AbortSignal;
}

const EVERY_MS = 1000; // for what another process does
const RETRY_MS = 1000;
const QUIET_MS = 15_000; // a proxy may cut what says nothing for long

/** Tells of a job as server-sent events, `job` at each change, until it has ended. */
export async function* followJob<Answer>({ read, id, watchers, signal }: FollowOptions<Answer>) {
  let told = "";
  let toldAt = performance.now();
  let changed = Promise.withResolvers<void>();
  const wake = (): void => changed.resolve();
  const unwatch = watchers.watch(id, wake);
  signal.addEventListener("abort", wake, { once: true });
  try {
    while (!signal.aborted) {
      /* oxlint-disable no-await-in-loop -- one change after another */
      const found = await read();
      if (found === null) return;
      const text = JSON.stringify(found.answer);
      const now = performance.now();
      if (text !== told || now - toldAt > QUIET_MS) {
        yield sse({ event: "job", data: found.answer, ...(told === "" && { retry: RETRY_MS }) });
        told = text;
        toldAt = now;
      }
      if (found.hasEnded) return;
      const timer = setTimeout(wake, EVERY_MS);
      await changed.promise;
      clearTimeout(timer);
      changed = Promise.withResolvers<void>();
      /* oxlint-enable no-await-in-loop */
    }
  } finally {
    signal.removeEventListener("abort", wake);
    unwatch();
  }
}
