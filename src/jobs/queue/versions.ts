import { setImmediate } from "node:timers/promises";
import type { Logger } from "pino";
import { outside } from "../../db/transactions/ambient.ts";
import type { JobVersions } from "../contract/backend.ts";
import type { ClaimedJob } from "../contract/records.ts";
import type { JobDefinition } from "../definition/options.ts";

export interface VersionsOptions {
  readonly backend: JobVersions & { readonly leaseMs: number };
  readonly worker: string;
  readonly log: Logger;
  /** What runs here, by qualified name. */
  readonly definitions: ReadonlyMap<string, JobDefinition>;
}

const FRESH_MS = 1000;
const MOST_LEFT = 10_000;

/**
 * Which versions of jobs other processes run, while plugins are replaced on one instance after another: a job is run by
 * those that it was enqueued for, as long as there are any.
 */
export class Versions {
  readonly #options: VersionsOptions;
  #others: ReadonlyMap<string, ReadonlySet<string>> = new Map();
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | null = null;
  /** Ids of jobs whose version nobody seemed to run. */
  readonly #left = new Set<string>();
  #timer: NodeJS.Timeout | null = null;
  #isNoted = false;
  #telling: Promise<void> = Promise.resolve();
  #isStopped = false;
  #isFailing = false;

  constructor(options: VersionsOptions) {
    this.#options = options;
  }

  /** What runs here has changed: the others are told, from now on again and again. */
  note(): void {
    if (this.#isNoted || this.#isStopped) return;
    this.#isNoted = true;
    outside(() => {
      this.#timer ??= setInterval(() => this.note(), this.#options.backend.leaseMs / 3).unref();
      this.#telling = this.#telling.then(() => this.#tell());
    });
  }

  /** Versions of a name that are left to others. */
  othersOf({ name, version }: JobDefinition): string[] {
    const others = [...(this.#others.get(name) ?? [])].filter((one) => one !== version);
    if (others.length > 0 && !this.#isFresh()) this.#read().catch(() => {}); // they may have gone
    return others;
  }

  /**
   * Whether a job is to be left to others, since they run the version that it was enqueued for. One whose version nobody runs
   * is left to them once: who has just started may not have said yet what it runs.
   */
  async isOfOthers({ id, name, version }: ClaimedJob): Promise<boolean> {
    if (version === null) return false;
    const isKnown = (): boolean => this.#others.get(name)?.has(version) ?? false;
    if (isKnown() && this.#isFresh()) return true;
    try {
      await this.#read();
      if (isKnown()) return true;
      if (this.#left.delete(id) || this.#left.size >= MOST_LEFT) return false;
      this.#left.add(id);
      return true;
    } catch {
      return true; // it is asked again once the database answers
    }
  }

  /** The jobs that were left to this process are everybody's. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#timer ?? undefined);
    await this.#telling;
    if (this.#timer === null) return;
    const { backend, worker } = this.#options;
    await backend.keepVersions(worker, new Map()).catch(() => {}); // what it has said holds for a lease
  }

  #isFresh(): boolean {
    return performance.now() - this.#readAt < FRESH_MS;
  }

  async #tell(): Promise<void> {
    await setImmediate(); // a plugin defines several
    this.#isNoted = false;
    if (this.#isStopped) return;
    const { backend, worker, definitions, log } = this.#options;
    try {
      const versions = new Map([...definitions].map(([name, { version }]) => [name, version]));
      await backend.keepVersions(worker, versions);
      await this.#read();
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing)
        log.warn({ err: error }, "the other instances can't be told which jobs run here; tried again");
      this.#isFailing = true;
    }
  }

  /** Reads what others have said before now: all who ask in one turn of the event loop share it. */
  #read(): Promise<void> {
    return (this.#reading ??= outside(async () => {
      await setImmediate();
      this.#reading = null;
      const { backend, worker } = this.#options;
      this.#others = await backend.readVersions(worker);
      this.#readAt = performance.now();
    }));
  }
}
