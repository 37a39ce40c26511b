import { readdir, readFile } from "node:fs/promises";
import { createServer } from "node:net";

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

/** Starts a command on a free port and waits for its first answer at `path`. */
export async function startServer(
  command: (port: string) => string[],
  options: { cwd?: string; path?: string } = {},
): Promise<BenchServer> {
  const port = await findFreePort();
  const startedAt = performance.now();
  const child = Bun.spawn(command(String(port)), {
    cwd: options.cwd ?? process.cwd(),
    env: process.env, // as it is by now
    stdio: ["ignore", "ignore", "inherit"],
  });
  const url = `http://127.0.0.1:${port}`;
  while (!(await answers(url + (options.path ?? "/hello")))) {
    if (child.exitCode !== null) throw new Error(`Cannot start ${command(String(port)).join(" ")}`);
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
