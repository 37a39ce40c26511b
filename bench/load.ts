const CONNECTIONS = 32;

/** Requests a second that a server answers to wrk; every answer must be 2xx. */
export async function measureLoad(
  url: string,
  seconds: number,
  headers: Readonly<Record<string, string>> = {},
): Promise<number> {
  const given = Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  const wrk = Bun.spawn(["wrk", "-t1", `-c${CONNECTIONS}`, `-d${seconds}s`, ...given, url], {
    stderr: "inherit",
  });
  const output = await new Response(wrk.stdout).text();
  const rate = /Requests\/sec:\s+([\d.]+)/.exec(output)?.[1];
  if (rate === undefined || output.includes("Non-2xx")) throw new Error(`Cannot measure ${url}:\n${output}`);
  return Number(rate);
}
