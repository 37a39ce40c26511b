import { expect, setDefaultTimeout, test } from "bun:test";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { TestFolder } from "../setup.ts";
import { checkTypes } from "./typed-project.ts";
import { xcore, XcoreServer } from "./xcore-process.ts";

setDefaultTimeout(120_000);

test("xcore init makes a project that serves", async () => {
  await using folder = await TestFolder.create();
  const { code, stdout } = await xcore(folder, ["init"]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^ {2}\S*xcore +serves it, and prints a link to make the first administrator$/m);
  expect(stdout).toMatch(/http:\/\/127\.0\.0\.1:8000\/hello +is answered by plugins\/hello/);
  expect((await readdir(folder.path)).toSorted()).toEqual([
    ".env",
    ".gitignore",
    ".xcore",
    "config.json",
    "plugins",
    "tsconfig.json",
    "xcore.schema.json",
  ]);
  expect(await readdir(join(folder.path, "plugins"))).toEqual(["hello"]);
  const { mode } = await stat(join(folder.path, ".env"));
  expect(mode & 0o777).toBe(0o600);
  expect(await Bun.file(join(folder.path, ".gitignore")).text()).toContain(".xcore/\n");
  expect(await checkTypes(folder)).toEqual(new Map());
  await using server = await XcoreServer.start(folder);
  expect(await readdir(join(folder.path, "data"))).not.toContain("jwt_secret_key"); // the one of .env is used
  expect(await (await server.fetch("/hello")).json()).toEqual({ message: "Hello from My Plugin!" });
});

test("git sees what is written for a project, and nothing that init, the server, tests and a build leave", async () => {
  await using folder = await TestFolder.create();
  const git = async (...args: string[]) => {
    const child = Bun.spawn(["git", ...args], { cwd: folder.path, stdout: "pipe" });
    return (await new Response(child.stdout).text()).trim().split("\n");
  };
  await git("init", "--quiet");
  await xcore(folder, ["init"]);
  await using server = await XcoreServer.start(folder);
  await server.fetch("/hello");
  await xcore(folder, ["plugin", "pack", "hello"]);
  await xcore(folder, ["plugin", "key", "author.key"]);
  await folder.write({
    xcore: "the executable",
    "dist/xcore": "",
    ".1a2b3c-00000000.bun-build": "",
    "plugins/hello/node_modules/x/index.js": "",
    "coverage/lcov.info": "",
  });
  expect(await git("status", "--porcelain", "--untracked-files=all")).toEqual([
    "?? .gitignore",
    "?? config.json",
    "?? plugins/hello/hello.test.ts",
    "?? plugins/hello/plugin.json",
    "?? plugins/hello/run.ts",
    "?? tsconfig.json",
    "?? xcore.schema.json",
  ]);
});

test("xcore init DIR makes the folder", async () => {
  await using folder = await TestFolder.create();
  const { code, stdout } = await xcore(folder, ["init", "a/shop"]);
  expect(code).toBe(0);
  expect(stdout).toContain("made  a/shop/config.json");
  expect(stdout).toMatch(/ cd a\/shop && \S*xcore /);
  const { $schema } = await Bun.file(join(folder.path, "a/shop/config.json")).json();
  expect(await Bun.file(join(folder.path, "a/shop", $schema)).exists()).toBe(true);
});

test("xcore init keeps every file that is there when it runs twice", async () => {
  await using folder = await TestFolder.create();
  await xcore(folder, ["init"]);
  await folder.write({ "plugins/hello/run.ts": "// mine", ".gitignore": "mine" });
  const { code, stdout } = await xcore(folder, ["init"]);
  expect(code).toBe(0);
  expect(stdout).not.toContain("made");
  expect(await Bun.file(join(folder.path, "plugins/hello/run.ts")).text()).toBe("// mine");
  expect(await Bun.file(join(folder.path, ".gitignore")).text()).toBe("mine");
});

test("xcore init follows a config.json that is there already", async () => {
  const config = { server: { port: 9002 }, plugins: { directory: "modules" } };
  await using folder = await TestFolder.create({ "config.json": config });
  const { stdout } = await xcore(folder, ["init"]);
  expect(stdout).toContain("kept  config.json");
  expect(stdout).not.toContain(".env"); // another secret key would end its sessions
  expect(stdout).toContain("made  modules/hello");
  const { include } = await Bun.file(join(folder.path, "tsconfig.json")).json();
  expect(include).toEqual(["modules"]);
  expect(stdout).toContain("http://127.0.0.1:9002/hello");
});

test("xcore init leaves the editor alone when the project has a tsconfig.json of its own", async () => {
  await using folder = await TestFolder.create({ "tsconfig.json": "{}" });
  expect((await xcore(folder, ["init"])).stdout).not.toMatch(/\.xcore\b|tsconfig/);
  expect(await readdir(folder.path)).not.toContain(".xcore");
});

test("xcore init exits with 1 and one line when the folder can't be made", async () => {
  await using folder = await TestFolder.create({ taken: "a file" });
  const { code, stderr } = await xcore(folder, ["init", "taken"]);
  expect(code).toBe(1);
  expect(stderr.trim().split("\n")).toHaveLength(1);
  expect(stderr).toContain("taken");
});
