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
import { METHODS } from "../../metrics/requests.ts";
import { createTemplateFinder, type TemplateRoute } from "../../metrics/route-templates.ts";
import { readTraceparent, type SpanStart, toJobPlace, type Tracing } from "../../metrics/tracing.ts";
import type { Mount } from "../../web/mounts.ts";
import { pathOf } from "../../web/request-path.ts";
import type { OtlpOptions } from "./otlp.ts";
import { executableDigest } from "../../plugins/build/executable.ts";

/** Measures what the slices do, each of which has its work go through a function of this. */
export class Monitoring {
  readonly metrics: Metrics;
  /** Null where nobody wants traces. */
  readonly tracing: Tracing | null;

  constructor(hash: string, tracing: Tracing | null) {
    this.metrics = new Metrics(hash);
    this.tracing = tracing;
  }

  readonly aroundHook: NonNullable<HookBusOptions["around"]> = async ({ source, event }, call) => {
    const start = { name: `hook ${event}`, kind: "internal", attributes: this.#of(source) } as const;
    const result = await this.#run(start, call, ({ status }) => (status === "ok" ? null : status));
    const meter = this.metrics.of(source);
    meter.histogram(HOOK_SECONDS, event).observe(result.duration_ms / 1000);
    const { status } = result;
    if (status === "threw" || status === "timed_out") meter.counter(HOOK_FAILURES, event, status).value += 1;
    return result;
  };

  readonly aroundJob: AroundJob = async ({ id, name, attempt }, run) => {
    const startedAt = performance.now();
    const attributes = {
      ...this.#of(splitName(name).plugin),
      "xcore.job.id": id,
      "xcore.job.attempt": attempt,
    };
    const start = { name: `job ${name}`, kind: "consumer", attributes, parent: toJobPlace(id) } as const;
    const outcome = await this.#run(start, run, (ended) =>
      ended?.as === "completed" ? null : (ended?.as ?? "abandoned"),
    );
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
    const start = { name: `task ${name}`, kind: "internal", attributes: this.#of(plugin) } as const;
    const error = await this.#run(start, run, (failure) => (failure === null ? null : "failed"));
    const meter = this.metrics.of(plugin);
    const { name: task } = splitName(name);
    meter.histogram(TASK_SECONDS, task).observe((performance.now() - startedAt) / 1000);
    meter.counter(TASK_RUNS, task, error === null ? "completed" : "failed").value += 1;
    return error;
  };

  /** Returns what answers the requests of a mount, with each of them a span. */
  traceRequests(meter: Meter, fetch: Mount["fetch"], routes: () => readonly TemplateRoute[]): Mount["fetch"] {
    const { tracing } = this;
    if (tracing === null) return fetch;
    const find = createTemplateFinder(routes);
    const attributes = toAttributes(meter);
    return (request) => {
      const { method, headers, url } = request;
      const route = find(method, pathOf(url));
      const shown = METHODS.has(method) ? method : "OTHER";
      return tracing.run(
        {
          name: route === null ? shown : `${shown} ${route}`,
          kind: "server",
          attributes: {
            ...attributes,
            "http.request.method": shown,
            ...(route !== null && { "http.route": route }),
          },
          parent: readTraceparent(headers.get("traceparent")),
        },
        (span) => {
          const note = (response: Response | undefined): Response | undefined => {
            const status = response?.status ?? 101;
            span.set("http.response.status_code", status);
            if (status >= 500) span.fail(String(status));
            return response;
          };
          const answer = fetch(request);
          return answer instanceof Promise ? answer.then(note) : note(answer);
        },
      );
    };
  }

  /** Notes in the trace of whoever enqueues a job in which trace that is run. */
  readonly noteEnqueued = (jobs: readonly { readonly id: string; readonly name: string }[]): void => {
    const { tracing } = this;
    if (tracing === null) return;
    for (const { id, name } of jobs) {
      const place = toJobPlace(id);
      const attributes = { ...this.#of(splitName(name).plugin), "xcore.job.id": id };
      const start = {
        name: `enqueue ${name}`,
        kind: "producer",
        attributes,
        links: place === null ? [] : [place],
      } as const;
      tracing.run(start, () => {});
    }
  };

  #of(plugin: string | null): SpanStart["attributes"] {
    return toAttributes(this.metrics.of(plugin));
  }

  /** @param toFailure says what kind of failure a result is; null for none */
  #run<T>(start: SpanStart, run: () => Promise<T>, toFailure: (result: T) => string | null): Promise<T> {
    if (this.tracing === null) return run();
    return this.tracing.run(start, async (span) => {
      const result = await run();
      const failure = toFailure(result);
      if (failure !== null) span.fail(failure);
      return result;
    });
  }

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
    const attributes = toAttributes(meter);
    const trace: QueryWatch = (_kind, sql, run) =>
      this.tracing === null ? run() : this.tracing.run(toQuerySpan(sql, attributes), run);
    return (kind, sql, run) => {
      const startedAt = performance.now();
      const note = (): void =>
        meter.histogram(QUERY_SECONDS, kind).observe((performance.now() - startedAt) / 1000);
      const running = trace(kind, sql, run);
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
export async function createMonitoring(
  { config }: LoadedConfig,
  options: Pick<OtlpOptions, "version" | "log">,
): Promise<Monitoring | null> {
  const { enabled, otlp_endpoint: endpoint } = config.monitoring;
  if (!enabled) return null;
  const { createOtlpTracing } = endpoint === null ? { createOtlpTracing: null } : await import("./otlp.ts");
  const tracing =
    createOtlpTracing?.({ ...options, endpoint: endpoint ?? "", appName: config.app.name }) ?? null;
  return new Monitoring(executableDigest ?? "development", tracing);
}

function toAttributes({ plugin, hash }: Meter): SpanStart["attributes"] {
  return { "xcore.plugin": `${plugin}@${hash}` };
}

/** What a statement does and to which table: its text may hold what plugins have pasted into it. */
function toQuerySpan(sql: string, attributes: SpanStart["attributes"]): SpanStart {
  const verb = /^[\s(]*([a-z]{1,20})\b/i.exec(sql)?.[1]?.toUpperCase() ?? "SQL";
  const table = /\b(?:from|into|update)\s+["`]?([a-z_]\w{0,63})\b/i.exec(sql)?.[1];
  return {
    name: table === undefined ? verb : `${verb} ${table}`,
    kind: "client",
    attributes: {
      ...attributes,
      "db.operation.name": verb,
      ...(table !== undefined && { "db.collection.name": table }),
    },
  };
}
