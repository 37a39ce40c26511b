import type { Definition } from "./meter.ts";

const FAST = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5];
const USUAL = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const SLOW = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600];

/** Each request that was answered. */
export const REQUESTS = counter("xcore_http_requests_total", "Requests answered", [
  "route",
  "method",
  "status",
]);
/** From its arrival until its handler has answered. */
export const REQUEST_SECONDS = histogram(
  "xcore_http_request_duration_seconds",
  "Time until requests were answered",
  { labels: ["route", "method"], buckets: USUAL },
);

/** Of the plugin that listens. */
export const HOOK_SECONDS = histogram("xcore_hook_handler_duration_seconds", "Time that hook handlers took", {
  labels: ["event"],
  buckets: FAST,
});
/** Those that threw or were late. */
export const HOOK_FAILURES = counter("xcore_hook_failures_total", "Hook handlers that failed", [
  "event",
  "reason",
]);

/** As whoever asks sees it: with its wait for a turn, or for a connection. */
export const QUERY_SECONDS = histogram("xcore_database_query_duration_seconds", "Time that statements took", {
  labels: ["kind"],
  buckets: FAST,
});
/** Those that the database refused, or didn't answer. */
export const QUERY_FAILURES = counter("xcore_database_query_failures_total", "Statements that failed", [
  "kind",
]);
/** Of a database server. */
export const CONNECTIONS = gauge("xcore_database_connections", "Connections to the database server", [
  "state",
]);
/** `database.pool_size`. */
export const CONNECTIONS_MOST = gauge("xcore_database_connections_max", "Connections that there may be", []);
/** Who has no connection yet. */
export const CONNECTIONS_WAITING = gauge(
  "xcore_database_waiting",
  "Statements and transactions that wait for a connection",
  [],
);

/** Tries of jobs. Prometheus has a label `job` of its own. */
export const JOB_SECONDS = histogram("xcore_job_duration_seconds", "Time that tries of jobs took", {
  labels: ["job_name"],
  buckets: SLOW,
});
/** By what came of them. */
export const JOB_RUNS = counter("xcore_job_runs_total", "Tries of jobs that ended", ["job_name", "outcome"]);
/** Of all instances together. */
export const JOBS = gauge("xcore_jobs", "Jobs that are kept, of all instances", ["state"]);
/** Runs of scheduled tasks. */
export const TASK_SECONDS = histogram("xcore_task_duration_seconds", "Time that runs of tasks took", {
  labels: ["task"],
  buckets: SLOW,
});
/** By what came of them. */
export const TASK_RUNS = counter("xcore_task_runs_total", "Runs of tasks that ended", ["task", "outcome"]);

/** By whether the value was there. */
export const CACHE_REQUESTS = counter("xcore_cache_requests_total", "Values asked of the cache", ["result"]);

/** One line for each plugin. */
export const PLUGIN_INFO = gauge("xcore_plugin_info", "Plugins, with what state they are in", [
  "version",
  "state",
]);
/** Each load makes one more. */
export const GENERATION = gauge("xcore_plugin_generation", "Number of the generation that serves", []);
/** Of the generation that serves. */
export const LOAD_SECONDS = gauge("xcore_plugin_load_seconds", "Time that its load took", []);
/** By what came of them. */
export const LOADS = counter("xcore_plugin_loads_total", "Loads and unloads", ["result"]);

/** What runs. */
export const BUILD_INFO = gauge("xcore_build_info", "What runs", ["version", "bun"]);
/** How late a timer was. */
export const LOOP_DELAY = histogram(
  "xcore_event_loop_delay_seconds",
  "How long the event loop was held, looked at each 100 ms since the first scrape",
  { labels: [], buckets: USUAL },
);
/** Of JavaScript. */
export const HEAP = gauge("xcore_heap_bytes", "Memory of JavaScript's objects", ["state"]);
/** The names of these four are those of every Prometheus client. */
export const RESIDENT = gauge("process_resident_memory_bytes", "Resident memory size in bytes", []);
/** Of all threads. */
export const PROCESSOR = counter(
  "process_cpu_seconds_total",
  "Total user and system CPU time in seconds",
  [],
);
/** Since the epoch. */
export const STARTED = gauge(
  "process_start_time_seconds",
  "Start time of the process since unix epoch in seconds",
  [],
);
/** Files and sockets. */
export const OPEN_FILES = gauge("process_open_fds", "Number of open file descriptors", []);
/** One line for each worker. */
export const WORKER_UP = gauge("xcore_worker_up", "Whether a worker has told its figures in time", [
  "worker",
]);

function counter(name: string, help: string, labels: readonly string[]): Definition {
  return { name, help, type: "counter", labels };
}

function gauge(name: string, help: string, labels: readonly string[]): Definition {
  return { name, help, type: "gauge", labels };
}

function histogram(
  name: string,
  help: string,
  options: Required<Pick<Definition, "labels" | "buckets">>,
): Definition {
  return { name, help, type: "histogram", ...options };
}
