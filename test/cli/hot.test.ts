import { expect, setDefaultTimeout, test } from "bun:test";
import { cp, readdir, readFile, readlink, symlink } from "node:fs/promises";
import { join } from "node:path";
import { TestFolder } from "../setup.ts";
import { XcoreServer } from "./xcore-process.ts";

setDefaultTimeout(120_000);

const PROJECT = join(import.meta.dir, "../..");
const COPIED = ["src", "drizzle", "templates", "plugins", "package.json", "tsconfig.json", "bunfig.toml"];
const HOT = { command: [process.execPath, "--hot", "src/index.ts"] };

const PROBE = {
  "plugins/probe/plugin.json": { name: "probe", version: "1.0.0" },
  "plugins/probe/run.ts": `
import { createRouter, log } from "xcore";
const EVENTS = ["SIGTERM", "SIGINT", "uncaughtException", "unhandledRejection", "exit"];
const version = (globalThis as { savedVersion?: string }).savedVersion ?? "as it is"; // when it was loaded
export function teardown() { log.info("probe torn down"); }
export default createRouter()
  .get("/version", () => version)
  .get("/listeners", () => [...EVENTS.map((name) => process.listenerCount(name)), process.stdout.listenerCount("error")]);`,
};

/** A copy of the project, whose sources a test may change. */
async function copyProject(): Promise<TestFolder> {
  const folder = await TestFolder.create();
  for (const name of COPIED) await cp(join(PROJECT, name), join(folder.path, name), { recursive: true });
  await symlink(join(PROJECT, "node_modules"), join(folder.path, "node_modules"));
  await folder.write(PROBE);
  return folder;
}

/** Saves the program with another version in it, which the plugin of the app that it starts then tells. */
async function saveVersion(folder: TestFolder, version: string): Promise<void> {
  const source = await readFile(join(PROJECT, "src/index.ts"), "utf8");
  const changed = source.replace(
    "version: manifest.version",
    `version: ((globalThis as any).savedVersion = "${version}")`,
  );
  expect(changed).not.toBe(source);
  await folder.write({ "src/index.ts": changed });
}

/** Saves the program with another version and waits until that one serves. */
async function swapTo(version: string, folder: TestFolder, server: XcoreServer): Promise<void> {
  const swapped = new RegExp(`"version":"${RegExp.escape(version)}"[^\n]*swapped on`);
  await server.after(() => saveVersion(folder, version), swapped);
}

async function versionOf(server: XcoreServer): Promise<string> {
  return (await server.fetch("/probe/version")).text();
}

test("bun --hot swaps the app when a source changes, and no request fails meanwhile", async () => {
  await using folder = await copyProject();
  await using server = await XcoreServer.start(folder, HOT);
  const client = hammer(server.url);
  for (const version of ["9.0.1", "9.0.2", "9.0.3"]) {
    await swapTo(version, folder, server);
    expect(await versionOf(server)).toBe(version);
  }
  const { answered, failed } = await client.stop();
  expect(failed).toEqual([]);
  expect(answered).toBeGreaterThan(100);
  expect(new Set(server.output.match(/(?:swapped|listening) on http:\/\/[^"]+/g)).size).toBe(2);
});

test("bun --hot leaves no watcher, socket or listener behind when a source changes", async () => {
  await using folder = await copyProject();
  await using server = await XcoreServer.start(folder, HOT);
  const list = async () => ({ handles: await listHandles(server.pid), listeners: await listenersOf(server) });
  let version = 0;
  const swap = () => server.after(() => saveVersion(folder, `9.0.${version++}`), /is disposed of/);
  // The first swap counts as warm-up: Bun opens some files when it first reads sources again.
  await swap();
  let before = await list();
  let after = before;
  // Sources that are first needed meanwhile, and watched from then on, are so once; what is left behind is so each time.
  for (let attempt = 0; attempt < 3; attempt++) {
    before = after;
    for (let round = 0; round < 5; round++) await swap();
    after = await list();
    if (Bun.deepEquals(before, after)) break;
  }
  expect(await versionOf(server)).toBe(`9.0.${version - 1}`);
  expect(after).toEqual(before);
  server.kill("SIGTERM");
  expect(await server.exited).toBe(0);
  expect(server.output.match(/"msg":"stopping"/g)).toHaveLength(1);
});

test("bun --hot swaps one at a time when sources change faster than plugins start", async () => {
  await using folder = await copyProject();
  await folder.write({
    "plugins/slow/plugin.json": { name: "slow", version: "1.0.0" },
    "plugins/slow/run.ts": `
import { createRouter, log } from "xcore";
export async function setup() { await Bun.sleep(300); }
export function teardown() { log.info("slow torn down"); }
export default createRouter().get("/", () => "slow");`,
  });
  await using server = XcoreServer.spawn(folder, { ...HOT, args: ["serve", "--port", "0"] });
  await server.waitFor(/plugin loaded/); // "probe"; "slow" is still in its setup
  await saveVersion(folder, "9.1.0");
  const [, url = ""] = await server.waitFor(/"msg":"listening on (http[^"]+)"/);
  server.url = url;
  await swapTo("9.1.1", folder, server);
  expect(await versionOf(server)).toBe("9.1.1");
  const swaps = server.output.match(/swapped on/g)?.length;
  await server.waitFor(new RegExp(`(slow torn down[^]*){${swaps}}`));
  expect(server.output.match(/slow torn down/g)).toHaveLength(swaps ?? 0);
  expect(await listenersOf(server)).toEqual([1, 1, 1, 1, expect.any(Number), expect.any(Number)]);
});

// The first is loaded with the program, the other when it serves.
test.each(["src/cli/program.ts", "src/web/health.ts"])(
  "bun --hot keeps the app when %s has a syntax error, until it is mended",
  async (file) => {
    await using folder = await copyProject();
    await using server = await XcoreServer.start(folder, HOT);
    await server.fetch("/health");
    const version = await versionOf(server);
    const broken = new RegExp(`${RegExp.escape(file)}:1:`);
    await server.after(() => folder.write({ [file]: "export const = broken" }), broken);
    expect(await versionOf(server)).toBe(version);
    await folder.write({ [file]: await readFile(join(PROJECT, file), "utf8") });
    await swapTo("9.2.0", folder, server);
    expect(await versionOf(server)).toBe("9.2.0");
  },
);

test("bun --hot keeps the app when the new one can't start", async () => {
  await using folder = await copyProject();
  await using server = await XcoreServer.start(folder, HOT);
  const version = await versionOf(server);
  const source = await readFile(join(PROJECT, "src/cli/serve.ts"), "utf8");
  const thrower = `${source}\nthrow new Error("broken at import");\n`;
  await server.after(() => folder.write({ "src/cli/serve.ts": thrower }), /broken at import/);
  expect(await versionOf(server)).toBe(version);

  const broken = { "config.json": { server: { prt: 1 } } };
  await server.after(() => folder.write(broken), /The running configuration stays/);
  await server.after(async () => {
    await folder.write({ "src/cli/serve.ts": source });
    await saveVersion(folder, "9.3.0");
  }, /^Cannot use config\.json/m);
  expect(await versionOf(server)).toBe(version);
  await folder.remove("config.json");
  await swapTo("9.3.1", folder, server);
  expect(await versionOf(server)).toBe("9.3.1");
});

test("plugins go on being swapped after bun --hot has swapped the app", async () => {
  await using folder = await copyProject();
  await using server = await XcoreServer.start(folder, HOT);
  await swapTo("9.4.0", folder, server);
  const run = 'import { createRouter } from "xcore";\nexport default createRouter().get("/", () => "new");\n';
  await server.after(() => folder.write({ "plugins/hello/run.ts": run }), /plugin reloaded/);
  expect(await (await server.fetch("/hello")).text()).toBe("new");
  expect(server.output.match(/plugin reloaded/g)).toHaveLength(1);
});

/** Sends requests one after the other, on a few connections, until it is stopped. */
function hammer(url: string): { stop(): Promise<{ answered: number; failed: string[] }> } {
  let isStopped = false;
  let answered = 0;
  const failed: string[] = [];
  const clients = Array.from({ length: 4 }, async () => {
    while (!isStopped) {
      try {
        const response = await fetch(`${url}/hello`);
        await response.text();
        if (response.ok) answered += 1;
        else failed.push(`status ${response.status}`);
      } catch (error) {
        failed.push(String(error));
      }
    }
  });
  return {
    async stop() {
      isStopped = true;
      await Promise.all(clients);
      return { answered, failed };
    },
  };
}

async function listenersOf(server: XcoreServer): Promise<number[]> {
  return (await (await server.fetch("/probe/listeners")).json()) as number[];
}

/** Files that a process holds open, sockets aside, and what it watches: Linux tells in /proc. */
async function listHandles(pid: number): Promise<{ files: string[]; watched: number }> {
  const files: string[] = [];
  let watched = 0;
  for (const file of await readdir(`/proc/${pid}/fd`)) {
    const target = await readlink(`/proc/${pid}/fd/${file}`).catch(() => "gone");
    if (target === "gone" || target.startsWith("socket:")) continue;
    // What a thread of Bun's bundler waits on: there are as many threads as were busy at once.
    if (target === "anon_inode:[eventfd]" || target === "anon_inode:[eventpoll]") continue;
    // SQLite keeps a closed file for its next opening where closing it would drop the locks of another connection.
    if (/\/app\.db(-wal|-shm)?$/.test(target)) continue;
    files.push(target);
    const info = await readFile(`/proc/${pid}/fdinfo/${file}`, "utf8").catch(() => "");
    watched += info.match(/^inotify /gm)?.length ?? 0;
  }
  return { files: files.toSorted(), watched };
}
