import { isNull } from "drizzle-orm";
import type { Logger } from "pino";
import type { Database } from "../../db/contract/database.ts";
import { outside } from "../../db/transactions/ambient.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import type { JobDefinition, Jobs } from "../../jobs/jobs.ts";

export interface BackgroundImportsOptions {
  readonly jobs: Pick<Jobs, "register">;
  readonly store: { readonly db: Database; readonly tables: CoreTables };
  readonly log: Logger;
  /** Whether imports are done in this process. */
  readonly isWorker: boolean;
  /** How often it is looked whether any wait, in ms. @default 5000 */
  readonly lookMs?: number;
}

const LOOK_MS = 5000;
const PURGE_MS = 3_600_000;
/** As long as jobs that have failed. */
const KEPT_MS = 30 * 86_400_000;

/**
 * Has imports be done by jobs once there are any: until then nothing of the queue is loaded for them. One that an instance has left is
 * found by all others.
 */
export class BackgroundImports {
  readonly #options: BackgroundImportsOptions;
  /** The jobs of resources, and what takes back that they run here. */
  readonly #definitions = new Map<JobDefinition, (() => void) | null>();
  /** The last that each account has begun; null is nobody known. */
  readonly #begun = new Map<number | null, Promise<unknown>>();
  #isNeeded = false;
  #timer: NodeJS.Timeout | null = null;
  #purgedAt = Number.NEGATIVE_INFINITY;
  #isFailing = false;

  constructor(options: BackgroundImportsOptions) {
    this.#options = options;
  }

  /** Has imports of a resource be done here, until the undo is called. */
  add(definition: JobDefinition): () => void {
    const { jobs, isWorker, lookMs = LOOK_MS } = this.#options;
    if (!isWorker) return () => {};
    this.#definitions.set(definition, this.#isNeeded ? jobs.register(definition) : null);
    if (this.#timer === null)
      outside(() => {
        this.#timer = setInterval(() => void this.#look(), lookMs).unref();
        void this.#look();
      });
    return () => {
      this.#definitions.get(definition)?.();
      this.#definitions.delete(definition);
      if (this.#definitions.size > 0) return;
      clearInterval(this.#timer ?? undefined);
      this.#timer = null;
    };
  }

  /** Imports wait, or are about to. */
  need(): void {
    if (this.#isNeeded) return;
    this.#isNeeded = true;
    for (const definition of this.#definitions.keys())
      this.#definitions.set(definition, this.#options.jobs.register(definition));
  }

  /** Begins what an account asks for once what it asked for before is there to be counted. */
  async begin<T>(userId: number | null, work: () => Promise<T>): Promise<T> {
    const before = this.#begun.get(userId) ?? Promise.resolve();
    const begun = before.then(work, work);
    this.#begun.set(userId, begun);
    try {
      return await begun;
    } finally {
      if (this.#begun.get(userId) === begun) this.#begun.delete(userId);
    }
  }

  async #look(): Promise<void> {
    const { store, log } = this.#options;
    const { resourceImports } = store.tables;
    try {
      if (!this.#isNeeded) {
        const { id, ended_at } = resourceImports;
        const [open] = await store.db.select({ id }).from(resourceImports).where(isNull(ended_at)).limit(1);
        if (open !== undefined) this.need();
      }
      if (performance.now() - this.#purgedAt > PURGE_MS) {
        this.#purgedAt = performance.now();
        const { ImportStore } = await import("./store.ts");
        await new ImportStore(store.db, store.tables).purge(new Date(Date.now() - KEPT_MS));
      }
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing && this.#timer !== null)
        log.warn({ err: error }, "it can't be looked for imports now; tried again");
      this.#isFailing = true;
    }
  }
}
