import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { type Files, plugin, TestFolder } from "../../setup.ts";
import { type Finished, xcore } from "../xcore-process.ts";

setDefaultTimeout(120_000);

/** Prints wherever it can, starts what never ends, and fails behind everyone's back. */
const NOISY = `
import { writeFileSync } from "node:fs";
import { createRouter, log } from "xcore";
console.log("NOISE log"); console.info("NOISE info"); console.table(["NOISE"]); console.dir("NOISE dir");
console.write("NOISE write\\n"); process.stdout.write("NOISE stdout\\n"); log.error("NOISE of the log");
setInterval(() => console.log("NOISE later"), 1);
setTimeout(() => { throw new Error("NOISE thrown"); }, 0);
Promise.reject(new Error("NOISE rejected"));
export function setup() { writeFileSync("setup-ran", ""); }
export function teardown() { writeFileSync("teardown-ran", ""); }
export default createRouter().get("/", () => 1).post("/items", () => 1, { permission: "items:write", auth: true });
`;

const PLUGINS: Files = {
  "plugins/noisy/plugin.json": { name: "noisy", version: "1.0.0", api_prefix: "/api/noisy" },
  "plugins/noisy/run.ts": NOISY,
  ...inPlugins(plugin("off", '.get("/", () => 1)', { active: false })),
  "plugins/thrower/plugin.json": { name: "thrower", version: "1.0.0" },
  "plugins/thrower/run.ts": 'const cause = "boom";\n\nthrow new Error(cause);\n',
  "plugins/unnamed/plugin.json": '{\n  "version": "1.0.0",\n  "activ": true\n}\n',
};

const LIST = ["plugin", "list"];

test.each([[[...LIST, "--json"]], [["routes", "--json"]], [["openapi"]]])(
  "xcore %j prints JSON alone on standard output, and ends, whatever plugins do",
  async (args) => {
    await using folder = await TestFolder.create(PLUGINS);
    const { code, stdout, stderr } = await xcore(folder, args);
    expect(code).toBe(0);
    expect(() => JSON.parse(stdout)).not.toThrow();
    expect(stdout).not.toContain("NOISE");
    for (const place of ["log", "info", "dir", "write", "stdout"]) expect(stderr).toContain(`NOISE ${place}`);
    expect(await isThere(folder, "setup-ran")).toBe(false);
    expect(await isThere(folder, "teardown-ran")).toBe(false);
    expect(await isThere(folder, "logs/app.log")).toBe(false);
  },
);

test("xcore plugin list shows every state, and reasons with file and line", async () => {
  await using folder = await TestFolder.create(PLUGINS);
  const { code, stdout } = await xcore(folder, LIST);
  expect(code).toBe(0);
  const lines = stdout.split("\n");
  expect(lines[0]).toMatch(/^NAME +VERSION +STATE +PREFIX +SOURCE$/);
  expect(stdout).toMatch(/^noisy +1\.0\.0 +serving +\/api\/noisy +plugins\/noisy$/m);
  expect(stdout).toMatch(/^off +1\.0\.0 +disabled +\/off +plugins\/off$/m);
  expect(stdout).toMatch(/^thrower +1\.0\.0 +failed +\/thrower +plugins\/thrower$/m);
  expect(stdout).toMatch(/^unnamed +- +failed +- +plugins\/unnamed$/m);
  expect(stdout).toContain("thrower: plugins/thrower/run.ts:3: Error: boom");
  expect(stdout).toMatch(
    /unnamed: plugins\/unnamed\/plugin\.json:\d+: Cannot use plugin\.json \(2 problems\)/,
  );
});

test("xcore plugin list --json gives what GET /system/plugins gives", async () => {
  await using folder = await TestFolder.create(PLUGINS);
  const [noisy, off, thrower, unnamed] = JSON.parse((await xcore(folder, [...LIST, "--json"])).stdout);
  expect(noisy).toMatchObject({ name: "noisy", state: "serving", api_prefix: "/api/noisy", failure: null });
  expect(off).toMatchObject({ name: "off", state: "disabled", active: false });
  expect(thrower).toMatchObject({
    name: "thrower",
    state: "failed",
    failure: { stage: "import", file: "plugins/thrower/run.ts", line: 3 },
  });
  expect(unnamed).toMatchObject({ name: "unnamed", version: null, failure: { stage: "manifest" } });
});

test("xcore plugin list prints only headings when there is no plugins directory", async () => {
  await using folder = await TestFolder.create();
  expect(await xcore(folder, LIST)).toEqual({
    code: 0,
    stdout: "NAME  VERSION  STATE  PREFIX  SOURCE\n",
    stderr: "",
  });
});

test("xcore routes lists methods and whole paths, and says which plugins it leaves out", async () => {
  await using folder = await TestFolder.create(PLUGINS);
  const { stdout, stderr } = await xcore(folder, ["routes"]);
  expect(stdout).toMatch(/^METHOD +PATH +GUARD +PLUGIN$/m);
  expect(stdout).toMatch(/^GET +\/api\/noisy\/ +OPEN +noisy$/m);
  expect(stdout).toMatch(/^POST +\/api\/noisy\/items +auth \+ permission items:write +noisy$/m);
  expect(stdout).not.toContain("/off");
  expectLeftOut(stderr);
});

test("xcore routes --json gives a list of objects", async () => {
  await using folder = await TestFolder.create(PLUGINS);
  expect(JSON.parse((await xcore(folder, ["routes", "--json"])).stdout)).toEqual([
    { method: "GET", path: "/api/noisy/", guards: [], plugin: "noisy" },
    {
      method: "POST",
      path: "/api/noisy/items",
      guards: [{ auth: true }, { permission: "items:write" }],
      plugin: "noisy",
    },
  ]);
});

test("xcore openapi prints the document of the core and the plugins", async () => {
  await using folder = await TestFolder.create({ ...PLUGINS, "config.json": { app: { name: "Shop" } } });
  const { stdout, stderr }: Finished = await xcore(folder, ["openapi"]);
  const { openapi, info, paths } = JSON.parse(stdout);
  expect(openapi).toStartWith("3.1");
  expect(info.title).toBe("Shop");
  expect(paths["/health"].get.tags).toEqual(["system"]);
  expect(paths["/api/noisy/items"].post.tags).toEqual(["noisy"]);
  expectLeftOut(stderr);
});

test("xcore plugin list exits with 1 when config.json is broken", async () => {
  await using folder = await TestFolder.create({ "config.json": "{" });
  const { code, stdout } = await xcore(folder, [...LIST, "--json"]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
});

test("a long answer is printed whole when its reader is slow, and ends quietly when the reader goes", async () => {
  const routes = Array.from({ length: 3000 }, (_, index) => `.get("/${"long".repeat(10)}${index}", () => 1)`);
  await using folder = await TestFolder.create(inPlugins(plugin("many", routes.join(""))));
  const { stdout } = await xcore(folder, ["routes", "--json"]);
  expect(stdout.length).toBeGreaterThan(200_000);
  expect(JSON.parse(stdout)).toHaveLength(3000);
  const entry = join(import.meta.dir, "../../../src/index.ts");
  const script = `"${process.execPath}" "${entry}" routes --json | head -c 5; echo " \${PIPESTATUS[0]}"`;
  const { stdout: cut, stderr } = await xcore(folder, [script], { command: ["bash", "-c"] });
  expect({ cut, stderr }).toEqual({ cut: "[\n  { 0\n", stderr: "" });
});

function expectLeftOut(stderr: string): void {
  expect(stderr).toContain('Left out plugin "thrower": plugins/thrower/run.ts:3: Error: boom');
  expect(stderr).toContain('Left out plugin "unnamed"');
  expect(stderr).not.toContain('Left out plugin "off"');
}

function inPlugins(files: Files): Files {
  return Object.fromEntries(Object.entries(files).map(([name, content]) => [`plugins/${name}`, content]));
}

function isThere(folder: TestFolder, file: string): Promise<boolean> {
  return Bun.file(join(folder.path, file)).exists();
}
