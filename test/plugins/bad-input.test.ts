import { mkdir, rm, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "bun:test";
import { type Files, plugin, TestApp, TestFolder } from "../setup.ts";

const GOOD = plugin("good", '.get("/", () => "still here")');

interface BadPlugin {
  readonly name: string;
  readonly files: Files;
  /** Name that it is listed under. */
  readonly plugin?: string;
  readonly stage: "manifest" | "dependencies" | "bundle" | "import" | "setup";
  /** What the reason must say: what happened, and what to do. */
  readonly message: RegExp;
  readonly file?: string;
  readonly line?: number;
}

const run = (code: string): Files => ({
  "bad/plugin.json": { name: "bad", version: "1.0.0" },
  "bad/run.ts": code,
});
const manifest = (value: string | object): Files => ({
  ...plugin("bad", '.get("/", () => 1)'),
  "bad/plugin.json": value,
});

const BAD_PLUGINS: BadPlugin[] = [
  {
    name: "with a macro",
    files: {
      ...run('import { make } from "./make.ts" with { type: "macro" };\n\nexport default make();'),
      "bad/make.ts": 'export function make() { throw new Error("the macro ran"); }',
    },
    stage: "bundle",
    message:
      /^Cannot use a macro: it would run while the plugin is read and bundled; import it without \{ type: "macro" \}$/,
    file: "plugins/bad/run.ts",
    line: 3,
  },
  {
    name: "without plugin.json",
    files: { "bad/run.ts": "export default 1;" },
    stage: "manifest",
    message: /Cannot find plugin\.json: create it with at least \{ "name": "bad", "version": "1\.0\.0" \}/,
    file: "plugins/bad/plugin.json",
  },
  {
    name: "with a plugin.json that is no JSON",
    files: manifest('{\n  "name": "bad"\n  "version": "1.0.0"\n}'),
    stage: "manifest",
    message: /Cannot read plugin\.json: expected ",", found text \(line 3, column 3\)/,
    file: "plugins/bad/plugin.json",
    line: 3,
  },
  {
    name: "with an empty plugin.json",
    files: manifest(""),
    stage: "manifest",
    message: /Cannot use plugin\.json/,
    file: "plugins/bad/plugin.json",
  },
  {
    name: "with a plugin.json that is an array",
    files: manifest("[]"),
    stage: "manifest",
    message: /must be an object, found \[\]/,
    file: "plugins/bad/plugin.json",
  },
  {
    name: "with an unknown key in plugin.json",
    files: manifest('{ "name": "bad",\n "version": "1.0.0",\n "api_prefx": "/x" }'),
    stage: "manifest",
    message: /unknown key "api_prefx", did you mean "api_prefix"\?/,
    file: "plugins/bad/plugin.json",
    line: 3,
  },
  {
    name: "with several mistakes in plugin.json",
    files: manifest({ name: "Bad Name", version: "one", activ: true, tags: "x" }),
    stage: "manifest",
    message: /3 problems.*"name" must be a name.*"activ".*did you mean "active"|"tags" must be/s,
    file: "plugins/bad/plugin.json",
  },
  {
    name: "with a version that is none",
    files: manifest({ name: "bad", version: "latest" }),
    stage: "manifest",
    message: /"version" must be a semantic version such as "1\.0\.0", found "latest"/,
    file: "plugins/bad/plugin.json",
  },
  {
    name: "with lines around its version, which would draw what they like where it is shown",
    files: manifest({ name: "bad", version: "\n\n1.0.0\n" }),
    stage: "manifest",
    message: /"version" must be a semantic version such as "1\.0\.0", found "\\n\\n1\.0\.0\\n"/,
    file: "plugins/bad/plugin.json",
  },
  {
    name: "with a reserved prefix",
    files: manifest({ name: "bad", version: "1.0.0", api_prefix: "/system/bad" }),
    stage: "manifest",
    message: /"\/system" is reserved for xcore: choose another "api_prefix"/,
    file: "plugins/bad/plugin.json",
  },
  {
    name: "with a name that is a reserved prefix",
    files: manifest({ name: "health", version: "1.0.0" }),
    stage: "manifest",
    message: /"\/health" is reserved for xcore: choose another "api_prefix"/,
    file: "plugins/bad/plugin.json",
  },
  ...["/", "x", "/x/", "/a b", "/../x", "/%2e"].map((prefix): BadPlugin => ({
    name: `with the prefix ${JSON.stringify(prefix)}`,
    files: manifest({ name: "bad", version: "1.0.0", api_prefix: prefix }),
    stage: "manifest",
    message: /"api_prefix" must be a path such as "\/blog"/,
    file: "plugins/bad/plugin.json",
  })),
  {
    name: "without its entry",
    files: { "bad/plugin.json": { name: "bad", version: "1.0.0" } },
    stage: "bundle",
    message: /Cannot find entry "run\.ts": create it, or name another file in "entry" of plugin\.json/,
    file: "plugins/bad/run.ts",
  },
  {
    name: "whose entry is a folder",
    files: { "bad/plugin.json": { name: "bad", version: "1.0.0", entry: "lib" }, "bad/lib/x.ts": "" },
    stage: "bundle",
    message: /Cannot use entry "lib": it is no file/,
    file: "plugins/bad/lib",
  },
  ...["../good/run.ts", "/etc/hostname", "lib/../../good/run.ts"].map((entry): BadPlugin => ({
    name: `whose entry is ${entry}`,
    files: { "bad/plugin.json": { name: "bad", version: "1.0.0", entry } },
    stage: "bundle",
    message: /Cannot use entry ".+": it leads outside the plugin's folder; move the file into it/,
  })),
  {
    name: "that imports a file outside its folder",
    files: run('import x from "../good/run.ts";\nexport default x;'),
    stage: "bundle",
    message:
      /Cannot import "plugins\/good\/run\.ts": it is outside the plugin's folder; move it in, or import "plugin:<name>"/,
  },
  {
    name: "with a syntax error",
    files: run('import { createRouter } from "xcore";\n\nexport default createRouter(;'),
    stage: "bundle",
    message: /Unexpected ;/,
    file: "plugins/bad/run.ts",
    line: 3,
  },
  {
    name: "with a syntax error in an import",
    files: {
      ...run('export { x } from "./lib/x.ts";'),
      "bad/lib/x.ts": "export const y = 1;\nexport const x = {",
    },
    stage: "bundle",
    message: /Expected identifier but found end of file/,
    file: "plugins/bad/lib/x.ts",
    line: 2,
  },
  {
    name: "that imports a file that isn't there",
    files: run('import x from "./missing.ts";\nexport default x;'),
    stage: "bundle",
    message: /Cannot find "\.\/missing\.ts": correct the path, or create the file/,
    file: "plugins/bad/run.ts",
    line: 1,
  },
  {
    name: "that imports a package that isn't there",
    files: run('import x from "left-pad";\nexport default x;'),
    stage: "bundle",
    message:
      /Cannot find package "left-pad": xcore doesn't embed it .* name it in the plugin's package\.json$/,
    file: "plugins/bad/run.ts",
    line: 1,
  },
  {
    name: "that imports a name that isn't exported",
    files: {
      ...run('import { nope } from "./x.ts";\nexport default nope;'),
      "bad/x.ts": "export const yes = 1;",
    },
    stage: "bundle",
    message: /No matching export .* for import "nope"/,
    file: "plugins/bad/run.ts",
    line: 1,
  },
  {
    name: "that imports a host package dynamically",
    files: run('export const setup = () => import("elysia");'),
    stage: "bundle",
    message: /Cannot use import\("elysia"\): import it at the top of the file instead/,
    file: "plugins/bad/run.ts",
  },
  {
    name: "that awaits at the top level",
    files: run("const x = await Promise.resolve(1);\nexport default x;"),
    stage: "bundle",
    message: /at the top level of a plugin, move it into "export async function setup\(\)"/,
    file: "plugins/bad/run.ts",
    line: 1,
  },
  {
    name: "that throws at import",
    files: run('const settings: Record<string, string> = {};\n\nthrow new Error(`boom ${settings["x"]}`);'),
    stage: "import",
    message: /Error: boom undefined/,
    file: "plugins/bad/run.ts",
    line: 3,
  },
  {
    name: "that throws null at import",
    files: run("throw null;"),
    stage: "import",
    message: /thrown: null/,
  },
  {
    name: "that imports another plugin without depending on it",
    files: run('import router from "plugin:good";\nexport default router;'),
    stage: "import",
    message: /Cannot import "plugin:good": add "good" to "dependencies" of plugin\.json/,
  },
  {
    name: "that exports no router",
    files: run("export default { hello: 1 };"),
    stage: "import",
    message: /The default export is an object, not a router: write `export default createRouter\(\)…`/,
  },
  {
    name: "that exports its router under a name",
    files: run('import { createRouter } from "xcore";\nexport const router = createRouter();'),
    stage: "import",
    message: /The router is exported as "router": write `export default router`/,
  },
  {
    name: "that exports nothing at all",
    files: run("const x = 1; console.assert(x === 1);"),
    stage: "import",
    message: /exports neither a router nor setup\(\)/,
  },
  {
    name: "that uses what xcore doesn't export",
    files: run('import { createRouter, nothing } from "xcore";\nnothing();\nexport default createRouter();'),
    stage: "import",
    message:
      /xcore doesn't export "nothing": it exports createRouter, hooks, cli, (?:\w+, )+AppError, auth, users/,
    file: "plugins/bad/run.ts",
    line: 2,
  },
  {
    name: "that uses what xcore doesn't export through all of it",
    files: run('import * as xcore from "xcore";\nexport default xcore.createApp();'),
    stage: "import",
    message: /xcore doesn't export "createApp"/,
  },
  {
    name: "that listens with a bad name",
    files: run('import { hooks } from "xcore";\nhooks.on("", () => {});'),
    stage: "import",
    message: /TypeError: .*name/,
    file: "plugins/bad/run.ts",
    line: 2,
  },
  {
    name: "whose setup rejects",
    files: run(
      'export async function setup() {\n  await Promise.resolve();\n  throw new Error("no database");\n}',
    ),
    stage: "setup",
    message: /Error: no database/,
    file: "plugins/bad/run.ts",
    line: 3,
  },
  {
    name: "whose setup never ends",
    files: run("export const setup = () => new Promise(() => {});"),
    stage: "setup",
    message: /setup\(\) took longer than 0\.2 s: it must end before the plugin serves/,
  },
  {
    name: "whose setup is no function",
    files: run('export const setup = "soon";'),
    stage: "setup",
    message: /Cannot call "setup": it is no function/,
  },
  {
    name: "with the name of another",
    files: manifest({ name: "good", version: "1.0.0", api_prefix: "/other" }),
    plugin: "good",
    stage: "dependencies",
    message: /Cannot use name "good": plugins\/good has it already; change it in plugins\/bad/,
    file: "plugins/bad/plugin.json",
  },
  {
    name: "with the prefix of another",
    files: manifest({ name: "bad", version: "1.0.0", api_prefix: "/good" }),
    stage: "dependencies",
    message: /Cannot use api_prefix "\/good": plugins\/good has it already; change it in plugins\/bad/,
    file: "plugins/bad/plugin.json",
  },
  {
    name: "that depends on a plugin that isn't there",
    files: manifest({ name: "bad", version: "1.0.0", dependencies: { missing: "^1.0.0" } }),
    stage: "dependencies",
    message: /Cannot find dependency "missing": put it beside this plugin, or remove it from "dependencies"/,
    file: "plugins/bad/plugin.json",
  },
  {
    name: "that depends on another version",
    files: manifest({ name: "bad", version: "1.0.0", dependencies: { good: "^2.0.0" } }),
    stage: "dependencies",
    message: /Cannot use dependency "good": \^2\.0\.0 is needed, 1\.0\.0 is there/,
    file: "plugins/bad/plugin.json",
  },
  {
    name: "that depends on a version range that is none",
    files: manifest({ name: "bad", version: "1.0.0", dependencies: { good: "newest" } }),
    stage: "manifest",
    message: /"dependencies\.good" must be a version range such as "\^1\.0\.0", found "newest"/,
    file: "plugins/bad/plugin.json",
  },
  {
    name: "that depends on itself",
    files: manifest({ name: "bad", version: "1.0.0", dependencies: ["bad"] }),
    stage: "dependencies",
    message: /bad → bad is a cycle; remove one of them/,
    file: "plugins/bad/plugin.json",
  },
];

const TWICE: BadPlugin[] = [
  {
    name: "with one route twice",
    files: run(
      'import { createRouter } from "xcore";\nexport default createRouter()\n  .get("/a", () => 1)\n  .get("/a", () => 2);\n',
    ),
    stage: "import",
    message:
      /^TypeError: Cannot serve GET "\/a" twice: it is declared at plugins\/bad\/run\.ts:[23]:\d+ already$/,
    file: "plugins/bad/run.ts",
  },
  {
    name: "with one route twice, in two files and a group",
    files: {
      ...run(
        'import { createRouter } from "xcore";\nimport { items } from "./items.ts";\n' +
          'export default createRouter().use(items).group("/items", (app) => app.post("/:id", () => 2));\n',
      ),
      "bad/items.ts":
        'import { Elysia } from "elysia";\n\nexport const items = new Elysia({ prefix: "/items" }).post("/:id", () => 1);\n',
    },
    stage: "import",
    message:
      /Cannot serve POST "\/items\/:id" twice: it is declared at plugins\/bad\/items\.ts:3:\d+ already$/,
    file: "plugins/bad/run.ts",
    line: 3,
  },
  {
    name: "with one WebSocket twice",
    files: run(
      'import { createRouter } from "xcore";\nexport default createRouter().ws("/a", {}).ws("/a", {});\n',
    ),
    stage: "import",
    message: /Cannot serve a WebSocket at "\/a" twice/,
  },
  {
    name: "with a schema of a format that there isn't",
    files: run(
      'import { t } from "elysia";\nimport { createRouter } from "xcore";\nconst people = t.Array(t.Object({ email: t.Optional(t.String({ format: "emial" })) }));\n' +
        'export default createRouter().post("/a", () => 1, { body: t.Object({ people }) });\n',
    ),
    stage: "import",
    message:
      /^TypeError: Cannot check the body of POST "\/a": there is no format "emial"; did you mean "email"\?$/,
  },
  {
    name: "with two names for one parameter",
    files: plugin("bad", '.get("/:a", () => 1).get("/:b", () => 2)'),
    stage: "import",
    message: /"\/bad\/:b".*\("a"\)/,
  },
];
BAD_PLUGINS.push(...TWICE);

test("a router that is used twice, and methods and WebSockets at one path, are no duplicates", async () => {
  const code = `import { Elysia } from "elysia";
import { createRouter } from "xcore";
const shared = new Elysia().get("/shared", () => "shared");
export default createRouter()
  .use(new Elysia().use(shared).get("/a", () => "a"))
  .use(new Elysia().use(shared).post("/a", () => "b").ws("/a", {}).all("/a", () => "all"))
  .group("/g", (app) => app.use(shared).get("/a", () => "grouped"));`;
  await using app = await TestApp.start({ plugins: run(code) });
  expect((await app.get("/system/plugins/bad")).body.failure).toBeNull();
  expect(await (await app.fetch("/bad/shared")).text()).toBe("shared");
  expect(await (await app.fetch("/bad/g/a")).text()).toBe("grouped");
});

for (const bad of BAD_PLUGINS) {
  test(`a plugin ${bad.name} fails with the reason, and the others serve`, async () => {
    await using app = await TestApp.start({ plugins: { ...GOOD, ...bad.files }, setupTimeoutMs: 200 });
    const { items: plugins } = (await app.get("/system/plugins")).body;
    const found = plugins.find((one: { source: string }) => one.source === "plugins/bad");
    expect(found).toMatchObject({ name: bad.plugin ?? found.name, state: "failed", serving: false });
    expect(found.failure.stage).toBe(bad.stage);
    expect(found.failure.message).toMatch(bad.message);
    if (bad.file !== undefined) expect(found.failure.file).toBe(bad.file);
    if (bad.line !== undefined) expect(found.failure.line).toBe(bad.line);
    expect(await (await app.fetch("/good")).text()).toBe("still here");
    const failed = app.events.filter(({ name }) => name === "plugin.failed");
    expect(failed).toHaveLength(1);
    expect(failed[0]?.data.message).toMatch(bad.message);
    expect(await app.log("manager")).toContain('"level":"error"');
  });
}

test("every bad plugin, saved over a good one, leaves the good one serving", async () => {
  const good = plugin("bad", '.get("/", () => "the last good one")');
  await using app = await TestApp.start({
    plugins: { ...GOOD, ...good },
    config: { plugins: { watch: false } },
    setupTimeoutMs: 200,
  });
  for (const bad of BAD_PLUGINS) {
    for (const file of Object.keys(good))
      if (!(file in bad.files)) await app.folder.remove(`plugins/${file}`);
    await app.writePlugins(bad.files);
    await app.app.plugins.refresh(null);
    const record = app.app.plugins.list().find(({ source }) => source.basename === "bad");
    expect(record?.failure?.message).toMatch(bad.message);
    expect(await (await app.fetch("/bad")).text()).toBe("the last good one");
    await app.writePlugins(good);
    await app.app.plugins.refresh(null);
    expect((await app.get("/system/plugins/bad")).body).toMatchObject({ state: "serving", failure: null });
  }
});

test("an entry that is a link out of the folder is refused", async () => {
  await using outside = await TestFolder.create({ "secret.ts": "export default 1;" });
  await using app = await TestApp.start({
    plugins: { "bad/plugin.json": { name: "bad", version: "1.0.0" } },
  });
  await symlink(join(outside.path, "secret.ts"), join(app.folder.path, "plugins/bad/run.ts"));
  await app.app.plugins.refresh(null);
  const { body } = await app.get("/system/plugins/bad");
  expect(body.failure.message).toBe(
    'Cannot use entry "run.ts": it leads outside the plugin\'s folder; move the file into it',
  );
});

for (const name of ["plugin.json", "package.json", "settings.ts", "drizzle/sqlite/0000_made.sql"]) {
  test(`a pipe in the place of ${name} is refused, and nobody waits for it`, async () => {
    await using app = await TestApp.start({ plugins: { ...GOOD, ...plugin("bad", "") } });
    const file = join(app.folder.path, "plugins/bad", name);
    await mkdir(dirname(file), { recursive: true });
    await rm(file, { force: true });
    expect(await Bun.spawn(["mkfifo", file]).exited).toBe(0);
    await app.app.plugins.refresh(null);
    const bad = app.app.plugins.list().find(({ source }) => source.basename === "bad");
    expect(bad?.failure?.message).toMatch(/Cannot read .*: it is a pipe or a device; put a file/);
    expect(await (await app.fetch("/good")).text()).toBe("still here");
  });
}

test("plugins that depend on each other in a circle fail with the circle", async () => {
  await using app = await TestApp.start({
    plugins: {
      ...plugin("a", "", { dependencies: ["b"] }),
      ...plugin("b", "", { dependencies: ["c"] }),
      ...plugin("c", "", { dependencies: ["a"] }),
      ...plugin("d", "", { dependencies: ["a"] }),
    },
  });
  const { items } = (await app.get("/system/plugins")).body;
  const reasons = items.map((one: { failure: { message: string } }) => one.failure.message);
  expect(reasons.slice(0, 3)).toEqual(
    Array(3).fill("Cannot order dependencies: a → b → c → a is a cycle; remove one of them"),
  );
  expect(reasons[3]).toContain('Cannot load without dependency "a"');
});

test("a type mistake is no mistake for the host: types are for the editor", async () => {
  await using app = await TestApp.start({
    plugins: run(
      'import { createRouter } from "xcore";\nimport { Shape, make } from "./shape.ts";\n' +
        'const n: number = "text";\nexport { Shape } from "./shape.ts";\n' +
        'export default createRouter().get("/", (): Shape => make(n));',
    ),
  });
  expect((await app.get("/bad")).status).toBe(503);
  await app.writePlugins({
    "bad/shape.ts":
      "export interface Shape { n: unknown }\nexport const make = (n: unknown): Shape => ({ n });",
  });
  await app.app.plugins.refresh(null);
  expect((await app.get("/bad")).body).toEqual({ n: "text" });
});

test("a half-written file leaves the last good generation serving until it is whole", async () => {
  await using app = await TestApp.start({ plugins: plugin("half", '.get("/", () => 1)') });
  const whole = 'import { createRouter } from "xcore";\nexport default createRouter().get("/", () => 2);\n';
  const file = join(app.folder.path, "plugins/half/run.ts");
  await app.after("plugin.failed", () => Bun.write(file, whole.slice(0, 60)));
  expect((await app.get("/half")).body).toBe(1);
  await app.after("plugin.reloaded", () => Bun.write(file, whole));
  expect((await app.get("/half")).body).toBe(2);
});

test("a plugin's route that throws is answered with a problem, and its place is in the log", async () => {
  await using app = await TestApp.start({
    plugins: run(
      'import { createRouter } from "xcore";\n\nfunction fail(): never {\n  throw new Error("secret detail");\n}\n' +
        'export default createRouter().get("/", () => fail());',
    ),
  });
  const problem = await app.problem("/bad");
  expect(problem).toMatchObject({ status: 500, code: "internal_error", instance: "/bad" });
  expect(JSON.stringify(problem)).not.toContain("secret detail");
  const log = await app.log("app");
  expect(log).toContain("secret detail");
  expect(log).toContain("plugins/bad/run.ts:4");
  expect(log).toContain(problem.request_id);
});

test("a plugin that never served answers 503 with where to look", async () => {
  await using app = await TestApp.start({ plugins: run("throw 1;") });
  expect(await app.problem("/bad/anything")).toMatchObject({
    status: 503,
    code: "plugin_unavailable",
    detail: 'Plugin "bad" failed to load: see /system/plugins/bad',
  });
});
