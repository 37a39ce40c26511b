import { expect, test } from "bun:test";
import { join } from "node:path";
import { LogFolder, parseLines } from "./log-folder.ts";

const loggersFile = join(import.meta.dir, "../../src/log/loggers.ts");

/** Runs a script in a process of its own, with `loggers` writing to the folder and to stdout. */
function run(folder: LogFolder, script: string): Bun.Subprocess<"ignore", "pipe", "pipe"> {
  const source = `
    import { createLoggers } from ${JSON.stringify(loggersFile)};
    const loggers = await createLoggers({
      level: "info", directory: ${JSON.stringify(folder.path)}, console: true, max_bytes: 1e9, backup_count: 1,
    });
    const request = { at: Date.now(), request_id: "a", method: "GET", path: "/", status: 200, duration_ms: 1, plugin: null, bytes: null, ip_address: "", user_id: null, viewer_id: null };
    ${script}
  `;
  return Bun.spawn([process.execPath, "-e", source], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: 100_000,
  });
}

test.each([
  ["ends", "", 0],
  ["exits", "process.exit(3);", 3],
  ["throws", "setTimeout(() => { throw new Error('crash'); }, 1);", 1],
  ["rejects", "void Promise.reject(new Error('crash'));", 1],
])("the last lines reach the file and the console when the process %s", async (_, script, code) => {
  using folder = new LogFolder();
  const child = run(
    folder,
    `loggers.app.info("one"); loggers.logRequest(request); loggers.manager.info("two"); ${script}`,
  );
  const shown = await new Response(child.stdout).text();
  expect(await child.exited).toBe(code);
  expect(folder.lines("app.log").map(({ msg }) => msg)).toEqual(["one"]);
  expect(folder.lines("access.log").map(({ msg }) => msg)).toEqual(["request"]);
  expect(folder.lines("manager.log").map(({ msg }) => msg)).toEqual(["two"]);
  expect(parseLines(shown).map(({ msg }) => msg)).toEqual(["one", "request", "two"]);
});

test("the process goes on when the reader of its console is gone", async () => {
  using folder = new LogFolder();
  const child = run(
    folder,
    `
    for (let index = 0; index < 5000; index++) {
      loggers.logRequest(request);
      if (index % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    loggers.app.error("still here");
    await loggers.close();
    `,
  );
  await child.stdout.cancel();
  expect(await new Response(child.stderr).text()).toBe("");
  expect(await child.exited).toBe(0);
  expect(folder.lines("access.log")).toHaveLength(5000);
  expect(folder.lines("app.log")).toHaveLength(1);
});

test("close() waits until a slow reader has every line", async () => {
  using folder = new LogFolder();
  const child = run(
    folder,
    `for (let i = 0; i < 5000; i++) loggers.logRequest(request); await loggers.close(); process.exit(0);`,
  );
  expect(parseLines(await new Response(child.stdout).text())).toHaveLength(5000);
  expect(await child.exited).toBe(0);
});
