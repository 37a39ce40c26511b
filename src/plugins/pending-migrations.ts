import type { PluginRecord } from "./inventory/record.ts";
import { PendingMigrationsError } from "./runtime/migrate.ts";

const POLL_MS = 1000;

/** Notices when migrations that a plugin waits for have been applied: nothing else tells of `xcore db migrate`. */
export class PendingMigrations {
  readonly #onApplied: (id: string) => void;
  readonly #timers = new Set<Timer>();

  /** @param onApplied gets the plugin whose migrations have been applied, or for which there is no telling any more */
  constructor(onApplied: (id: string) => void) {
    this.#onApplied = onApplied;
  }

  /** Looks now and then whether what a plugin has failed for has been applied, for as long as that is its failure. */
  watch(record: PluginRecord): void {
    const { loadFailure } = record;
    if (!(loadFailure instanceof PendingMigrationsError)) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (record.loadFailure === loadFailure) void this.#look(record, loadFailure);
    }, POLL_MS).unref();
    this.#timers.add(timer);
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  async #look(record: PluginRecord, failure: PendingMigrationsError): Promise<void> {
    const isSettled = await failure.isSettled().catch(() => false);
    if (record.loadFailure !== failure) return;
    if (isSettled) this.#onApplied(record.id);
    else this.watch(record);
  }
}
