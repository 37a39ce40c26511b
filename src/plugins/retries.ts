import { isPassing } from "../db/migrations/error.ts";
import type { PluginRecord } from "./inventory/record.ts";

const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 60_000;

interface Waiting {
  readonly attempts: number;
  /** Null once it is due. */
  timer: Timer | null;
}

/** Loads plugins again that failed for a passing reason: the database was away, or what they reach by the network. */
export class LoadRetries {
  readonly #onDue: (id: string) => void;
  readonly #waiting = new Map<string, Waiting>();

  /** @param onDue gets the plugin to load again */
  constructor(onDue: (id: string) => void) {
    this.#onDue = onDue;
  }

  /** Notes that a load begins, which ends the waiting: it counts as another attempt only where it is what was waited for. */
  begin(record: PluginRecord): void {
    const isDue = this.#waiting.get(record.id)?.timer === null;
    if (!isDue) this.forget(record);
    record.retryAt = null;
  }

  /** Decides when a plugin is loaded again whose load has failed: `retryAt` of its record says it. */
  plan(record: PluginRecord): void {
    const { id, loadFailure } = record;
    const attempts = (this.#waiting.get(id)?.attempts ?? 0) + 1;
    this.forget(record);
    if (loadFailure === null || !isPassing(loadFailure)) return;
    const ms = Math.min(FIRST_RETRY_MS * 2 ** (attempts - 1), LAST_RETRY_MS);
    const waiting: Waiting = { attempts, timer: null };
    waiting.timer = setTimeout(() => {
      waiting.timer = null;
      this.#onDue(id);
    }, ms).unref();
    this.#waiting.set(id, waiting);
    record.retryAt = new Date(Date.now() + ms);
  }

  /** Nothing is to be waited for any more: the plugin is loaded, disabled or gone. */
  forget(record: PluginRecord): void {
    clearTimeout(this.#waiting.get(record.id)?.timer ?? undefined);
    this.#waiting.delete(record.id);
    record.retryAt = null;
  }

  stop(): void {
    for (const { timer } of this.#waiting.values()) clearTimeout(timer ?? undefined);
    this.#waiting.clear();
  }
}
