import type { LoadedConfig } from "../../config/load.ts";
import type { QueryWatch } from "../../db/contract/statements.ts";
import type { HookBus, HookBusOptions } from "../../hooks/bus.ts";
import { splitName } from "../../jobs/definition/options.ts";
import type { AroundJob } from "../../jobs/jobs.ts";
import type { AroundTask } from "../../jobs/scheduler/scheduler.ts";
import {
  HOOK_FAILURES,
  HOOK_SECONDS,
  JOB_RUNS,
  JOB_SECONDS,
  LOADS,
  QUERY_FAILURES,
  QUERY_SECONDS,
  TASK_RUNS,
  TASK_SECONDS,
} from "../../metrics/definitions.ts";
import type { Meter } from "../../metrics/meter.ts";
import { Metrics } from "../../metrics/metrics.ts";
import type { Figures, FigureSources } from "./figures.ts";
import { executableDigest } from "../../plugins/build/executable.ts";

/** Measures what the slices do, each of which has its work go through a function of this. */
export class Monitoring {
  readonly metrics: Metrics;

  constructor(hash: string) {
    this.metrics = new Metrics(hash);
  }

  readonly aroundHook: NonNullable<HookBusOptions["around"]> = async ({ source, event }, call) => {
    const result = await call();
    const meter = this.metrics.of(source);
    meter.histogram(HOOK_SECONDS, event).observe(result.duration_ms / 1000);
    const { status } = result;
    if (status === "threw" || status === "timed_out") meter.counter(HOOK_FAILURES, event, status).value += 1;
    return result;
  };

  readonly aroundJob: AroundJob = async ({ name }, run) => {
    const startedAt = performance.now();
    const outcome = await run();
    const as = outcome?.as ?? "abandoned";
    // One that is given back wasn't tried.
    if (as === "returned") return outcome;
    const { plugin, name: job } = splitName(name);
    const meter = this.metrics.of(plugin);
    meter.histogram(JOB_SECONDS, job).observe((performance.now() - startedAt) / 1000);
    meter.counter(JOB_RUNS, job, as).value += 1;
    return outcome;
  };

  readonly aroundTask: AroundTask = async ({ name, plugin }, run) => {
    const startedAt = performance.now();
    const error = await run();
    const meter = this.metrics.of(plugin);
    const { name: task } = splitName(name);
    meter.histogram(TASK_SECONDS, task).observe((performance.now() - startedAt) / 1000);
    meter.counter(TASK_RUNS, task, error === null ? "completed" : "failed").value += 1;
    return error;
  };

  /** Counts what becomes of plugins. */
  follow(hooks: Pick<HookBus, "on">): void {
    for (const result of ["loaded", "reloaded", "failed", "unloaded"] as const) {
      hooks.on(`plugin.${result}`, ({ data }) => {
        this.metrics.of(data.name).counter(LOADS, result).value += 1;
      });
    }
  }

  /** Returns what has the statements of the core, or of a version of a plugin, be run. */
  watchQueries(meter: Meter): QueryWatch {
    return (kind, _sql, run) => {
      const startedAt = performance.now();
      const note = (): void =>
        meter.histogram(QUERY_SECONDS, kind).observe((performance.now() - startedAt) / 1000);
      const running = run();
      // SQLite has often read what it is asked for by now.
      if (Bun.peek.status(running) === "fulfilled") note();
      else {
        running.then(note, () => {
          note();
          meter.counter(QUERY_FAILURES, kind).value += 1;
        });
      }
      return running;
    };
  }
}

/** Returns what gives the figures of an app, which are loaded when somebody first asks; null where nothing is measured. */
export function lazyFigures(
  monitoring: Monitoring | null,
  sources: Omit<FigureSources, "monitoring">,
): (() => Promise<Figures>) | null {
  if (monitoring === null) return null;
  let loading: Promise<Figures> | null = null;
  const load = (): Promise<Figures> =>
    (loading ??= import("./figures.ts").then((figures) => new figures.Figures({ ...sources, monitoring })));
  sources.worker?.onAsked(async () => (await load()).own());
  return load;
}

/** Makes what measures an app; null where that is turned off, and nothing of it is paid for. */
export function createMonitoring({ config }: LoadedConfig): Monitoring | null {
  return config.monitoring.enabled ? new Monitoring(executableDigest ?? "development") : null;
}
