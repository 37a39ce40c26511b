import { expect, setDefaultTimeout, test } from "bun:test";
import { type Files, TestApp, TestFolder } from "../setup.ts";
import { XcoreServer } from "../cli/xcore-process.ts";
import { parseLines } from "../log/log-folder.ts";

setDefaultTimeout(120_000);

const TALKER: Files = {
  "talker/plugin.json": { name: "talker", version: "1.0.0" },
  "talker/lib.ts": 'export const tell = (): void => console.warn("from its library");\n',
  "talker/run.ts": `import { createRouter } from "xcore";
import { tell } from "./lib.ts";
console.log("loaded", { password: "hunter2", list: [1] });
export default createRouter().get("/", () => {
  tell();
  console.error(new Error("boom"));
  return "told";
});
`,
};

test("console of a plugin writes to its log, a line for each call", async () => {
  await using app = await TestApp.start({ plugins: TALKER });
  expect(await (await app.fetch("/talker")).text()).toBe("told");
  const lines = parseLines(await app.log("app"));
  expect(lines.map(({ level, plugin, msg }) => [level, plugin, String(msg).split("\n")[0]])).toEqual([
    ["info", "talker", "loaded { password: [redacted], list: [ 1 ] }"],
    ["warn", "talker", "from its library"],
    ["error", "talker", "Error: boom"],
  ]);
  expect(lines.at(-1)?.["msg"]).toContain("plugins/talker/run.ts:6");
});

test("whichever way a plugin gets at console, it writes to its log", async () => {
  const ways = {
    "globalThis.console": "globalThis.console.log",
    "global.console": "global.console.log",
    "self.console": "self.console.log",
    "default of node:console": "console_.log",
    "a name of node:console": "log",
    "all of console": "all.log",
    "require()": 'require("console").log',
    "default of require()": 'require("node:console").log',
    "getBuiltinModule()": 'process.getBuiltinModule("node:console").log',
  };
  const calls = Object.entries(ways).map(([name, log]) => `  ${log}(${JSON.stringify(name)});\n`);
  const code = `import console_, { log } from "node:console";
import * as all from "console";
export async function setup() {\n${calls.join("")}}\n`;
  await using app = await TestApp.start({
    plugins: { "talker/plugin.json": { name: "talker", version: "1.0.0" }, "talker/run.ts": code },
  });
  const { body } = await app.get("/system/plugins/talker");
  expect(body.failure).toBeNull();
  const lines = parseLines(await app.log("app")).filter((line) => line["plugin"] === "talker");
  expect(lines.map(({ msg }) => msg)).toEqual(Object.keys(ways));
});

test("console of a plugin leaves the JSON lines on standard output whole", async () => {
  await using folder = await TestFolder.create(
    Object.fromEntries(Object.entries(TALKER).map(([name, content]) => [`plugins/${name}`, content])),
  );
  await using server = await XcoreServer.start(folder);
  await server.after(() => server.fetch("/talker"), /"msg":"request".*\n/);
  const lines = server.output.split("\n").filter((line) => line.includes("talker"));
  expect(lines.map((line) => JSON.parse(line).plugin)).not.toContain(undefined);
});
