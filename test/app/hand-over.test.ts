import { expect, setDefaultTimeout, test } from "bun:test";
import { askToHandOver } from "../../src/app/command-channel.ts";
import { loadConfig } from "../../src/config/load.ts";
import { xcore, XcoreServer } from "../cli/xcore-process.ts";
import { DatagramSocket } from "../native/datagrams.ts";
import { type Files, TestFolder } from "../setup.ts";
import { askConstantly } from "./constant-clients.ts";

setDefaultTimeout(120_000);

const onLinux = test.skipIf(process.platform !== "linux");
const CONFIG = { server: { port: 0 } };
const PLUGIN = `import { createRouter, log } from "xcore";
const opened = Promise.withResolvers<void>();
process.on("SIGUSR2", () => opened.resolve());
export default createRouter()
  .get("/", () => String(process.pid))
  .get("/slow", async () => { log.info("answering"); await opened.promise; return String(process.pid); });
`;
const FILES: Files = {
  "config.json": CONFIG,
  "plugins/x/plugin.json": { name: "x", version: "1.0.0" },
  "plugins/x/run.ts": PLUGIN,
};

/** A server and those that have taken over from it. */
class Line implements AsyncDisposable {
  readonly folder: TestFolder;
  readonly first: XcoreServer;

  private constructor(folder: TestFolder, first: XcoreServer) {
    this.folder = folder;
    this.first = first;
  }

  static async start(env: Record<string, string> = {}): Promise<Line> {
    const folder = await TestFolder.create(FILES);
    return new Line(folder, await XcoreServer.start(folder, { args: ["serve"], env }));
  }

  async ask(path: string): Promise<string> {
    const response = await this.first.fetch(path, { keepalive: false });
    return response.text();
  }

  restart() {
    return xcore(this.folder, ["service", "restart", "--json"]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const [, pid] of this.first.output.matchAll(/"msg":"process (\d+) takes over"/g)) {
      try {
        process.kill(Number(pid), "SIGKILL");
      } catch {
        // It has handed over as well.
      }
    }
    await this.first[Symbol.asyncDispose]();
    await this.folder[Symbol.asyncDispose]();
  }
}

onLinux(
  "a restart refuses nobody and cuts nobody off, and the service manager knows which process counts",
  async () => {
    const name = `@xcore-test-${crypto.randomUUID()}`;
    using manager = await DatagramSocket.open(name);
    await using line = await Line.start({ NOTIFY_SOCKET: name, WATCHDOG_USEC: "900000" });
    const { first } = line;
    expect(await manager.waitFor("READY=1")).toContain(`STATUS=Listening on ${first.url}`);
    await manager.waitFor("WATCHDOG=1");
    const { promise: slow, resolve } = Promise.withResolvers<Promise<string>>();
    await first.after(() => resolve(line.ask("/x/slow")), /"msg":"answering"/);

    const finish = askConstantly({ url: first.url, path: "/x", fresh: 8, kept: 8 });
    const second = JSON.parse((await line.restart()).stdout) as { pid: number };
    process.kill(first.pid, "SIGUSR2");
    expect(await slow).toBe(String(first.pid));
    expect(await first.exited).toBe(0);
    const third = JSON.parse((await line.restart()).stdout) as { pid: number };
    const { answers, failures } = await finish();
    expect(failures).toEqual([]);
    expect(answers).toBeGreaterThan(100);
    expect(new Set([first.pid, second.pid, third.pid]).size).toBe(3);
    expect(await line.ask("/x")).toBe(String(third.pid));

    const [named] = manager.received.flatMap((text, index) => (text.startsWith("MAINPID=") ? index : []));
    expect(manager.received[named ?? -1]).toBe(`MAINPID=${second.pid}`);
    await manager.waitFor("READY=1", named);
    await manager.waitFor(`MAINPID=${third.pid}`);
    expect(manager.received.join("\n")).not.toContain("STOPPING");
    // The port is nobody else's again.
    const { port } = new URL(first.url);
    expect((await xcore(line.folder, ["serve", "--port", port])).stderr).toContain("the port is in use");
    process.kill(third.pid, "SIGTERM");
    await manager.waitFor("STOPPING=1");
  },
);

onLinux("a process that can't take over ends, and the one before goes on and says why", async () => {
  await using line = await Line.start();
  const { first, folder } = line;
  const loaded = loadConfig({ cwd: folder.path, env: {} });
  const refused = async (): Promise<string> => {
    const problem = await askToHandOver(loaded, { steadyMs: 0 }).then(() => "", String);
    expect(await line.ask("/x")).toBe(String(first.pid));
    return problem;
  };
  const beginToHandOver = async () => {
    const from = first.output.length;
    const handingOver = askToHandOver(loaded, { steadyMs: 60_000 }).catch(String);
    const [, answering = ""] = await first.waitFor(/"msg":"process (\d+) answers/, from);
    expect(await line.ask("/x")).toBe(answering);
    return { pid: Number(answering), handingOver };
  };
  await first.after(
    () => folder.write({ "config.json": { server: { port: 0, hots: 1 } } }),
    /The running configuration stays/,
  );
  expect(await refused()).toMatch(
    /Cannot hand over to a new process: the new process says: [^]*server\.hots/,
  );
  await folder.write({ "config.json": CONFIG });

  const broken = () => folder.write({ "plugins/x/run.ts": "throw new Error('no');" });
  await first.after(broken, /"plugin":"x"[^\n]*failed/);
  const { code, stderr } = await line.restart();
  expect(code).toBe(1);
  expect(stderr).toContain("plugins that serve can't in the new process: x; logs/manager.log says why");
  await first.after(
    () => folder.write({ "plugins/x/run.ts": `${PLUGIN}//` }),
    /"msg":"plugin (?:re)?loaded"/,
  );

  // One that has taken over, and ends before the other relies on it.
  const { pid: killed, handingOver } = await beginToHandOver();
  await first.after(() => process.kill(killed, "SIGKILL"), /nothing is handed over: this process goes on/);
  expect(await handingOver).toMatch(/the new process ended by SIGKILL, \d+\.\d s after it took over/);
  expect(await line.ask("/x")).toBe(String(first.pid));

  // Both end when the one is told to that the other has come from.
  const { pid: ended, handingOver: again } = await beginToHandOver();
  first.kill("SIGTERM");
  expect(await again).toContain("this server is told to stop");
  expect(await first.exited).toBe(0);
  expect(() => process.kill(ended, 0)).toThrow("ESRCH");
});

test("xcore service restart says so where no server runs", async () => {
  await using folder = await TestFolder.create();
  const { code, stderr } = await xcore(folder, ["service", "restart"]);
  expect(code).toBe(1);
  expect(stderr).toContain("none runs for this project");
});
