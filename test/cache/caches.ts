import pino, { type Logger } from "pino";
import { AppCache, type CacheOptions, type CacheSettings } from "../../src/cache/cache.ts";
import { PrivateServer } from "../faults/private-server.ts";
import { testUnlessMissing } from "../programs.ts";

export const BACKENDS = ["memory", "redis", "memcached"] as const;
export type Backend = (typeof BACKENDS)[number];

const PROGRAMS: Readonly<Record<Backend, string | null>> = {
  memory: null,
  redis: "redis-server",
  memcached: "memcached",
};

/** So long a server may be silent that isn't meant to be away, whatever runs beside the test. */
const PATIENT_MS = 10_000;

/** A line of the log. */
export interface Line {
  readonly level: number;
  readonly msg: string;
}

/** Caches of one application on one backend, each as an instance has it; all are closed at the end. */
export class TestCaches implements AsyncDisposable {
  readonly server: PrivateServer | null;
  readonly lines: Line[] = [];
  readonly log: Logger;
  readonly #backend: Backend;
  readonly #timeoutMs: number;
  readonly #opened: AppCache[] = [];

  private constructor(backend: Backend, server: PrivateServer | null, timeoutMs: number) {
    this.#backend = backend;
    this.#timeoutMs = timeoutMs;
    this.server = server;
    this.log = pino({}, { write: (line: string) => void this.lines.push(JSON.parse(line) as Line) });
  }

  static async start(backend: Backend, timeoutMs = PATIENT_MS): Promise<TestCaches> {
    const server = backend === "memory" ? null : await PrivateServer.start(backend);
    return new TestCaches(backend, server, timeoutMs);
  }

  open(
    settings: Partial<CacheSettings> = {},
    database: CacheOptions["database"] = { onTablesWritten: () => () => {}, tableMakers: null as never },
  ): AppCache {
    const cache = new AppCache({
      settings: {
        backend: this.#backend,
        url: this.server?.url ?? null,
        default_ttl: 300,
        max_entries: 1000,
        maxSize: 64_000_000,
        ...settings,
      },
      appName: "test",
      redisUrl: null,
      log: this.log,
      timeoutMs: this.#timeoutMs,
      database,
    });
    this.#opened.push(cache);
    return cache;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const cache of this.#opened) cache.close();
    await this.server?.[Symbol.asyncDispose]();
  }
}

/** Declares a test on each of the backends. */
export function testOnBackends(
  backends: readonly Backend[],
  name: string,
  run: (caches: TestCaches, backend: Backend) => Promise<void>,
): void {
  for (const backend of backends) {
    const program = PROGRAMS[backend];
    const missing = program === null || Bun.which(program) !== null ? null : program;
    const start = async (): Promise<void> => {
      await using caches = await TestCaches.start(backend);
      await run(caches, backend);
    };
    testUnlessMissing(missing, `${name} (${backend})`, start, 120_000);
  }
}

/** A function that counts its calls and returns when it is told to. */
export class Work<T> {
  calls = 0;
  #waiting: { resolve: (value: T) => void; reject: (error: unknown) => void }[] = [];
  #called = Promise.withResolvers<void>();

  readonly run = (): Promise<T> => {
    this.calls += 1;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#waiting.push({ resolve, reject });
    this.#called.resolve();
    this.#called = Promise.withResolvers();
    return promise;
  };

  /** Resolves once it has been called that often. */
  async called(times: number): Promise<void> {
    // oxlint-disable-next-line no-await-in-loop -- one call after another
    while (this.calls < times) await this.#called.promise;
  }

  resolve(value: T): void {
    for (const { resolve } of this.#waiting.splice(0)) resolve(value);
  }

  /** Only the one that was called first. */
  resolveFirst(value: T): void {
    this.#waiting.shift()?.resolve(value);
  }

  reject(error: unknown): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}
