import { expect, test } from "bun:test";
import type { Surface } from "../../../src/plugins/source/surface.ts";
import { type Files, plugin, TestApp } from "../../setup.ts";

const EMPTY: Surface = { routes: [], hooks: [], permissions: [], tables: [] };
const READ = { method: "GET", path: "/crm/", guards: [{ permission: "crm:read" }] } as const;
const DECLARED: Surface = { ...EMPTY, routes: [READ], permissions: ["crm:read"] };

/** A plugin that declares `surface`, with code of its own before and after its router. */
function crm(
  router: string,
  surface: Surface | undefined,
  { before = "", after = "", files = {} }: { before?: string; after?: string; files?: Files } = {},
): Files {
  return {
    "crm/plugin.json": { name: "crm", version: "1.0.0", surface },
    "crm/run.ts": `import { createRouter, hooks } from "xcore";
${before}
console.assert(hooks);
export default createRouter()${router};
${after}
`,
    ...files,
  };
}

const GUARDED = '.get("/", () => 1, { permission: "crm:read" })';

async function failureOf(app: TestApp) {
  return (await app.get("/system/plugins/crm")).body.failure;
}

test("a plugin that stays within its surface serves, whatever part of it it leaves out", async () => {
  const surface = {
    ...DECLARED,
    routes: [{ method: "DELETE", path: "/crm/all", guards: [] }, READ],
    hooks: ["user.*"],
    tables: ["crm_notes"],
  };
  const before = 'hooks.on("user.created", () => {});';
  await using app = await TestApp.start({ plugins: crm(GUARDED, surface, { before }) });
  expect((await app.get("/system/plugins/crm")).body).toMatchObject({
    state: "serving",
    routes: [{ method: "GET", path: "/crm/", guards: [{ permission: "crm:read" }] }],
  });
});

test("a route for who may do everything is declared as that", async () => {
  const routes = [{ method: "GET", path: "/crm/", guards: [{ permission: "*" }] }];
  const surface = { routes, hooks: [], permissions: [], tables: [] };
  await using app = await TestApp.start({
    plugins: crm('.get("/", () => "all", { permission: "*" })', surface),
  });
  expect((await app.get("/system/plugins/crm")).body).toMatchObject({ state: "serving", routes });
  const some = await app.createUser("some@example.com", ["user"]);
  expect((await app.fetch("/crm/", some)).status).toBe(403);
  expect((await app.fetch("/crm/", await app.admin())).status).toBe(200);
});

test("everything that a plugin serves is told, with its guards, in the order of its path", async () => {
  const router = `.get("/z", () => 1, { role: "sales" }).get("/a", () => 1, { detail: { hide: true } }).post("/a", () => 1, { auth: true })
    .ws("/live", { message() {}, auth: true }).mount("/mounted", () => new Response("m"))
    .guard({ permission: "b:c" }, (app) => app.get("/both", () => 1, { permission: "a:b", auth: true }))
    .onRequest(() => {})`;
  await using app = await TestApp.start({
    plugins: crm(router, undefined, { files: { "crm/public/a.txt": "" } }),
  });
  const { routes } = (await app.get("/system/plugins/crm")).body;
  expect(routes.map(({ method, path, guards }: Surface["routes"][0]) => [method, path, guards])).toEqual([
    ["ALL", "/crm/*", []],
    ["GET", "/crm/a", []],
    ["POST", "/crm/a", [{ auth: true }]],
    ["GET", "/crm/both", [{ auth: true }, { permission: "a:b" }, { permission: "b:c" }]],
    ["WS", "/crm/live", [{ auth: true }]],
    ["ALL", "/crm/mounted", []],
    ["ALL", "/crm/mounted/*", []],
    ["GET", "/crm/static/*", []],
    ["GET", "/crm/z", [{ role: "sales" }]],
  ]);
});

test.each([
  [".onRequest(() => {})", true],
  [".wrap((next) => next)", true],
  ['.onError({ as: "global" }, () => "any")', true],
  ['.use(new Elysia().onRequest(() => "any"))', true],
  ['.onError(() => "any")', false],
  [".onBeforeHandle(() => {}).derive(() => ({}))", false],
])("hooks that may answer any path are told as a route: %s", async (hook, isTold) => {
  const before = 'import { Elysia } from "elysia";\nconsole.assert(Elysia);';
  await using app = await TestApp.start({ plugins: crm(hook, undefined, { before }) });
  const { routes } = (await app.get("/system/plugins/crm")).body;
  expect(routes).toEqual(isTold ? [{ method: "ALL", path: "/crm/*", guards: [] }] : []);
});

test.each<[what: string, plugin: Files, stage: string, message: string]>([
  [
    "a route",
    crm(`${GUARDED}.delete("/all", () => 1)`, DECLARED),
    "import",
    `Cannot load "crm": it serves DELETE /crm/all (OPEN), which its surface doesn't declare: its author`,
  ],
  [
    "a weaker guard",
    crm('.get("/", () => 1, { auth: true })', DECLARED),
    "import",
    "it serves GET /crm/ (auth), which its surface declares as permission crm:read: its author",
  ],
  [
    "a stronger guard",
    crm(GUARDED, { ...DECLARED, routes: [{ ...READ, guards: [] }] }),
    "import",
    "it serves GET /crm/ (permission crm:read), which its surface declares as OPEN",
  ],
  [
    "no guard",
    crm('.get("/", () => 1)', DECLARED),
    "import",
    "it serves GET /crm/ (OPEN), which its surface declares as permission crm:read",
  ],
  [
    "a permission",
    crm(GUARDED, { ...DECLARED, permissions: [] }),
    "import",
    "its guards ask for the permission crm:read, which its surface doesn't declare",
  ],
  ["a WebSocket", crm('.ws("/live", { message() {} })', EMPTY), "import", "it serves WS /crm/live (OPEN)"],
  [
    "a route that documentation hides",
    crm('.get("/x", () => 1, { detail: { hide: true } })', EMPTY),
    "import",
    "it serves GET /crm/x (OPEN)",
  ],
  [
    "files",
    crm("", EMPTY, { files: { "crm/public/a.txt": "" } }),
    "import",
    "it serves GET /crm/static/* (OPEN)",
  ],
  ["an answer to any path", crm(".onRequest(() => 1)", EMPTY), "import", "it serves ALL /crm/* (OPEN)"],
  [
    "an event",
    crm("", { ...EMPTY, hooks: ["user.deleted"] }, { before: 'hooks.on("user.created", () => {});' }),
    "import",
    `Cannot listen to "user.created": the "surface" of its plugin.json doesn't declare it`,
  ],
  [
    "a wider pattern",
    crm("", { ...EMPTY, hooks: ["user.created"] }, { before: 'hooks.on("user.*", () => {});' }),
    "import",
    'Cannot listen to "user.*"',
  ],
  [
    "an event in setup()",
    crm("", EMPTY, { after: 'export async function setup() { hooks.on("user.created", () => {}); }' }),
    "setup",
    'Cannot listen to "user.created": the "surface" of its plugin.json doesn\'t declare it; its author must name it in "hooks"',
  ],
  [
    "a table",
    crm("", EMPTY, {
      files: {
        "crm/schema.ts":
          'import { id, table } from "xcore/schema";\nexport const notes = table("crm_notes", { id: id() });',
      },
    }),
    "import",
    'Cannot declare the table "crm_notes"',
  ],
])(
  "a plugin that registers %s which it doesn't declare can't be loaded",
  async (_what, files, stage, message) => {
    await using app = await TestApp.start({ plugins: files });
    const failure = await failureOf(app);
    expect(failure.stage).toBe(stage);
    expect(failure.message).toContain(message);
    expect(failure.message).toMatch(/its author must .*pack it anew/);
  },
);

test("the place of an event or a table that isn't declared is told", async () => {
  const before = '\nhooks.on("user.created", () => {});';
  await using app = await TestApp.start({ plugins: crm("", EMPTY, { before }) });
  expect(await failureOf(app)).toMatchObject({ file: "plugins/crm/run.ts", line: 3 });
});

test("all differences are told, but not without end", async () => {
  const routes = Array.from({ length: 8 }, (_, index) => `.get("/${index}", () => 1)`).join("");
  await using app = await TestApp.start({ plugins: crm(routes, EMPTY) });
  const { message } = await failureOf(app);
  expect(message).toContain("GET /crm/4 (OPEN), which its surface doesn't declare; and 3 more: its author");
});

test("the last good generation serves on when the next one leaves its surface", async () => {
  await using app = await TestApp.start({ plugins: crm('.get("/", () => "good")', undefined) });
  const bad = crm('.get("/", () => "bad")', EMPTY);
  await app.after("plugin.failed", () =>
    app.writePlugins({ "crm/plugin.json": bad["crm/plugin.json"] ?? "" }),
  );
  expect(await (await app.fetch("/crm")).text()).toBe("good");
});

test("what a running plugin listens to later is held to its surface too", async () => {
  const router = '.get("/", () => { hooks.on("user.created", () => {}); return "listens"; })';
  const surface = { ...EMPTY, routes: [{ ...READ, guards: [] }] };
  await using app = await TestApp.start({ plugins: crm(router, surface) });
  expect((await app.fetch("/crm")).status).toBe(500);
  expect(app.app.hooks.list({ source: "crm" })).toEqual([]);
  expect(await app.log("app")).toContain('Cannot listen to \\"user.created\\"');
});

test("a plugin in a single file may declare a surface, and is held to it", async () => {
  const code = `export const PLUGIN_INFO = { name: "crm", version: "1.0.0", surface: ${JSON.stringify(EMPTY)} };
import { createRouter } from "xcore";
export default createRouter().get("/", () => 1);`;
  await using app = await TestApp.start({ plugins: { "crm.ts": code, ...plugin("other", "") } });
  expect((await failureOf(app)).message).toContain("it serves GET /crm/ (OPEN)");
});
