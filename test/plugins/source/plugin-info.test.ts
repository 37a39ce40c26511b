import { expect, test } from "bun:test";
import { PluginError } from "../../../src/plugins/failure/failure.ts";
import { readPluginInfo } from "../../../src/plugins/source/plugin-info.ts";
import { TestApp } from "../../setup.ts";

const SINGLE = `import { createRouter } from "xcore";
export const PLUGIN_INFO = { name: "single", version: "1.0.0", api_prefix: "/one", tags: ["x"] } as const;
export default createRouter().get("/", () => "single");`;

test("a single file with PLUGIN_INFO is a plugin", async () => {
  await using app = await TestApp.start({ plugins: { "single.ts": SINGLE } });
  expect(await (await app.fetch("/one")).text()).toBe("single");
  expect((await app.get("/system/plugins/single")).body).toMatchObject({
    source: "plugins/single.ts",
    tags: ["x"],
  });
  await app.after("plugin.reloaded", () =>
    app.writePlugins({ "single.ts": SINGLE.replace('"single");', '"changed");') }),
  );
  expect(await (await app.fetch("/one")).text()).toBe("changed");
  await app.after("plugin.unloaded", () =>
    app.writePlugins({ "single.ts": SINGLE.replace('tags: ["x"]', "active: false") }),
  );
  await app.after("plugin.loaded", () => app.writePlugins({ "single.ts": SINGLE }));
  await app.after("plugin.unloaded", () => app.folder.remove("plugins/single.ts"));
});

test("a TSX plugin renders escaped elements, with relative imports", async () => {
  await using app = await TestApp.start({
    plugins: {
      "page/plugin.json": { name: "page", version: "1.0.0", entry: "run.tsx" },
      "page/run.tsx":
        'import { createRouter } from "xcore";\nimport { Title } from "./title.tsx";\nexport default createRouter().get("/", ({ set }) => { set.headers["content-type"] = "text/html"; return <main><Title text="<b>" /></main>; });',
      "page/title.tsx": "export const Title = ({ text }: { text: string }) => <h1 safe>{text}</h1>;",
    },
  });
  expect(await (await app.fetch("/page")).text()).toBe("<main><h1>&lt;b&gt;</h1></main>");
});

function read(info: string): unknown {
  return readPluginInfo(`globalThis.hasRun = true;\nexport const PLUGIN_INFO = ${info};`, "x.ts");
}

test("readPluginInfo() reads literals only, without running the file", () => {
  expect(read('{ name: "a" } satisfies { name: string }')).toEqual({ name: "a" });
  for (const computed of [
    "{ name: process.env.HOME }",
    "{ ...x }",
    "{ [x]: 1 }",
    "make()",
    "{ a: /x/ }",
    "{ a: `${x}` }",
    "{ get a() { return 1; } }",
    "{ a() {} }",
  ]) {
    expect(() => read(computed)).toThrow("write it as a plain literal");
  }
  expect(globalThis).not.toHaveProperty("hasRun");
});

for (const [what, file, code] of [
  ["a byte order mark and CRLF", "x.ts", '\ufeffexport const PLUGIN_INFO = { name: "a" };\r\n'],
  ["a list of exports", "x.ts", 'const PLUGIN_INFO = { name: "a" };\nexport { PLUGIN_INFO };'],
  [
    "a renamed export",
    "x.ts",
    'export default 1;\nconst info = { name: "a" };\nexport { info as PLUGIN_INFO };',
  ],
  [
    "what only a .ts may hold",
    "x.ts",
    'export const PLUGIN_INFO = { name: "a" };\nconst id = <T>(x: T) => <T>x;\nenum A { B }\nexport default id(A.B);',
  ],
  ["JSX", "x.tsx", 'export const PLUGIN_INFO = { name: "a" };\nexport const page = () => <p class="x" />;'],
] as const) {
  test(`readPluginInfo() takes ${what}`, () => {
    expect(readPluginInfo(code, file)).toEqual({ name: "a" });
  });
}

test("readPluginInfo() gives no prototype away", () => {
  const info = readPluginInfo(
    'export const PLUGIN_INFO = { "__proto__": { polluted: true }, name: "a" };',
    "x.ts",
  );
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  expect(Object.getPrototypeOf(info)).toBe(Object.prototype);
});

for (const [what, code, message, line] of [
  ["no PLUGIN_INFO", "export default 1;", "Cannot find PLUGIN_INFO: add", null],
  ["a syntax error", "export const x = 1;\nexport const = 2;", "Expected identifier", 2],
] as const) {
  test(`readPluginInfo() tells of ${what}`, () => {
    const error = captureError(() => readPluginInfo(code, "plugins/x.ts"));
    expect(error).toMatchObject({ stage: "manifest", file: "plugins/x.ts", line });
    expect(error.message).toContain(message);
  });
}

test("a single file may not import its neighbours", async () => {
  await using app = await TestApp.start({
    plugins: {
      "single.ts": `import { x } from "./_lib.ts";\nconsole.assert(x);\n${SINGLE}`,
      "_lib.ts": "export const x = 1;",
    },
  });
  expect((await app.get("/system/plugins/single")).body.failure.message).toBe(
    'Cannot import "plugins/_lib.ts" in a single-file plugin: make it a folder with a plugin.json',
  );
});

function captureError(act: () => unknown): PluginError {
  try {
    act();
  } catch (error) {
    if (error instanceof PluginError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
