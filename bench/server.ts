import { createServer } from "node:net";

/** A server under measurement, in a process of its own. */
export interface BenchServer {
  readonly url: string;
  readonly pid: number;
  /** Milliseconds from the start of the process to its first answer. */
  readonly firstAnswerMs: number;
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
    stdio: ["ignore", "ignore", "inherit"],
  });
  const url = `http://127.0.0.1:${port}`;
  while (!(await answers(url + (options.path ?? "/hello")))) {
    if (child.exitCode !== null) throw new Error(`Cannot start ${command(String(port)).join(" ")}`);
  }
  return {
    url,
    pid: child.pid,
    firstAnswerMs: performance.now() - startedAt,
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
