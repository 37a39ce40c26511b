import { readdir } from "node:fs/promises";
import type { WorkerChannel, WorkerFigures } from "../../cluster/worker-process.ts";
import type { Driver } from "../../db/contract/driver.ts";
import { createJobDesk, JOB_STATES } from "../../jobs/admin/desk.ts";
import { hasEnded } from "../../jobs/contract/records.ts";
import type { Jobs } from "../../jobs/jobs.ts";
import * as defined from "../../metrics/definitions.ts";
import {
  type Family,
  type Reading,
  toFamilies,
  type Told,
  writeExposition,
} from "../../metrics/exposition.ts";
import type { Definition, Meter } from "../../metrics/meter.ts";
import type { PluginManager } from "../../plugins/manager.ts";
import { measureLoopDelay } from "./loop-delay.ts";
import type { Monitoring } from "./monitoring.ts";

export interface FigureSources {
  readonly monitoring: Monitoring;
  readonly version: string;
  readonly plugins: Pick<PluginManager, "list">;
  readonly database: Driver;
  readonly jobs: Jobs;
  /** Null for the only process. */
  readonly worker: WorkerPlace | null;
}

/** This process as one of those that answer together. */
export interface WorkerPlace extends Pick<WorkerChannel, "askOthers" | "onAsked"> {
  readonly number: number;
}

type Owner = Pick<Meter, "plugin" | "hash">;

/** The figures of this process, and of those that answer together with it. Made when somebody first asks. */
export class Figures {
  readonly #sources: FigureSources;

  constructor(sources: FigureSources) {
    this.#sources = sources;
    measureLoopDelay(sources.monitoring.metrics.core);
  }

  /** All, in the text format of Prometheus. */
  async write(): Promise<string> {
    const { worker } = this.#sources;
    const asked = worker?.askOthers() ?? [];
    const [own, shared, others] = await Promise.all([this.own(), this.#readJobs(), asked]);
    const told = toTold(others);
    const mine = { worker: worker?.number ?? null, families: own };
    // What all have together is nobody's own.
    const common = { worker: null, families: shared };
    if (worker === null) return writeExposition([mine, common]);
    return writeExposition([mine, ...told, this.#toUp(worker.number, told, others), common]);
  }

  /** What this process has counted, and how it is. */
  async own(): Promise<Family[]> {
    const { metrics } = this.#sources.monitoring;
    return toFamilies(metrics, [
      ...(await this.#readProcess(metrics.core)),
      ...this.#readConnections(metrics.core),
      ...metrics.all().flatMap(readCache),
      ...this.#readPlugins(),
    ]);
  }

  async #readProcess(core: Owner): Promise<Reading[]> {
    const { user, system } = process.cpuUsage();
    const { rss, heapTotal, heapUsed } = process.memoryUsage();
    const files = await readdir("/proc/self/fd").catch(() => null);
    return [
      read(core, defined.BUILD_INFO, 1, [this.#sources.version, Bun.version]),
      read(core, defined.RESIDENT, rss),
      read(core, defined.HEAP, heapUsed, ["used"]),
      read(core, defined.HEAP, heapTotal, ["total"]),
      read(core, defined.PROCESSOR, (user + system) / 1_000_000),
      read(core, defined.STARTED, (performance.timeOrigin || Date.now()) / 1000),
      ...(files === null ? [] : [read(core, defined.OPEN_FILES, files.length)]),
    ];
  }

  #readConnections(core: Owner): Reading[] {
    const counts = this.#sources.database.connections?.();
    if (counts === undefined) return [];
    const { busy, idle, coming, most, waiting } = counts;
    return [
      read(core, defined.CONNECTIONS, busy, ["busy"]),
      read(core, defined.CONNECTIONS, idle, ["idle"]),
      read(core, defined.CONNECTIONS, coming, ["connecting"]),
      read(core, defined.CONNECTIONS_MOST, most),
      read(core, defined.CONNECTIONS_WAITING, waiting),
    ];
  }

  #readPlugins(): Reading[] {
    const { monitoring, plugins } = this.#sources;
    return plugins.list().flatMap(({ name, state, manifest, current }) => {
      const owner =
        current === null ? { plugin: name, hash: "none" } : monitoring.metrics.meterOf(name, current.hash);
      const version = (current?.manifest ?? manifest)?.version ?? "";
      const info = read(owner, defined.PLUGIN_INFO, 1, [version, state]);
      if (current === null) return [info];
      return [
        info,
        read(owner, defined.GENERATION, current.number),
        read(owner, defined.LOAD_SECONDS, current.loadMs / 1000),
      ];
    });
  }

  /** Those that have not ended, and those that are dead: what is done says nothing, and is much to count. */
  async #readJobs(): Promise<Family[]> {
    const { jobs, monitoring } = this.#sources;
    if (!jobs.isLoaded) return [];
    const desk = createJobDesk(await jobs.backend());
    const states = JOB_STATES.filter((state) => state === "dead" || !hasEnded(state));
    const counts = await Promise.all(
      states.map(async (state) => {
        const { total } = await desk.list({ state }, { page: 1, per_page: 1 });
        return read(monitoring.metrics.core, defined.JOBS, total ?? 0, [state]);
      }),
    ).catch(() => []); // the rest is wanted most when the database is away
    return toFamilies({ all: () => [] }, counts);
  }

  #toUp(worker: number, told: readonly Told[], others: readonly WorkerFigures[]): Told {
    const { core } = this.#sources.monitoring.metrics;
    const answered = new Set([worker, ...told.map((one) => one.worker)]);
    const lines = [worker, ...others.map((one) => one.worker)].map((number) => ({
      plugin: core.plugin,
      hash: core.hash,
      values: [String(number)],
      value: answered.has(number) ? 1 : 0,
    }));
    return { worker: null, families: [{ ...defined.WORKER_UP, lines }] };
  }
}

function read(
  { plugin, hash }: Owner,
  definition: Definition,
  value: number,
  values: readonly string[] = [],
): Reading {
  return { definition, plugin, hash, values, value };
}

function readCache(meter: Meter): Reading[] {
  const { hits, stale, misses } = meter.cache;
  if (hits + misses === 0) return [];
  return [
    read(meter, defined.CACHE_REQUESTS, hits - stale, ["hit"]),
    read(meter, defined.CACHE_REQUESTS, stale, ["stale"]),
    read(meter, defined.CACHE_REQUESTS, misses, ["miss"]),
  ];
}

function toTold(others: readonly WorkerFigures[]): Told[] {
  return others.flatMap(({ worker, figures }) =>
    figures === null ? [] : [{ worker, families: figures as Family[] }],
  );
}
