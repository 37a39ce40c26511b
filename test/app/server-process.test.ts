import { expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { symlinkSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Files, TestFolder } from "../setup.ts";
import { XCORE } from "../cli/xcore-command.ts";
import { xcore, XcoreServer } from "../cli/xcore-process.ts";

setDefaultTimeout(120_000);

const CONFIG = { server: { port: 0 } };
const SERVE = { args: ["serve"] };

/** A plugin whose entry starts with the usual import; `code` is the rest. */
function pluginFiles(name: string, code: string): Files {
  return {
    [`plugins/${name}/plugin.json`]: { name, version: "1.0.0" },
    [`plugins/${name}/run.ts`]: `import { config, createRouter, log } from "xcore";\n${code}\n`,
  };
}

const SLOW = pluginFiles(
  "slow",
  `const opened = Promise.withResolvers<void>();
  export function teardown() { log.info("teardown ran"); }
  export default createRouter()
    .get("/answer", async () => { log.info("answering"); await opened.promise; return "whole"; })
    .get("/stream", async function* () { yield "first "; log.info("streaming"); await opened.promise; yield "last"; })
    .get("/never", async () => { log.info("hanging"); await new Promise(() => {}); })
    .ws("/socket", { open(ws) { ws.send("hello"); } })
    .get("/pid", () => process.pid);
  process.on("SIGUSR2", () => opened.resolve());`,
);

test("without database.auto_migrate the server waits for xcore db migrate, and starts after it", async () => {
  await using folder = await TestFolder.create({ "config.json": { database: { auto_migrate: false } } });
  const refused = await xcore(folder, ["serve", "--port", "0"]);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain('run "xcore db migrate"');
  expect(refused.stderr).not.toContain("    at ");
  expect((await xcore(folder, ["db", "migrate"])).code).toBe(0);
  await using server = await XcoreServer.start(folder);
  expect(server.output).toContain("/auth/setup?token=");
  expect((await server.fetch("/auth/me")).status).toBe(401);
});

test("the server starts in an empty folder, with folders of its own for data and logs", async () => {
  await using folder = await TestFolder.create();
  await using server = await XcoreServer.start(folder);
  expect((await server.fetch("/")).status).toBe(200);
  expect((await server.fetch("/health")).status).toBe(200);
  expect((await readdir(folder.path)).toSorted()).toEqual(["data", "logs"]);
  server.kill("SIGTERM");
  expect(await server.exited).toBe(0);
  expect(await Bun.file(join(folder.path, "logs/app.log")).text()).toContain('"msg":"stopped"');
});

test("the server exits with 1 and says what to do when the port is in use", async () => {
  await using folder = await TestFolder.create();
  await using server = await XcoreServer.start(folder);
  const { port } = new URL(server.url);
  const { code, stderr } = await xcore(folder, ["serve", "--port", port]);
  expect(code).toBe(1);
  expect(stderr).toBe(
    `Cannot listen on 127.0.0.1:${port}: the port is in use; stop the other program, ` +
      "or choose another port with --port or server.port\n",
  );
});

test.each(["203.0.113.1", "no-such-host.invalid"])(
  "the server exits with 1 and says what to do when it can't listen on %s",
  async (host) => {
    await using folder = await TestFolder.create();
    const { code, stderr } = await xcore(folder, ["serve", "--port", "0", "--host", host]);
    expect(code).toBe(1);
    expect(stderr).toStartWith(`Cannot listen on ${host}:0: `);
    expect(stderr).toContain("choose another with --host or server.host");
  },
);

test("the server exits with 1 and every problem when config.json is broken", async () => {
  await using folder = await TestFolder.create({
    "config.json": { server: { port: "x" }, logging: { lvel: 1 } },
  });
  const { code, stderr } = await xcore(folder, ["serve"]);
  expect(code).toBe(1);
  expect(stderr).toContain("2 problems");
  expect(stderr).toContain("server.port");
  expect(stderr).toContain("logging.lvel");
});

test("the server goes on when config.json is broken while it runs, and logs the problems", async () => {
  await using folder = await TestFolder.create({ "config.json": CONFIG });
  await using server = await XcoreServer.start(folder, SERVE);
  const broken = { server: { port: 0, hots: 1 }, app: { name: 5 } };
  await server.after(() => folder.write({ "config.json": broken }), /The running configuration stays/);
  expect(server.output).toContain("2 problems");
  expect(server.output).toContain("app.name");
  expect((await server.fetch("/health")).status).toBe(200);
  await server.after(
    () => folder.write({ "config.json": { ...CONFIG, app: { name: "Mended" } } }),
    /configuration applied/,
  );
  expect(await (await server.fetch("/")).text()).toContain("Mended");
});

test.each(["missing", "empty"])("a config.json that is %s changes nothing, and is told of", async (how) => {
  await using folder = await TestFolder.create({ "config.json": { ...CONFIG, app: { name: "Shop" } } });
  await using server = await XcoreServer.start(folder, SERVE);
  const vacate = () =>
    how === "missing" ? folder.remove("config.json") : folder.write({ "config.json": "" });
  const told = server.waitFor(/has been missing or empty for 3 s: the running configuration stays/);
  await vacate();
  // What the signal asks for comes after whatever the change has led to.
  await server.after(() => server.kill("SIGHUP"), /SIGHUP: nothing to apply/);
  expect(await (await server.fetch("/")).text()).toContain("Shop");
  const mended = { ...CONFIG, app: { name: "Mended" } };
  await server.after(() => folder.write({ "config.json": mended }), /configuration applied/);
  expect(await (await server.fetch("/")).text()).toContain("Mended");
  expect(server.output).not.toMatch(/has been missing|running configuration stays/);
  await vacate();
  await told;
  expect(await (await server.fetch("/")).text()).toContain("Mended");
});

test.each([
  ["config.json", "a pipe"],
  [".env", "a pipe"],
  ["config.json", "/dev/zero"],
  ["config.json", "a file of 32 MB"],
])("%s that becomes %s holds nobody up", async (name, what) => {
  await using folder = await TestFolder.create({ "config.json": { ...CONFIG, app: { name: "Shop" } } });
  await using server = await XcoreServer.start(folder, SERVE);
  const path = join(folder.path, name);
  await folder.remove(name);
  if (what === "a pipe") spawnSync("mkfifo", [path]);
  else if (what === "/dev/zero") symlinkSync(what, path);
  else await folder.write({ [name]: `{"app":{"name":"${"x".repeat(32e6)}"}}` });
  await server.after(() => server.kill("SIGHUP"), /Cannot use [^\n]*The running configuration stays/);
  await server.after(() => server.kill("SIGHUP"), /SIGHUP: nothing to apply/);
  expect(await (await server.fetch("/")).text()).toContain("Shop");
  await folder.remove(name);
  const mended = { ...CONFIG, app: { name: "Mended" } };
  await server.after(() => folder.write({ "config.json": mended }), /configuration applied/);
});

test("a server without a config.json applies one that comes", async () => {
  await using folder = await TestFolder.create();
  await using server = await XcoreServer.start(folder);
  await server.after(
    () => folder.write({ "config.json": { app: { name: "Shop" } } }),
    /configuration applied/,
  );
  expect(await (await server.fetch("/")).text()).toContain("Shop");
});

test("SIGHUP reads the configuration again, .env too; SIGUSR1 and SIGUSR2 do nothing", async () => {
  await using folder = await TestFolder.create();
  await using server = await XcoreServer.start(folder);
  server.kill("SIGUSR1");
  server.kill("SIGUSR2");
  await server.after(() => server.kill("SIGHUP"), /SIGHUP: nothing to apply/);
  await folder.write({ ".env": "XCORE_APP__NAME=Shop" });
  await server.after(() => server.kill("SIGHUP"), /configuration applied/);
  expect(await (await server.fetch("/")).text()).toContain("Shop");
  server.kill("SIGTERM");
  expect(await server.exited).toBe(0);
});

test("the server applies a changed config.json live", async () => {
  const code = 'export default createRouter().get("/", () => config.greeting ?? "none");';
  const others = Object.entries(pluginFiles("other", code)).map(([name, content]) => [
    name.replace("plugins/", "modules/"),
    content,
  ]);
  await using folder = await TestFolder.create({
    "config.json": CONFIG,
    ...pluginFiles("greeter", code),
    ...Object.fromEntries(others),
  });
  await using server = await XcoreServer.start(folder, SERVE);
  const change = (config: object): Promise<unknown> =>
    server.after(() => folder.write({ "config.json": config }), /configuration applied/);
  expect(await (await server.fetch("/greeter")).text()).toBe("none");

  await change({ server: { port: 0, cors: { allow_origins: ["https://a.example"] } } });
  const headers = { origin: "https://a.example" };
  const response = await server.fetch("/health", { headers });
  expect(response.headers.get("access-control-allow-origin")).toBe("https://a.example");

  await change({ ...CONFIG, plugins: { settings: { greeter: { greeting: "hi" } } } });
  expect(await (await server.fetch("/greeter")).text()).toBe("hi");
  expect((await server.fetch("/health", { headers })).headers.get("access-control-allow-origin")).toBeNull();

  await change({ ...CONFIG, plugins: { directory: "modules" } });
  expect((await server.fetch("/greeter")).status).toBe(404);
  expect(await (await server.fetch("/other")).text()).toBe("none");
});

test("the server applies a changed logging.level live", async () => {
  const code = 'export default createRouter().get("/", () => { log.debug("a detail"); return "ok"; });';
  await using folder = await TestFolder.create({ "config.json": CONFIG, ...pluginFiles("chatty", code) });
  await using server = await XcoreServer.start(folder, SERVE);
  await server.fetch("/chatty");
  const detailed = { ...CONFIG, logging: { level: "debug" } };
  await server.after(() => folder.write({ "config.json": detailed }), /configuration applied/);
  expect(server.output).not.toContain("a detail");
  await server.after(() => server.fetch("/chatty"), /a detail/);
});

test("the server says which keys need a restart, and no longer when they are as they were", async () => {
  await using folder = await TestFolder.create({ "config.json": CONFIG });
  await using server = await XcoreServer.start(folder, SERVE);
  const changed = {
    app: { name: "other", data_directory: "other" },
    server: { port: 9, host: "::1", watchdog_timeout: 60, workers: 2 },
    database: {
      url: "sqlite:other.db",
      pool_size: 3,
      statement_timeout: 5,
      transaction_timeout: 5,
      durability: "normal",
      echo: true,
    },
    security: { session_max_days: 5 },
    cache: { max_entries: 5 },
    redis: { url: "redis://localhost:1" },
    logging: { directory: "elsewhere", console: false, max_bytes: 100_000, backup_count: 2 },
    jobs: { concurrency: 2 },
    storage: { backend: "s3", s3: { bucket: "files", access_key_id: "id", secret_access_key: "secret" } },
    backups: { schedule: "30 2 * * *" },
  };
  const [line] = await server.after(
    () => folder.write({ "config.json": changed }),
    /"msg":"restart to apply.*\n(.*\n)*.*configuration applied/,
  );
  expect(line).toContain(
    '"restart to apply: app.name, app.data_directory, server.host, server.port, server.workers, server.watchdog_timeout, database.url, ' +
      "database.pool_size, database.durability, database.statement_timeout, database.transaction_timeout, " +
      "database.echo, security, cache, redis, storage.backend, backups.schedule, logging.directory, logging.console, logging.max_bytes, " +
      'logging.backup_count"',
  );
  expect((await server.fetch("/health")).status).toBe(200);
  const from = server.output.length;
  await server.after(() => folder.write({ "config.json": CONFIG }), /configuration applied/);
  expect(server.output.slice(from)).not.toContain("restart to apply");
});

test("SIGTERM lets requests and streams under way finish, runs teardown and flushes the logs", async () => {
  await using folder = await TestFolder.create(SLOW);
  await using server = await XcoreServer.start(folder);
  const answer = server.fetch("/slow/answer");
  const stream = server.fetch("/slow/stream");
  await Promise.all([server.waitFor(/answering/), server.waitFor(/streaming/)]);
  await server.after(() => server.kill("SIGTERM"), /"msg":"stopping"/);
  server.kill("SIGUSR2");
  expect(await (await answer).text()).toBe("whole");
  expect(await (await stream).text()).toBe("first last");
  expect(await server.exited).toBe(0);
  const log = await Bun.file(join(folder.path, "logs/app.log")).text();
  expect(log).toContain("teardown ran");
  expect(log).toContain('"msg":"stopped"');
  expect(await Bun.file(join(folder.path, "logs/access.log")).text()).toMatch(
    /"path":"\/slow\/answer","status":200/,
  );
});

test("SIGHUP stops the server when its terminal is closed, and not before", async () => {
  await using folder = await TestFolder.create();
  let output = "";
  let written = Promise.withResolvers<void>();
  const terminal = {
    data(_: Bun.Terminal, bytes: Uint8Array) {
      output += new TextDecoder().decode(bytes);
      written.resolve();
    },
  };
  const { PATH = "", HOME = "" } = process.env;
  const server = Bun.spawn([...XCORE, "serve", "--port", "0"], {
    cwd: folder.path,
    env: { PATH, HOME },
    terminal,
  });
  const shows = async (text: string): Promise<void> => {
    while (!output.includes(text)) {
      written = Promise.withResolvers();
      // oxlint-disable-next-line no-await-in-loop -- until it is there
      await written.promise;
    }
  };
  await shows("listening on");
  server.kill("SIGHUP");
  await shows("nothing to apply");
  server.terminal?.close();
  expect(await server.exited).toBe(0);
  expect(await Bun.file(join(folder.path, "logs/app.log")).text()).toContain('"reason":"SIGHUP"');
});

test("stopping ends within server.shutdown_timeout in all, whatever hangs", async () => {
  const hanging = pluginFiles(
    "hanging",
    `import { db, hooks } from "xcore";
    import { sql } from "drizzle-orm";
    const never = new Promise(() => {});
    hooks.on("server.stopping", () => never, { timeout_ms: 60_000 });
    export async function teardown() { log.info("teardown begins"); await never; }
    export default createRouter()
      .get("/never", async () => { log.info("hanging"); await never; })
      .get("/transaction", () => db.transaction(async (tx) => {
        await tx.execute(sql\`create table hanging (id int)\`);
        log.info("in a transaction");
        await never;
      }));`,
  );
  const config = { "config.json": { server: { port: 0, shutdown_timeout: 3 } } };
  await using folder = await TestFolder.create({ ...hanging, ...config });
  await using server = await XcoreServer.start(folder, SERVE);
  const answers = ["never", "transaction"].map((path) =>
    server.fetch(`/hanging/${path}`).then(
      () => "answered",
      () => "cut off",
    ),
  );
  await Promise.all([server.waitFor(/"hanging"/), server.waitFor(/in a transaction/)]);
  const startedAt = performance.now();
  server.kill("SIGTERM");
  expect(await server.exited).toBe(0);
  expect(performance.now() - startedAt).toBeLessThan(6000); // less than twice that
  expect(await Promise.all(answers)).toEqual(["cut off", "cut off"]);
  const log = await Bun.file(join(folder.path, "logs/app.log")).text();
  expect(log).toContain("teardown begins");
  expect(log).toContain('"msg":"stopped"');
});

const eventStream = (value: number) =>
  pluginFiles(
    "events",
    `import { sse } from "elysia";
    export default createRouter().get("/", async function* () { yield sse("${value}"); await new Promise(() => {}); });`,
  );

test("open streams of events end as soon as the server stops, of a generation that drains too", async () => {
  await using folder = await TestFolder.create(eventStream(1));
  await using server = await XcoreServer.start(folder);
  const open = async () => {
    const reader = (await server.fetch("/events")).body?.getReader();
    await reader?.read();
    return reader;
  };
  const old = await open();
  await server.after(() => folder.write(eventStream(2)), /plugin reloaded/);
  const readers = [old, await open()];
  const startedAt = performance.now();
  server.kill("SIGTERM");
  for (const reader of readers) expect(await reader?.read()).toMatchObject({ done: true });
  expect(await server.exited).toBe(0);
  expect(performance.now() - startedAt).toBeLessThan(5000);
});

test.each(["SIGTERM", "SIGINT"] as const)(
  "%s ends an idle server whose clients keep connections",
  async (signal) => {
    await using folder = await TestFolder.create(SLOW);
    await using server = await XcoreServer.start(folder);
    await (await server.fetch("/slow/pid")).text();
    const socket = new WebSocket(`${server.url.replace("http", "ws")}/slow/socket`);
    const closed = Promise.withResolvers<number>();
    socket.addEventListener("close", ({ code }) => closed.resolve(code));
    await new Promise((resolve) => socket.addEventListener("message", resolve, { once: true }));
    const startedAt = performance.now();
    server.kill(signal);
    expect(await closed.promise).toBe(1012);
    expect(await server.exited).toBe(0);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  },
);

test.each([
  ["SIGTERM", 143],
  ["SIGINT", 130],
] as const)("a second %s ends the process at once, with its logs flushed", async (signal, code) => {
  await using folder = await TestFolder.create(SLOW);
  await using server = await XcoreServer.start(folder);
  const answer = server.fetch("/slow/never").catch(() => "cut");
  await server.waitFor(/hanging/);
  await server.after(() => server.kill("SIGTERM"), /"msg":"stopping"/);
  // The first half second of them counts as one: npx passes on what the terminal has sent already.
  const repeat = setInterval(() => server.kill(signal), 50);
  expect(await server.exited).toBe(code);
  clearInterval(repeat);
  expect(await answer).toBe("cut");
  expect(await Bun.file(join(folder.path, "logs/app.log")).text()).toContain('"msg":"stopping"');
});

test("an error in a plugin's timer is logged with the plugin's file and line, and ends nothing", async () => {
  const code = `
    export default createRouter()
      .get("/throw", () => { setTimeout(() => { throw new Error("late throw"); }, 0); return "ok"; })
      .get("/reject", () => { void Promise.reject(new TypeError("late reject")); return "ok"; })
      .get("/odd", () => { void Promise.reject("just text"); return "ok"; });`;
  await using folder = await TestFolder.create(pluginFiles("late", code));
  await using server = await XcoreServer.start(folder);
  const [thrown] = await server.after(() => server.fetch("/late/throw"), /.*uncaught error.*/);
  expect(thrown).toContain("late throw");
  expect(thrown).toContain('"plugin":"late","generation":1');
  expect(thrown).toContain("plugins/late/run.ts:4:");
  const [rejected] = await server.after(() => server.fetch("/late/reject"), /.*uncaught error.*/);
  expect(rejected).toContain("late reject");
  expect(rejected).toContain('"plugin":"late","generation":1');
  expect(rejected).toContain("plugins/late/run.ts:5:");
  await server.after(() => server.fetch("/late/odd"), /just text.*uncaught error/);
  expect((await server.fetch("/health")).status).toBe(200);
});

test("an error in a plugin's timer ends nothing while the server drains", async () => {
  const code = `
    let ticks = 0;
    const opened = Promise.withResolvers<void>();
    process.on("SIGUSR2", () => { setInterval(() => { ticks += 1; if (ticks === 5) opened.resolve(); throw new Error("tick"); }, 1); });
    export default createRouter().get("/", async () => { log.info("answering"); await opened.promise; return "whole"; });`;
  await using folder = await TestFolder.create(pluginFiles("ticker", code));
  await using server = await XcoreServer.start(folder);
  const answer = server.fetch("/ticker");
  await server.waitFor(/answering/);
  await server.after(() => server.kill("SIGTERM"), /"msg":"stopping"/);
  server.kill("SIGUSR2");
  expect(await (await answer).text()).toBe("whole");
  expect(await server.exited).toBe(0);
});

test("a plugins directory that is created while the server runs is picked up", async () => {
  await using folder = await TestFolder.create();
  await using server = await XcoreServer.start(folder);
  await server.after(async () => {
    await mkdir(join(folder.path, "plugins"));
    await folder.write(pluginFiles("late", 'export default createRouter().get("/", () => "there");'));
  }, /plugin loaded/);
  expect(await (await server.fetch("/late")).text()).toBe("there");
});

test("the server serves and says so when its logs can't be written", async () => {
  await using folder = await TestFolder.create({ logs: "a file where the folder should be" });
  await using server = await XcoreServer.start(folder);
  expect(server.output).toMatch(/Cannot write log file .*logs\/app\.log/);
  expect((await server.fetch("/health")).status).toBe(200);
  server.kill("SIGTERM");
  expect(await server.exited).toBe(0);
});

test("the server serves when no plugin of it can be loaded", async () => {
  await using folder = await TestFolder.create(pluginFiles("broken", "throw new Error('boom')"));
  await writeFile(join(folder.path, "plugins/README.md"), "not a plugin");
  await using server = await XcoreServer.start(folder);
  expect(server.output).toContain("plugin failed: plugins/broken/run.ts:2: Error: boom");
  expect((await server.fetch("/broken")).status).toBe(503);
  expect(await (await server.fetch("/health")).json()).toMatchObject({ status: "degraded" });
});
