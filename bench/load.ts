import { readFileSync } from "node:fs";

const CONNECTIONS = 32;
const TICK_US = 10_000; // Linux counts processor time in hundredths of a second

/** How a server answers wrk. */
export interface Load {
  /** Requests a second. */
  readonly rate: number;
  /** Processor time of the server's process for one request, in µs; NaN where there is no /proc. */
  readonly processorUs: number;
}

/** Puts a path of a server under load; every answer must be 2xx. */
export async function measureServer(
  { url, pid }: { readonly url: string; readonly pid: number },
  path: string,
  seconds: number,
): Promise<Load> {
  const before = processorTimeUs(pid);
  const { rate, count } = await runWrk(url + path, seconds, {});
  return { rate, processorUs: (processorTimeUs(pid) - before) / count };
}

/** Requests a second that a server answers to wrk; every answer must be 2xx. */
export async function measureLoad(
  url: string,
  seconds: number,
  headers: Readonly<Record<string, string>> = {},
): Promise<number> {
  return (await runWrk(url, seconds, headers)).rate;
}

async function runWrk(
  url: string,
  seconds: number,
  headers: Readonly<Record<string, string>>,
): Promise<{ rate: number; count: number }> {
  const given = Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  const wrk = Bun.spawn(["wrk", "-t1", `-c${CONNECTIONS}`, `-d${seconds}s`, ...given, url], {
    stderr: "inherit",
  });
  const output = await new Response(wrk.stdout).text();
  const rate = /Requests\/sec:\s+([\d.]+)/.exec(output)?.[1];
  const count = /(\d+) requests in/.exec(output)?.[1];
  if (rate === undefined || count === undefined || output.includes("Non-2xx")) {
    throw new Error(`Cannot measure ${url}:\n${output}`);
  }
  return { rate: Number(rate), count: Number(count) };
}

/** Processor time that a process has used, all threads, in its own code and in the system's (Linux). */
function processorTimeUs(pid: number): number {
  try {
    // After the name, which may hold anything, utime and stime are the 12th and 13th field (proc(5)).
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) * TICK_US;
  } catch {
    return Number.NaN;
  }
}
