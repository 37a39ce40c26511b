import { describe, expect, test } from "bun:test";
import { Writable } from "node:stream";
import { createLoggers } from "../../src/log/loggers.ts";
import type { Loggers, LoggersOptions } from "../../src/log/loggers.ts";
import { LogFolder, parseLines } from "./log-folder.ts";

class Screen extends Writable {
  text = "";

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }

  get lines(): Record<string, unknown>[] {
    return parseLines(this.text);
  }
}

interface Opened extends AsyncDisposable {
  loggers: Loggers;
  screen: Screen;
  folder: LogFolder;
}

async function open(options: Partial<LoggersOptions> = {}): Promise<Opened> {
  const folder = new LogFolder();
  const screen = new Screen();
  const loggers = await createLoggers({
    level: "info",
    directory: folder.at("logs"),
    console: true,
    max_bytes: 1_000_000,
    backup_count: 2,
    stdout: screen,
    ...options,
  });
  return {
    loggers,
    screen,
    folder,
    async [Symbol.asyncDispose]() {
      await loggers.close();
      folder[Symbol.dispose]();
    },
  };
}

const request = {
  at: Date.now(),
  request_id: "a1",
  method: "GET",
  path: "/",
  status: 200,
  duration_ms: 1,
  plugin: null,
  bytes: null,
  ip_address: "192.0.2.7",
  user_id: null,
  viewer_id: null,
};

describe("createLoggers()", () => {
  test("app, access and manager write to their own files and, in order, to the console", async () => {
    await using opened = await open();
    const { loggers, screen, folder } = opened;
    loggers.app.info({ user: "ann" }, "one");
    loggers.logRequest(request);
    loggers.access.info("access refused");
    loggers.manager.info("two");
    loggers.app.warn("three");
    await loggers.flush();
    expect(folder.lines("logs/app.log")).toMatchObject([
      { level: "info", user: "ann", msg: "one", time: expect.stringMatching(/^\d{4}-.*Z$/) },
      { level: "warn", msg: "three" },
    ]);
    expect(folder.lines("logs/access.log")).toMatchObject([
      { msg: "request", path: "/", ip_address: "192.0.2.7" },
      { level: "info", msg: "access refused" },
    ]);
    expect(folder.lines("logs/manager.log")).toMatchObject([{ level: "info", msg: "two" }]);
    expect(screen.lines.map(({ msg }) => msg)).toEqual(["one", "request", "access refused", "two", "three"]);
    expect(folder.read("logs/app.log")).not.toMatch(/"pid"|"hostname"/);
  });

  test("app writes no file when there is no directory, and nothing to a console that is off", async () => {
    await using silent = await open({ directory: null, console: false });
    silent.loggers.app.error("nowhere");
    silent.loggers.logRequest(request);
    await silent.loggers.flush();
    expect(silent.screen.text).toBe("");
    expect(silent.folder.files()).toEqual({});
  });

  test.each(["error", "fatal"] as const)("app writes at once when the level is %p", async (level) => {
    await using opened = await open();
    opened.loggers.app.info("first");
    opened.loggers.app[level]("broken");
    expect(opened.folder.lines("logs/app.log").map(({ msg }) => msg)).toEqual(["first", "broken"]);
  });

  test("setLevel() changes all loggers, requests and children that exist already", async () => {
    await using opened = await open({ directory: null });
    const { loggers, screen } = opened;
    const child = loggers.app.child({ plugin: "blog" });
    const own = loggers.app.child({}, { level: "info" });
    loggers.setLevel("error");
    child.info("no");
    loggers.manager.warn("no");
    loggers.logRequest({ ...request, status: 503 });
    loggers.setLevel("warn");
    loggers.logRequest(request);
    loggers.logRequest({ ...request, status: 503 });
    loggers.setLevel("debug");
    child.debug("yes");
    own.debug("follows, since it asked for what it had");
    expect(child.level).toBe("debug");
    await loggers.flush();
    // Requests may come a little later than the rest.
    expect(new Set(screen.lines.map(({ msg }) => msg))).toEqual(
      new Set(["request", "yes", "follows, since it asked for what it had"]),
    );
  });

  test("access follows max_bytes and backup_count when much is logged, and rotates no error away", async () => {
    await using opened = await open({ max_bytes: 2000, backup_count: 2 });
    opened.loggers.app.error("how it began");
    for (let index = 0; index < 2000; index++) opened.loggers.logRequest({ ...request, status: 503 });
    await opened.loggers.flush();
    for (const name of ["access.log", "access.log.1", "access.log.2"]) {
      expect(opened.folder.lines(`logs/${name}`).length).toBeGreaterThan(5);
    }
    expect(() => opened.folder.read("logs/access.log.3")).toThrow();
    expect(opened.folder.lines("logs/app.log")).toMatchObject([{ msg: "how it began" }]);
  });

  test("app goes on with the console when the directory can't be made, and says so once", async () => {
    const folder = new LogFolder();
    folder.write("file", "");
    await using opened = await open({ directory: folder.at("file/logs"), console: false, level: "silent" });
    opened.loggers.app.error("lost");
    await opened.loggers.flush();
    expect(opened.screen.lines).toMatchObject([
      {
        level: "error",
        msg: expect.stringMatching(/^Cannot write log file ".*app\.log": .*; its lines are lost until/),
      },
      { level: "error", msg: expect.stringContaining("access.log") },
      { level: "error", msg: expect.stringContaining("manager.log") },
    ]);
    folder[Symbol.dispose]();
  });

  test("close() writes what is left, drops later lines and leaves no listener", async () => {
    const before = process.listenerCount("exit");
    const opened = await open();
    const { loggers, screen, folder } = opened;
    loggers.app.info("last");
    expect(process.listenerCount("exit")).toBe(before + 1);
    await loggers.close();
    await loggers.close();
    loggers.app.error("too late");
    loggers.logRequest(request);
    expect(folder.lines("logs/app.log")).toHaveLength(1);
    expect(screen.lines).toHaveLength(1);
    expect(process.listenerCount("exit")).toBe(before);
    expect(screen.listenerCount("error")).toBe(0);
    folder[Symbol.dispose]();
  });
});

describe("what is logged", () => {
  test("app redacts fields, messages, arguments and the fields of children", async () => {
    await using opened = await open({ directory: null });
    const { app } = opened.loggers;
    app.info({ password: "hunter2" }, "open %s for %o", "db://u:hunter2@h", { token: "hunter2" });
    app.child({ token: "hunter2" }).child({ api_key: "hunter2" }).info("child");
    const bound = app.child({});
    bound.setBindings({ secret: "hunter2" });
    bound.info("db://u:hunter2@h");
    app.error(new Error("db://u:hunter2@h"));
    app.error({ err: new Error("x", { cause: { cookie: "hunter2" } }) });
    await opened.loggers.flush();
    expect(opened.screen.lines).toHaveLength(5);
    expect(opened.screen.text).not.toContain("hunter2");
  });

  test("app writes an error under err, with its message when there is no other", async () => {
    await using opened = await open({ directory: null, mapStack: () => "mapped" });
    opened.loggers.app.error(new TypeError("broken"));
    opened.loggers.app.error(new TypeError("broken"), "Cannot do it");
    await opened.loggers.flush();
    const err = { type: "TypeError", message: "broken", stack: "mapped" };
    expect(opened.screen.lines).toMatchObject([
      { err, msg: "broken" },
      { err, msg: "Cannot do it" },
    ]);
  });

  test("app lets no field pass for another level or time", async () => {
    await using opened = await open({ directory: null });
    opened.loggers.app.info({ level: "fatal", time: "never" }, "x");
    opened.loggers.app.child({ time: "never" }).info("y");
    await opened.loggers.flush();
    expect(opened.screen.lines).toMatchObject([
      { level: "info", level_: "fatal", time_: "never", time: expect.stringContaining("T") },
      { level: "info", time_: "never", time: expect.stringContaining("T") },
    ]);
  });

  test("app never throws and writes one valid line for each call, whatever it is given", async () => {
    await using opened = await open({ directory: null });
    const { app } = opened.loggers;
    const hostile: unknown[] = [
      null,
      undefined,
      1n,
      Symbol("s"),
      () => 1,
      [],
      new Map(),
      new Date(Number.NaN),
      Object.create(null),
      Object.freeze(new Error("frozen")),
      "a\nb\u0000\u001b[31m\u009b\u2028\ud800",
      "%s %d %j %o",
      "x".repeat(1_000_000),
      { toJSON: () => "text" },
      {
        get method(): never {
          throw new Error("getter");
        },
      },
      new Request("http://localhost/", { headers: { cookie: "x" } }),
    ];
    for (const value of hostile) {
      Reflect.apply(app.info, app, [value]);
      Reflect.apply(app.info, app, [{ value }, value]);
      Reflect.apply(app.info, app, [value, "message %s", value]);
      app.child({ value }).info("child");
    }
    await opened.loggers.flush();
    expect(opened.screen.lines).toHaveLength(hostile.length * 4);
    expect(opened.screen.text.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
    expect(opened.screen.text.length).toBeLessThan(300_000);
  });
});

describe("a pretty console", () => {
  test("a request is one short line", async () => {
    await using opened = await open({ pretty: true });
    opened.loggers.logRequest({ ...request, path: "/a", duration_ms: 1.26, plugin: "blog" });
    opened.loggers.logRequest({ ...request, status: 500, path: "/\u001b[31m\n" });
    await opened.loggers.flush();
    expect(opened.screen.text).toMatch(
      /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: GET \/a 200 1\.3 ms blog a1\n\[[\d:.]+\] WARN: GET \/\\u001b\[31m\\n 500 1\.0 ms a1\n$/,
    );
    expect(opened.folder.lines("logs/access.log")).toHaveLength(2);
  });

  test("a message shows escape sequences and can't draw another entry", async () => {
    await using opened = await open({ pretty: true, directory: null });
    opened.loggers.app.info(
      { "\u009b\u001b2J": "\u009b\u001b2J" },
      "a\u001b[2J\u009b2J\r\n[00:00:00.000] FATAL: forged",
    );
    opened.loggers.manager.error(new Error("broken"), "Cannot load plugin");
    await opened.loggers.flush();
    const [first, second, ...rest] = opened.screen.text.split("\n");
    expect(first).toMatch(/^\[[\d:.]+\] INFO: a\\u001b\[2J2J\\r$/);
    expect(second).toBe('    [00:00:00.000] FATAL: forged {"\\u009b\\u001b2J":"\\u009b\\u001b2J"}');
    expect(rest.join("\n")).toMatch(
      /^\[[\d:.]+\] ERROR: Cannot load plugin ?\n +err: \{\n[^]*loggers\.test\.ts/,
    );
    expect(opened.screen.text.replaceAll("\n", "")).not.toMatch(/\p{Cc}/u);
  });

  test("colours are used when the stream is a terminal", async () => {
    const screen = Object.assign(new Screen(), { isTTY: true });
    await using opened = await open({ stdout: screen, directory: null });
    opened.loggers.logRequest(request);
    await opened.loggers.flush();
    expect(screen.text.includes("\u001b[32m")).toBe(!process.env["NO_COLOR"]);
  });
});
