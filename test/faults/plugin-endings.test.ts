import { expect, test } from "bun:test";
import { XcoreServer } from "../cli/xcore-process.ts";
import { TestFolder } from "../setup.ts";

/** How code ends a process, and what the log says of it. */
const ENDINGS: readonly (readonly [code: string, call: string])[] = [
  ["process.exit(3)", "process.exit(3)"],
  ["exit()", "process.exit()"],
  ["globalThis.process.reallyExit(0)", "process.reallyExit(0)"],
  ['require("node:process").abort()', "process.abort()"],
  ['process.getBuiltinModule("process").exit(1)', "process.exit(1)"],
  ['process.kill(process.pid, "SIGKILL")', 'process.kill(PID, "SIGKILL")'],
  ['process.kill(0, "SIGTERM")', 'process.kill(0, "SIGTERM")'],
  ['process.execve("/bin/true", ["true"])', 'process.execve("/bin/true", true)'],
  ["process.setUncaughtExceptionCaptureCallback(() => {})", "process.setUncaughtExceptionCaptureCallback(…)"],
  // What gets hold of the process that isn't the plugin's own, as packages do that look for the global object.
  ['Function("return this")().process.exit(6)', "process.exit(6)"],
  ['(0, eval)("process").reallyExit(6)', "process.reallyExit(6)"],
  ['require("node:vm").runInThisContext("process").abort()', "process.abort()"],
  ['Object.getPrototypeOf(process).kill(process.pid, "SIGTERM")', 'process.kill(PID, "SIGTERM")'],
  // Harmless, where it isn't refused: the tests may be of the same group.
  ...(process.platform === "linux"
    ? ([['process.kill(-group(), "SIGCONT")', 'process.kill(-GROUP, "SIGCONT")']] as const)
    : []),
];

const PLUGIN = {
  "plugins/rude/plugin.json": { name: "rude", version: "1.0.0" },
  "plugins/rude/run.ts": `import { createRouter } from "xcore";
import { readFileSync } from "node:fs";
import { exit } from "node:process";
const group = () => Number(readFileSync("/proc/self/stat", "utf8").split(") ")[1].split(" ")[2]);
const endings = [${ENDINGS.map(([code]) => `() => ${code}`).join(", ")}];
export default createRouter()
  .get("/end/:index", ({ params }) => { endings[Number(params.index)](); return "went on"; })
  .get("/later", () => { setTimeout(() => process.exit(4)); void Promise.resolve().then(() => process.exit(5)); return "soon"; })
  .get("/signal", () => process.emit("SIGTERM", "SIGTERM"))
  .get("/alive", () => [process.kill(process.pid, 0), process.exitCode = 7]);
`,
};

test("a plugin that ends the process doesn't: the log names it, and the server goes on", async () => {
  await using folder = await TestFolder.create(PLUGIN);
  await using server = await XcoreServer.start(folder);
  for (const [index, [, call]] of ENDINGS.entries()) {
    let status = 0;
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const [line] = await server.after(
      async () => void ({ status } = await server.fetch(`/rude/end/${index}`)),
      /.*: refused, the server goes on.*/,
    );
    expect(status).toBe(500);
    expect(JSON.parse(line)).toMatchObject({
      level: "error",
      plugin: "rude",
      place: "plugins/rude/run.ts:5",
      msg: expect.stringMatching(/^plugin called /),
    });
    const words = call.replace("PID", String(server.pid)).replace(/-GROUP.*/, "-");
    expect(line).toContain(JSON.stringify(`plugin called ${words}`).slice(0, -1));
  }
  // Where nobody catches what is thrown, it is told as anything else is.
  await server.after(() => server.fetch("/rude/later"), /"uncaught error"[^]*"uncaught error"/);
  expect(await (await server.fetch("/rude/signal")).text()).toBe("false");
  expect(await (await server.fetch("/rude/alive")).json()).toEqual([true, 7]);
  server.kill("SIGTERM");
  expect(await server.exited).toBe(0);
});

test("a plugin that ends standard output ends its own: the server logs on", async () => {
  await using folder = await TestFolder.create({
    "plugins/loud/plugin.json": { name: "loud", version: "1.0.0" },
    "plugins/loud/run.ts": `import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createRouter, log } from "xcore";
const say = (text: string) => pipeline(Readable.from([text + "\\n"]), process.stdout);
export default createRouter()
  .get("/write", () => process.stdout.write("written\\n") && process.stdout.isTTY === undefined)
  .get("/pipe", async () => (await say("piped"), process.stderr.end(), "piped"))
  .get("/log", () => (log.info("logged"), "logged"));
`,
  });
  await using server = await XcoreServer.start(folder);
  await server.after(() => server.fetch("/loud/write"), /^written$/m);
  await server.after(() => server.fetch("/loud/pipe"), /^piped$/m);
  await server.after(() => server.fetch("/loud/log"), /"logged"/);
});

test("a command of a plugin may end its process", async () => {
  await using folder = await TestFolder.create({
    "plugins/tool/plugin.json": { name: "tool", version: "1.0.0" },
    "plugins/tool/run.ts": `import { cli } from "xcore";
cli.command("quit", "Ends with 3", () => process.exit(3));
export const setup = () => {};
`,
  });
  await using command = XcoreServer.spawn(folder, { args: ["run", "tool", "quit"] });
  expect(await command.exited).toBe(3);
});
