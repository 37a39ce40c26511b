import { expect, test } from "bun:test";
import { PluginError } from "../../../src/plugins/failure/failure.ts";
import { parseManifest } from "../../../src/plugins/source/manifest.ts";
import { showGuards } from "../../../src/plugins/source/surface.ts";

const OPEN = { method: "GET", path: "/crm/", guards: [] };
const EMPTY = { routes: [], hooks: [], permissions: [], tables: [] };

function parse(surface: unknown, more: object = {}) {
  return parseManifest(JSON.stringify({ name: "crm", version: "1.0.0", surface, ...more }), "plugin.json");
}

test("a manifest without a surface declares none", () => {
  expect(parse(undefined).surface).toBeNull();
});

test("a surface is read as it is declared", () => {
  const surface = {
    routes: [
      { method: "ALL", path: "/crm", guards: [{ auth: true }, { role: "sales" }] },
      { method: "M-SEARCH", path: "/crm/*", guards: [{ optional_auth: true }] },
      { method: "WS", path: "/crm/ünï/:id?", guards: [{ permission: "crm:read" }] },
    ],
    hooks: ["user.*", "*", "invoice.created"],
    permissions: ["crm:read"],
    tables: ["crm_notes"],
    jobs: [
      { name: "remind", payload: { type: "string" } },
      { name: "Send.all", payload: null },
      { name: "x" },
    ],
  };
  expect(parse(surface).surface).toEqual(surface as never);
});

const route = (value: object) => ({ ...EMPTY, routes: [{ ...OPEN, ...value }] });

test.each<[what: string, surface: unknown, message: string]>([
  ["no object", [], '"surface" must be an object'],
  ["a missing key", { routes: [], hooks: [], permissions: [] }, '"surface.tables" is missing'],
  [
    "what a later xcore declares",
    { ...EMPTY, cron: [] },
    '"surface.cron" declares what this version of xcore doesn\'t know',
  ],
  [
    "a route's key of a later xcore",
    route({ cors: true }),
    '"surface.routes[0].cors" declares what this version',
  ],
  [
    "a guard that isn't known",
    route({ guards: [{ tenant: "a" }] }),
    '"surface.routes[0].guards[0]" must be a guard',
  ],
  ["two guards in one", route({ guards: [{ role: "a", permission: "a:b" }] }), "must be a guard"],
  ["a guard that is off", route({ guards: [{ auth: false }] }), "must be a guard"],
  [
    "guards that are no list",
    route({ guards: { auth: true } }),
    '"surface.routes[0].guards" must be an array',
  ],
  ["a method with a blank", route({ method: "GET /" }), '"surface.routes[0].method" must be a method'],
  ["no method", route({ method: "" }), "must be a method"],
  ["a long path", route({ path: `/crm/${"a".repeat(500)}` }), "must be a path of at most 500 characters"],
  ["a path elsewhere", route({ path: "/auth/login" }), 'must have a path below "/crm"'],
  ["a path beside it", route({ path: "/crmx" }), 'must have a path below "/crm"'],
  ["a path that a terminal obeys", route({ path: "/crm/\u001b[2K" }), "must be printable"],
  ["a path that is drawn backwards", route({ path: "/crm/\u202Eabc" }), "must be printable"],
  ["a path with a blank", route({ path: "/crm/a  auth" }), "without blanks"],
  ["a role with a line end", route({ guards: [{ role: "a\nb" }] }), "must be printable"],
  ["a route twice", { ...EMPTY, routes: [OPEN, { ...OPEN, guards: [{ auth: true }] }] }, "must stand once"],
  [
    "too many routes",
    { ...EMPTY, routes: Array.from({ length: 2001 }, (_, i) => ({ ...OPEN, path: `/crm/${i}` })) },
    "at most 2000 routes",
  ],
  [
    "too many guards",
    route({ guards: Array.from({ length: 17 }, () => ({ auth: true })) }),
    "at most 16 guards",
  ],
  ["a hook that is no name", { ...EMPTY, hooks: ["a b"] }, '"surface.hooks[0]" must be a name'],
  ["a permission that is none", { ...EMPTY, permissions: ["*"] }, '"surface.permissions[0]" must be a name'],
  ["a table that is none", { ...EMPTY, tables: ["Crm"] }, '"surface.tables[0]" must be a name'],
  ["a job that is none", { ...EMPTY, jobs: [{ name: "a b" }] }, '"surface.jobs[0].name" must be a name'],
  ["a job of more than is known", { ...EMPTY, jobs: [{ name: "a", x: 1 }] }, "doesn't know"],
  [
    "a job twice",
    { ...EMPTY, jobs: [{ name: "a" }, { name: "a" }] },
    'must name each job once, found "a" twice',
  ],
  [
    "too many jobs",
    { ...EMPTY, jobs: Array.from({ length: 1001 }, (_, i) => ({ name: `a${i}` })) },
    "at most 1000 jobs",
  ],
  ["too many tables", { ...EMPTY, tables: Array.from({ length: 1001 }, () => "a") }, "at most 1000 names"],
  ["names that are none", { ...EMPTY, tables: [{}] }, '"surface.tables[0]" must be a name'],
])("a manifest is refused for a surface with %s", (_what, surface, message) => {
  let error: unknown;
  try {
    parse(surface);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(PluginError);
  expect((error as PluginError).message).toContain(message);
  // oxlint-disable-next-line no-control-regex -- what must not be there
  expect((error as PluginError).message).not.toMatch(/[\u0000-\u001f\u202e]/);
});

test("a manifest with more in it than a server should look at is refused at once", () => {
  const values = Array.from({ length: 60_000 }, () => 1);
  for (const manifest of [
    { surface: { ...EMPTY, routes: values } },
    { tags: values },
    { config: { values } },
  ]) {
    expect(() => parse(undefined, manifest)).toThrow("it holds more than 50000 values");
  }
  expect(() => parse(undefined, { description: "a".repeat(600_000) })).toThrow("larger than 512 KiB");
});

test("paths are held to the prefix that the manifest asks for", () => {
  const surface = route({ path: "/api/crm/" });
  expect(parse(surface, { api_prefix: "/api/crm" }).surface).toEqual(surface as never);
  expect(() => parse(surface)).toThrow("below");
});

test.each([
  [[], "OPEN"],
  [[{ optional_auth: true }], "OPEN (optional auth)"],
  [[{ auth: true }], "auth"],
  [[{ permission: "a:b" }, { role: "c" }], "permission a:b + role c"],
  [[{ optional_auth: true }, { role: "c" }], "optional auth + role c"],
] as const)("showGuards() puts %j in words", (guards, words) => {
  expect(showGuards({ method: "GET", path: "/", guards })).toBe(words);
});
