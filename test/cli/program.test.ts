import { join } from "node:path";
import { expect, setDefaultTimeout, test } from "bun:test";
import type { Command } from "commander";
import manifest from "../../package.json" with { type: "json" };
import { createProgram } from "../../src/cli/program.ts";
import { TestFolder } from "../setup.ts";
import { xcore, XcoreServer } from "./xcore-process.ts";

setDefaultTimeout(120_000);

test("every command shows help with an example, and takes --config and --version", async () => {
  const context = { version: "1.2.3", cwd: "/", env: {}, print: () => {}, warn: () => {} };
  const program = await createProgram(context, ["--help"]);
  const commands = listCommands(program);
  expect(commands.length).toBeGreaterThan(10);
  for (const command of commands) {
    let help = "";
    command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
    expect(help).toMatch(/Examples:\n {2}\$ (?:sudo )?(?:XCORE_\S+ )?xcore/);
    expect(help).toContain("--help");
    expect(help).toContain("--config <file>");
    expect(help).toContain("--version");
    expect(command.description()).not.toBe("");
  }
});

test("a command in a folder of a project says where the project is", async () => {
  const hint =
    "There is no config.json in this folder, but in ../..: run it there, or with --config ../../config.json";
  await using folder = await TestFolder.create({
    "config.json": {},
    "xcore.schema.json": {},
    "plugins/shop/plugin.json": { name: "shop", version: "1.0.0" },
    "plugins/shop/run.ts": "export const setup = () => {};",
    "elsewhere/config.json": {},
    "foreign/config.json": {},
    "foreign/deep/a.txt": "",
  });
  const run = async (cwd: string, ...args: string[]) =>
    (await xcore({ path: join(folder.path, cwd) } as TestFolder, args)).stderr;
  expect(await run("plugins/shop", "config", "show")).toBe(`${hint}\n`);
  expect(await run("plugins/shop", "config", "show", "--config", "../../config.json")).toBe("");
  expect(await run("elsewhere", "config", "show")).toBe("");
  expect(await run("foreign/deep", "config", "show")).toContain("but in ../..");
});

test.each([[["--version"]], [["plugin", "list", "--version"]], [["config", "-v"]]])(
  "xcore prints its version and exits with 0 when it runs %j",
  async (args) => {
    await using folder = await TestFolder.create();
    const { code, stdout, stderr } = await xcore(folder, args);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toStartWith(`${manifest.version} (`);
    expect(stdout).toEndWith(`Bun ${Bun.version}, ${process.platform}-${process.arch})\n`);
  },
);

test.each([
  [["--help"], "xcore"],
  [["help", "serve"], "xcore serve"],
  [["help", "plugin", "new"], "xcore plugin new"],
  [["plugin", "new", "--help"], "xcore plugin new"],
])("xcore prints help and exits with 0 when it runs %j", async (args, command) => {
  await using folder = await TestFolder.create();
  const { code, stdout } = await xcore(folder, args);
  expect(code).toBe(0);
  expect(stdout).toStartWith(`Usage: ${command} [`);
});

test.each([
  [["serv"], "unknown command 'serv'\n(Did you mean serve?)"],
  [["nonsense"], "unknown command 'nonsense'\n"],
  [["config", "chek"], "unknown command 'chek'\n(Did you mean check?)"],
  [["plugin", "nwe"], "unknown command 'nwe'\n(Did you mean new?)"],
  [["help", "serv"], "unknown command 'serv'\n(Did you mean serve?)"],
  [["help", "db", "bakup"], "unknown command 'bakup'\n(Did you mean backup?)"],
  [["db", "help", "bakup"], "unknown command 'bakup'\n(Did you mean backup?)"],
  [["help", "doctor", "nonsense"], "unknown command 'nonsense'\n"],
  [["plugin"], "Usage: xcore plugin"],
  [["plugin", "new"], "missing required argument 'name'"],
  [["--prot", "1"], "unknown option '--prot'"],
  [["routes", "--jsn"], "unknown option '--jsn'\n(Did you mean --json?)"],
  [["serve", "--port", "http"], "A port is a number between 0 and 65535"],
  [["serve", "--port", "65536"], "A port is a number between 0 and 65535"],
  [["serve", "--port", ""], "A port is a number between 0 and 65535"],
  [["--config"], "option '-c, --config <file>' argument missing"],
  [["init", "a", "b"], "too many arguments"],
])("xcore exits with 2 and says how it is used when it runs %j", async (args, message) => {
  await using folder = await TestFolder.create();
  const { code, stdout, stderr } = await xcore(folder, args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(message);
});

test.each([
  [["serve", "--worker", "3"], "for several processes use --workers"],
  [["serve", "--successor"], "run xcore service restart"],
  [["init", "plain/x"], 'Cannot make the folder "'],
  [["sbom", "--offline", "--out", "."], "it is a folder, and no file"],
  [["sbom", "--offline", "--out", "/dev/full"], 'Cannot write "/dev/full": it is a pipe or a device'],
])("xcore %j says what is wrong, and shows no stack", async (args, message) => {
  await using folder = await TestFolder.create({ plain: "" });
  const { code, stderr } = await xcore(folder, args);
  expect(stderr).toContain(message);
  expect(stderr).not.toMatch(/^ +at /m);
  expect(code).toBe(1);
});

test("xcore serves when it is given no command", async () => {
  await using folder = await TestFolder.create();
  await using server = await XcoreServer.start(folder, { args: ["--port", "0"] });
  expect((await server.fetch("/health")).status).toBe(200);
});

function listCommands(command: Command): Command[] {
  const shown = command.createHelp().visibleCommands(command);
  return [command, ...command.commands.filter((one) => shown.includes(one)).flatMap(listCommands)];
}
