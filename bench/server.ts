import { $ } from "bun";
import { readdir, readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";

/** One client makes all the load. It is counted all the same. */
const UNLIMITED = {
  XCORE_SERVER__RATE_LIMIT__ANONYMOUS_PER_MINUTE: "1000000000",
  XCORE_SERVER__RATE_LIMIT__AUTHENTICATED_PER_MINUTE: "1000000000",
};
const LONGEST_START_MS = 120_000; // a thousand plugins take four seconds
const limited = new Map<string, boolean>();

/** A server under measurement, in a process of its own. */
export interface BenchServer {
  readonly url: string;
  readonly pid: number;
  /** Milliseconds from the start of the process to its first answer. */
  readonly firstAnswerMs: number;
  /** Processor time of its threads until then, in ms: the same on a machine that others keep busy (Linux). */
  readonly firstAnswerCpuMs: number;
  stop(): Promise<void>;
}

/** The plugin of `startWithNotes`: its `schema.ts` and `run.ts`, and a path that answers once all is ready. */
export interface NotesOptions {
  readonly schema: string;
  readonly router: string;
  readonly config?: object;
  readonly path: string;
}

/** Starts a command on a free port and waits for its first answer at `path`. */
export async function startServer(
  command: (port: string) => string[],
  options: { cwd?: string; path?: string } = {},
): Promise<BenchServer> {
  const port = await findFreePort();
  const [program = ""] = command("");
  const unlimited = (await hasLimits(program)) ? UNLIMITED : {};
  const startedAt = performance.now();
  const child = Bun.spawn(command(String(port)), {
    cwd: options.cwd ?? process.cwd(),
    env: { ...process.env, ...unlimited }, // as it is by now
    stdio: ["ignore", "ignore", "inherit"],
  });
  const url = `http://127.0.0.1:${port}`;
  const path = options.path ?? "/hello";
  while (!(await answers(url + path))) {
    const isLate = performance.now() - startedAt > LONGEST_START_MS;
    if (isLate) child.kill();
    if (isLate || child.exitCode !== null)
      throw new Error(`Cannot start ${command(String(port)).join(" ")}: ${path} isn't answered`);
  }
  const firstAnswerMs = performance.now() - startedAt;
  return {
    url,
    pid: child.pid,
    firstAnswerMs,
    firstAnswerCpuMs: await readProcessorMs(child.pid),
    async stop() {
      child.kill();
      await child.exited;
    },
  };
}

/**
 * Starts an executable in a new project with one plugin, `notes`, whose migration it generates first.
 *
 * @param project absolute path of a folder that isn't there yet
 */
export async function startWithNotes(
  program: string,
  project: string,
  { schema, router, config = {}, path }: NotesOptions,
): Promise<BenchServer> {
  const plugin = join(project, "plugins", "notes");
  await Bun.write(join(project, "config.json"), JSON.stringify(config));
  await Bun.write(join(plugin, "plugin.json"), JSON.stringify({ name: "notes", version: "1.0.0" }));
  await Bun.write(join(plugin, "schema.ts"), schema);
  await Bun.write(join(plugin, "run.ts"), router);
  const generated = Bun.spawn([program, "db", "generate", "notes", "--yes"], {
    cwd: project,
    env: { ...process.env }, // as it is by now
    stdio: ["ignore", "ignore", "inherit"],
  });
  if ((await generated.exited) !== 0) throw new Error("Cannot generate the migration of the notes");
  return startServer((port) => [program, "--port", port], { cwd: project, path });
}

/** Resident memory of a process in MB (Linux). */
export async function residentMb(pid: number): Promise<number> {
  const status = await Bun.file(`/proc/${pid}/status`).text();
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1000;
}

/** Processor time of a process and its threads in ms, which schedstat counts in ns (proc(5)). */
async function readProcessorMs(pid: number): Promise<number> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const times = threads.map(async (thread) => {
    const text = await readFile(`/proc/${pid}/task/${thread}/schedstat`, "utf8").catch(() => "0");
    return Number.parseInt(text, 10) / 1e6;
  });
  return (await Promise.all(times)).reduce((sum, ms) => sum + ms, 0);
}

/** Whether a program limits its clients: an executable of before refuses the settings of that. */
async function hasLimits(program: string): Promise<boolean> {
  const known = limited.get(program);
  if (known !== undefined) return known;
  const { stdout } = await $`${program} config schema`.quiet().nothrow();
  const has = stdout.includes('"rate_limit"');
  limited.set(program, has);
  return has;
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    await Bun.sleep(1);
    return false;
  }
}

async function findFreePort(): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const probe = createServer().listen(0, "127.0.0.1", () => {
    const address = probe.address();
    probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
  });
  return promise;
}
