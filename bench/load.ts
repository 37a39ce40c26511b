import { readFileSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const TICK_US = 10_000; // Linux counts processor time in hundredths of a second

/** How a server answers wrk. */
export interface Load {
  /** Requests a second. */
  readonly rate: number;
  /** Processor time of the server's process for one request, in µs; NaN where there is no /proc. */
  readonly processorUs: number;
}

export interface LoadOptions {
  readonly seconds: number;
  /** @default 32 */
  readonly connections?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON with POST. @default the requests are GET */
  readonly body?: object | undefined;
}

/** Puts a path of a server under load; every answer must be 2xx. */
export async function measureServer(
  { url, pid }: { readonly url: string; readonly pid: number },
  path: string,
  options: LoadOptions,
): Promise<Load> {
  const before = processorTimeUs(pid);
  const { rate, count } = await runWrk(url + path, options);
  return { rate, processorUs: (processorTimeUs(pid) - before) / count };
}

/** Processor time that a process has used, all threads, in its own code and in the system's, in µs (Linux). */
export function processorTimeUs(pid: number): number {
  try {
    // After the name, which may hold anything, utime and stime are the 12th and 13th field (proc(5)).
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) * TICK_US;
  } catch {
    return Number.NaN;
  }
}

async function runWrk(url: string, options: LoadOptions): Promise<{ rate: number; count: number }> {
  const { seconds, connections = 32, headers = {}, body } = options;
  const given = Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  const script = body === undefined ? null : await writeScript(body);
  try {
    const posting = script === null ? [] : ["-s", script];
    const args = ["-t1", `-c${connections}`, `-d${seconds}s`, ...posting, ...given, url];
    const wrk = Bun.spawn(["wrk", ...args], { stderr: "inherit" });
    const output = await new Response(wrk.stdout).text();
    const rate = /Requests\/sec:\s+([\d.]+)/.exec(output)?.[1];
    const count = /(\d+) requests in/.exec(output)?.[1];
    if (rate === undefined || count === undefined || output.includes("Non-2xx")) {
      throw new Error(`Cannot measure ${url}:\n${output}`);
    }
    return { rate: Number(rate), count: Number(count) };
  } finally {
    if (script !== null) await rm(script);
  }
}

/** wrk sends what a script in Lua says. */
async function writeScript(body: object): Promise<string> {
  const file = join(tmpdir(), `xcore-bench-${crypto.randomUUID()}.lua`);
  const lines = [
    'wrk.method = "POST"',
    `wrk.body = ${JSON.stringify(JSON.stringify(body))}`,
    'wrk.headers["content-type"] = "application/json"',
  ];
  await writeFile(file, lines.join("\n"));
  return file;
}
