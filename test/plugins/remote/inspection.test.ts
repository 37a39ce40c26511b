import { expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { PluginError } from "../../../src/plugins/failure/failure.ts";
import type { FetchedPlugin } from "../../../src/plugins/remote/fetch/fetch.ts";
import {
  compareInspections,
  describeChanges,
  hostsOf,
  inspectPlugin,
} from "../../../src/plugins/remote/inspection.ts";
import { computeIntegrity } from "../../../src/plugins/snapshot/integrity.ts";
import { parseLocation } from "../../../src/plugins/remote/fetch/location.ts";
import type { Surface } from "../../../src/plugins/source/surface.ts";
import { TestFolder } from "../../setup.ts";

const LOCK = { lockfileVersion: 1, workspaces: { "": { name: "crm" } }, packages: {} };
const CDN = "https://cdn.example.com/tax.ts";

function fetched(
  files: Readonly<Record<string, string | object>>,
  { entry = "plugin.json", url = "https://plugins.example.com/crm/plugin.json" } = {},
): FetchedPlugin {
  const bytes = new Map(
    Object.entries(files).map(([name, content]) => [
      name,
      new TextEncoder().encode(typeof content === "string" ? content : JSON.stringify(content)),
    ]),
  );
  const snapshot = { entry, files: bytes, redirects: new Map<string, string>(), signatures: null };
  const location = parseLocation(url, "/");
  return { snapshot, integrity: computeIntegrity(snapshot), location, hosts: hostsOf(location, snapshot) };
}

const SURFACE: Surface = {
  routes: [
    { method: "GET", path: "/crm/", guards: [] },
    { method: "POST", path: "/crm/:id", guards: [{ permission: "crm:write" }] },
    { method: "GET", path: "/crm/me", guards: [{ auth: true }] },
  ],
  hooks: ["user.created"],
  permissions: ["crm:write"],
  tables: ["crm_notes"],
};

const CRM = {
  "plugin.json": {
    name: "crm",
    version: "1.0.0",
    description: "Customers",
    author: "Ada",
    permissions: { "crm:read": "See customers" },
    dependencies: ["erp_core"],
    surface: SURFACE,
  },
  "run.ts": `import { createRouter } from "xcore"; import "./boom.ts"; import tax from "${CDN}";
export default createRouter().get("/", () => 1).post("/:id", () => 1);`,
  "boom.ts": 'throw new Error("this code ran"); export {};',
  [CDN]: "export default 1;",
  "package.json": { dependencies: { "left-pad": "^1.3.0", elysia: "*" } },
  "bun.lock": LOCK,
  "drizzle/sqlite/0000_create.sql": "CREATE TABLE a (id integer);",
  "drizzle/sqlite/0001_more.sql": "CREATE TABLE b (id integer);",
  "drizzle/sqlite/meta/0000_snapshot.json": {},
  "drizzle/postgres/0000_create.sql": "CREATE TABLE a (id integer);",
  "public/logo.svg": "<svg/>",
};

test("inspectPlugin() tells what a plugin is and brings, and runs none of its code", async () => {
  const plugin = fetched(CRM);
  expect(await inspectPlugin(plugin)).toEqual({
    name: "crm",
    version: "1.0.0",
    description: "Customers",
    author: "Ada",
    location: "https://plugins.example.com/crm/plugin.json",
    integrity: plugin.integrity,
    signers: [],
    entry: "run.ts",
    api_prefix: "/crm",
    modules: 3,
    files: 11,
    size: [...plugin.snapshot.files.values()].reduce((sum, { length }) => sum + length, 0),
    hosts: ["plugins.example.com", "cdn.example.com"],
    permissions: { "crm:read": "See customers" },
    dependencies: { erp_core: "*" },
    packages: { "left-pad": "^1.3.0" },
    surface: SURFACE,
    migrations: { sqlite: ["0000_create", "0001_more"], postgres: ["0000_create"], mysql: [] },
  });
});

test("inspectPlugin() tells it of a single module too", async () => {
  const files = {
    "hello.ts": `import { createRouter } from "xcore"; (() => { throw new Error("this code ran"); })();
export const PLUGIN_INFO = { name: "hello", version: "2.0.0", api_prefix: "/hi" };
export default createRouter().get("/:name", () => 1);`,
    "package.json": { dependencies: { x: "1" } },
    "drizzle/sqlite/wrong.sql": "",
  };
  const options = { entry: "hello.ts", url: "https://plugins.example.com/hello.ts" };
  expect(await inspectPlugin(fetched(files, options))).toMatchObject({
    name: "hello",
    entry: "hello.ts",
    packages: {},
    surface: null,
    migrations: { sqlite: [] },
  });
});

test.each<[string, Record<string, string | object>, string, string]>([
  ["no manifest", { "plugin.json": "<html>" }, "manifest", "Cannot read plugin.json"],
  ["a wrong manifest", { "plugin.json": { name: "Crm", version: "1" } }, "manifest", '"name" must be'],
  [
    "an entry that isn't there",
    { "plugin.json": { name: "crm", version: "1.0.0", entry: "x.ts" } },
    "manifest",
    'Cannot find entry "x.ts"',
  ],
  ["no lockfile", { ...CRM, "bun.lock": "" }, "install", "bun.lock"],
  [
    "a migration without a number",
    { ...CRM, "drizzle/mysql/create.sql": "" },
    "migrate",
    "drizzle/mysql/create.sql",
  ],
  ["a missing migration", { ...CRM, "drizzle/mysql/0001_x.sql": "" }, "migrate", "number 0000 is missing"],
])("inspectPlugin() refuses %s", async (_what, files, stage, message) => {
  const error = await inspectPlugin(fetched(files)).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(PluginError);
  expect(error).toMatchObject({ stage, message: expect.stringContaining(message) });
});

test("inspectPlugin() refuses npm dependencies that no lockfile fixes, and says what its author must do", async () => {
  const { "bun.lock": _lock, ...files } = CRM;
  const error = await inspectPlugin(fetched(files)).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    stage: "install",
    message: expect.stringContaining("`xcore plugin pack` makes"),
  });
});

test("compareInspections() tells what differs, in words too", async () => {
  const before = await inspectPlugin(fetched(CRM));
  const { [CDN]: _cdn, ...kept } = CRM;
  const after = await inspectPlugin(
    fetched({
      ...kept,
      "plugin.json": {
        name: "crm",
        version: "1.1.0",
        author: "Ada",
        permissions: { "crm:read": "See all customers", "crm:write": "" },
        dependencies: { erp_core: "^2.0.0" },
        surface: {
          routes: [
            { method: "GET", path: "/crm/", guards: [{ optional_auth: true }] },
            { method: "POST", path: "/crm/:id", guards: [{ optional_auth: true }] },
            { method: "GET", path: "/crm/export", guards: [] },
          ],
          hooks: ["user.*"],
          permissions: [],
          tables: ["crm_notes", "crm_tags"],
        },
      },
      "run.ts": "export {};",
      "package.json": { dependencies: { "right-pad": "1.0.0" } },
      "drizzle/sqlite/0002_most.sql": "",
    }),
  );
  const changes = compareInspections(before, after);
  expect(describeChanges(changes)).toEqual([
    "! route POST /crm/:id: permission crm:write → OPEN (optional auth)",
    "version 1.0.0 → 1.1.0",
    "description Customers → none",
    "modules 3 → 2",
    `size ${before.size} → ${after.size}`,
    `integrity ${before.integrity} → ${after.integrity}`,
    "- host cdn.example.com",
    "route GET /crm/: OPEN → OPEN (optional auth)",
    "- route GET /crm/me: auth",
    "- hook user.created",
    "permission crm:read: See customers → See all customers",
    "dependency erp_core: * → ^2.0.0",
    "- package left-pad: ^1.3.0",
    "+ route GET /crm/export: OPEN",
    "+ hook user.*",
    "+ table crm_tags",
    "+ permission crm:write",
    "+ package right-pad: 1.0.0",
    "+ migration sqlite/0002_most",
  ]);
  expect(changes).toContainEqual({
    what: "route",
    name: "GET /crm/export",
    before: null,
    after: "OPEN",
  });
  expect(compareInspections(before, before)).toEqual([]);
});

test("compareInspections() tells first that nothing is declared any more, and no route is said to be gone", async () => {
  const { surface: _surface, ...manifest } = CRM["plugin.json"];
  const before = await inspectPlugin(fetched(CRM));
  const after = await inspectPlugin(fetched({ ...CRM, "plugin.json": manifest }));
  const [lost, ...others] = describeChanges(compareInspections(before, after));
  expect(lost).toBe("! surface declared → none");
  expect(others.filter((line) => !/^(size|integrity) /.test(line))).toEqual([]);
  const gained = describeChanges(compareInspections(after, before));
  expect(gained[0]).toBe("surface none → declared");
  expect(gained).toContain("+ route POST /crm/:id: permission crm:write");
});

const MACRO = 'export { writeFileSync as run } from "node:fs";';

for (const imported of [
  'import { run } from "<macro.ts>" with { type: "macro" };',
  String.raw`import { run } from "<macro.ts>" with { "t\u0079pe": /* as */ "\u006dacro" };`,
  'import * as all from "<macro.ts>" assert { type: "macro" };\nconst { run } = all;\nall.run("<ran>", "");',
  'import { writeFileSync as run } from "node:fs" with { type: "macro" };',
  'import { run } from "macro:<macro.ts>";',
]) {
  test(`inspectPlugin() doesn't run a macro: ${imported}`, async () => {
    await using folder = await TestFolder.create({ "macro.ts": MACRO });
    const text = `${imported}\nexport const x = run("<ran>", "");\n`;
    const code = text.replaceAll(/<(.+?)>/g, (_, name: string) => join(folder.path, name));
    const info = 'export const PLUGIN_INFO = { name: "crm", version: "1.0.0" };';
    const single = { entry: "crm.ts", url: "https://plugins.example.com/crm.ts" };
    const error: unknown = await inspectPlugin(fetched({ "crm.ts": code + info }, single)).catch(String);
    expect(error).toBe(
      "PluginError: Cannot use a macro: it would run while the plugin is read and bundled; " +
        'import it without { type: "macro" }',
    );
    await inspectPlugin(fetched({ ...CRM, "run.ts": code }));
    expect(await readdir(folder.path)).toEqual(["macro.ts"]);
  });
}
