import { expect } from "bun:test";
import { readdir } from "node:fs/promises";
import { X509Certificate } from "node:crypto";
import { connect, type TLSSocket } from "node:tls";
import { join } from "node:path";
import { askToHandOver } from "../../src/app/command-channel.ts";
import { loadConfig } from "../../src/config/load.ts";
import { xcore, XcoreServer } from "../cli/xcore-process.ts";
import { parseExposition } from "../metrics/parse-exposition.ts";
import { PrivateServer } from "../faults/private-server.ts";
import { testWithProgram } from "../programs.ts";
import { type Files, TestFolder } from "../setup.ts";
import { makeCertificate, type TestCertificate } from "../web/listening/certificates.ts";

const test = (name: string, run: () => Promise<void>): void =>
  testWithProgram("redis-server", name, run, 120_000);

const WORKERS = ["serve", "--port", "0", "--workers", "2"];
const FILES: Files = {
  // As many files as it takes: a line that is missing is lost.
  "config.json": {
    logging: { max_bytes: 50_000, backup_count: 500 },
    monitoring: { allowed_addresses: ["127.0.0.1"] },
  },
  "plugins/x/plugin.json": { name: "x", version: "1.0.0" },
  "plugins/x/run.ts": `import { createRouter, log } from "xcore";
export default createRouter()
  .get("/", () => String(process.pid))
  .get("/slow", async () => { log.info("answering"); await Bun.sleep(1500); return "whole"; })
  .get("/never", async () => { log.info("hanging"); await new Promise(() => {}); });
`,
};

const ANY_CERTIFICATE: BunFetchRequestInit = { tls: { rejectUnauthorized: false } };

/** Two workers on a Redis of their own. */
class Workers implements AsyncDisposable {
  readonly folder: TestFolder;
  readonly server: XcoreServer;
  readonly #disposals: AsyncDisposableStack;

  private constructor(folder: TestFolder, server: XcoreServer, disposals: AsyncDisposableStack) {
    this.folder = folder;
    this.server = server;
    this.#disposals = disposals;
  }

  static async start(files = FILES): Promise<Workers> {
    await using disposals = new AsyncDisposableStack();
    const redis = disposals.use(await PrivateServer.start("redis"));
    const folder = disposals.use(await TestFolder.create(files));
    const server = disposals.use(
      await XcoreServer.start(folder, { args: WORKERS, env: { REDIS_URL: redis.url } }),
    );
    await server.waitFor(/"msg":"2 workers listen on /);
    return new Workers(folder, server, disposals.move());
  }

  /** Asks by a connection of its own. */
  async ask(path: string): Promise<string> {
    const response = await this.server.fetch(path, {
      keepalive: false,
      headers: { connection: "close" },
      ...ANY_CERTIFICATE,
    });
    if (!response.ok) throw new Error(`${path} was answered with ${response.status}`);
    return response.text();
  }

  /** Asks until as many processes have answered; returns their ids. */
  async pids(count = 2): Promise<string[]> {
    const pids = new Set<string>();
    // oxlint-disable-next-line no-await-in-loop -- until the other has had one
    while (pids.size < count) pids.add(await this.ask("/x"));
    return [...pids].toSorted();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#disposals.disposeAsync();
  }
}

function toFiles({ cert, key }: TestCertificate): Files {
  return { "cert.pem": cert, "key.pem": key };
}

/** Asks all the time, by new connections and by ones that are kept: returns how many were answered, and what failed. */
function askAlways(workers: Workers): () => Promise<{ answers: number; failures: unknown[] }> {
  const failures: unknown[] = [];
  let answers = 0;
  let isOver = false;
  const askKept = async (): Promise<string> => {
    const response = await workers.server.fetch("/x", ANY_CERTIFICATE);
    return response.text();
  };
  const clients = [...Array.from({ length: 6 }, () => () => workers.ask("/x")), askKept, askKept].map(
    async (ask) => {
      while (!isOver) {
        try {
          // oxlint-disable-next-line no-await-in-loop -- one request after another
          await ask();
          answers += 1;
        } catch (error) {
          failures.push(error);
        }
      }
    },
  );
  return async () => {
    isOver = true;
    await Promise.all(clients);
    return { answers, failures };
  };
}

/** Values of the figures of a kind, by worker. */
async function readFigures(workers: Workers, name: string): Promise<Record<string, number>> {
  const { samples = [] } = parseExposition(await workers.ask("/metrics")).get(name) ?? {};
  const own = samples.filter(({ labels }) => labels["plugin"] === "x" || labels["route"] === undefined);
  return Object.fromEntries(own.map(({ labels, value }) => [labels["worker"] ?? "", value]));
}

/** The lines of all the log files of the workers, by worker. */
async function readLogs(folder: TestFolder): Promise<Map<string, { worker?: number; path?: string }[]>> {
  const logs = join(folder.path, "logs");
  const names = await readdir(logs, { recursive: true });
  const byFolder = new Map<string, { worker?: number; path?: string }[]>();
  for (const name of names.filter((one) => /^worker-\d+\/(?:app|access)\.log/.test(one))) {
    // oxlint-disable-next-line no-await-in-loop
    const text = await Bun.file(join(logs, name)).text();
    const lines = text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as { worker?: number });
    const [key = ""] = name.split("/");
    byFolder.set(key, [...(byFolder.get(key) ?? []), ...lines]);
  }
  return byFolder;
}

test("workers refuse what they can't share, and a port that is another's", async () => {
  await using folder = await TestFolder.create();
  const alone = await xcore(folder, WORKERS);
  expect(alone).toMatchObject({ code: 1, stdout: "" });
  expect(alone.stderr).toStartWith("Cannot run 2 workers: ");
  expect(alone.stderr).toContain("set redis.url (or REDIS_URL), or server.workers to 1");
  expect((await xcore(folder, ["serve", "--workers", "0"])).code).toBe(2);
  expect((await xcore(folder, ["serve", "--port", "0", "--worker", "1"])).stderr).toContain(
    "Cannot run as a worker",
  );

  await using workers = await Workers.start();
  const { port } = new URL(workers.server.url);
  const taken = await xcore(folder, ["serve", "--port", port, "--workers", "2"], {
    env: { REDIS_URL: "redis://127.0.0.1:1" },
  });
  expect(taken.code).toBe(1);
  expect(taken.stderr).toContain(`Cannot listen on 127.0.0.1:${port}: the port is in use`);
});

test("SIGHUP and xcore service restart replace the workers one at a time, and no request fails or lacks its line in the log", async () => {
  await using workers = await Workers.start();
  const { server, folder } = workers;
  const before = await workers.pids();
  const finish = askAlways(workers);
  await server.after(() => server.kill("SIGHUP"), /"msg":"the workers are replaced"/);
  const restarted = await xcore(folder, ["service", "restart"]);
  expect(restarted).toMatchObject({ code: 0, stdout: `Process ${server.pid} serves now\n` });
  const { answers, failures } = await finish();
  expect(failures).toEqual([]);
  expect(answers).toBeGreaterThan(100);
  const after = await workers.pids();
  expect(after.filter((pid) => before.includes(pid))).toEqual([]);

  const links = [...server.output.matchAll(/(\/auth\/setup\?token=\S+)/g)].map(([, link = ""]) => link);
  expect(links).toHaveLength(3); // one of the start, and of each round
  for (let round = 0; round < 8; round += 1) {
    // oxlint-disable-next-line no-await-in-loop -- each worker has some
    expect(await workers.ask(links.at(-1) ?? "")).toContain("<form");
  }
  const counted = await workers.pids();
  server.kill("SIGTERM");
  expect(await server.exited).toBe(0);
  const logs = await readLogs(folder);
  for (const [name, lines] of logs) {
    expect(new Set(lines.map(({ worker }) => `worker-${worker}`))).toEqual(new Set([name]));
  }
  const requests = [...logs.values()].flat().filter(({ path }) => path === "/x");
  expect(requests.length).toBeGreaterThanOrEqual(answers + counted.length);
  const shown = server.output.match(/"path":"\/x"[^\n]*"worker":\d/g) ?? [];
  expect(shown).toHaveLength(requests.length);
});

test("a worker that is killed is started again, later each time that it fails, and the other answers", async () => {
  await using workers = await Workers.start();
  const { server, folder } = workers;
  const [killed = "", kept = ""] = await workers.pids();
  await server.after(
    () => process.kill(Number(killed), "SIGKILL"),
    /ended by SIGKILL; it is started again in 0\.1 s[^]*"msg":"listening on /,
  );
  expect(await workers.pids()).toContain(kept);

  const loaded = loadConfig({ cwd: folder.path, env: {} });
  // With this nobody can start: no worker is replaced, and a killed one fails until it is mended.
  const broken: Files = { "config.json": { nonsense: true } };
  await server.after(
    () => folder.write(broken),
    /The running configuration stays[^]*The running configuration stays/,
  );
  await server.after(
    () => server.kill("SIGHUP"),
    /was to replace worker \d, ended with exit code 1: those that run go on/,
  );
  const refused = await askToHandOver(loaded, { steadyMs: 0 }).catch(String);
  expect(refused).toContain("Cannot replace the workers: ");
  const [next = ""] = (await workers.pids()).filter((pid) => pid !== kept);
  await server.after(
    () => process.kill(Number(next), "SIGKILL"),
    /ended with exit code 1; it is started again in 0\.2 s[^]*again in 0\.4 s[^]*again in 0\.8 s/,
  );
  expect(await workers.ask("/x")).toBe(kept);
  await server.after(() => folder.write(FILES), /"msg":"listening on /);
  expect(await workers.pids()).toContain(kept);

  server.kill("SIGKILL");
  await server.exited;
  for (;;) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- until they have noticed
      await workers.ask("/x");
    } catch (error) {
      if (/refused/i.test(String((error as { code?: string }).code))) break;
    }
  }
});

test("/metrics of any worker has the figures of all; SIGTERM stops them once their requests are answered, and a second one at once", async () => {
  await using first = await Workers.start();
  await first.pids();
  // Whichever of them is asked tells of all, each by its number.
  for (let asked = 0; asked < 4; asked += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after another: either may answer
    expect(await readFigures(first, "xcore_worker_up")).toEqual({ 1: 1, 2: 1 });
  }
  const requests = await readFigures(first, "xcore_http_requests_total");
  const logs = [...(await readLogs(first.folder)).values()].flat();
  expect(Object.keys(requests)).toEqual(["1", "2"]);
  expect(Object.values(requests).reduce((sum, count) => sum + count)).toBe(
    logs.filter(({ path }) => path === "/x").length,
  );
  const { promise, resolve } = Promise.withResolvers<Promise<string>>();
  await first.server.after(() => resolve(first.ask("/x/slow")), /"msg":"answering"/);
  first.server.kill("SIGTERM");
  expect(await promise).toBe("whole");
  expect(await first.server.exited).toBe(0);

  await using second = await Workers.start();
  const { server } = second;
  await server.after(() => void second.ask("/x/never").catch(() => {}), /"msg":"hanging"/);
  await server.after(
    () => server.kill("SIGTERM"),
    /"worker":\d,"reason":"SIGTERM"[^]*"worker":\d,"reason":"SIGTERM"/,
  );
  const again = setInterval(() => server.kill("SIGTERM"), 300); // one that comes at once is taken for an echo
  expect(await server.exited).toBe(143);
  clearInterval(again);
});

test("all workers take a renewed certificate, one after another, and no request fails", async () => {
  const [first, second] = await Promise.all([makeCertificate(), makeCertificate()]);
  await using workers = await Workers.start({
    ...FILES,
    "config.json": { server: { tls: { cert: "cert.pem", key: "key.pem" } } },
    ...toFiles(first),
  });
  const { server, folder } = workers;
  const before = await workers.pids();
  const finish = askAlways(workers);
  await server.after(
    () => folder.write(toFiles(second)),
    /another certificate is shown[^]*another certificate is shown/,
  );
  const { answers, failures } = await finish();
  expect(failures).toEqual([]);
  expect(answers).toBeGreaterThan(50);
  expect(await workers.pids()).toEqual(before);
  const { hostname, port } = new URL(server.url);
  for (let round = 0; round < 8; round += 1) {
    // oxlint-disable-next-line no-await-in-loop -- each worker has some
    const socket = await new Promise<TLSSocket>((resolve) => {
      const opened = connect({ host: hostname, port: Number(port), rejectUnauthorized: false }, () =>
        resolve(opened),
      );
    });
    expect(socket.getPeerCertificate().fingerprint256).toBe(new X509Certificate(second.cert).fingerprint256);
    socket.destroy();
  }
});
