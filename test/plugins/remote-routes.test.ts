import { sql } from "drizzle-orm";
import { expect, test } from "bun:test";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Files, plugin, TestApp, type TestAppOptions } from "../setup.ts";
import { PluginHost } from "./remote/plugin-host.ts";

const WRONG = `sha256-${"A".repeat(43)}=`;
const CONFIG = '{\n  // by hand\n  "plugins": {} // here\n}\n';

function crm(text: string, version = "1.0.0"): Files {
  return {
    "plugin.json": { name: "crm", version },
    "run.ts": `import { createRouter } from "xcore";\nexport default createRouter().get("/", () => "${text}");\n`,
  };
}

/** An app that may fetch from these hosts, which have private addresses. */
function startApp(hosts: readonly PluginHost[], options: TestAppOptions = {}): Promise<TestApp> {
  const allow_hosts = hosts.map(({ origin }) => new URL(origin).host);
  const config = { plugins: { fetch: { allow_hosts } } };
  return TestApp.start({ files: { "config.json": CONFIG }, config, ...options });
}

async function send(app: TestApp, method: string, path: string, body?: object) {
  const { headers } = await app.admin();
  const response = await app.fetch(`/system/plugins${path}`, {
    method,
    headers: { ...headers, "content-type": "application/json" },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? null : JSON.parse(text) };
}

function readConfig(app: TestApp): Promise<string> {
  return readFile(join(app.folder.path, "config.json"), "utf8");
}

async function readAudit(app: TestApp) {
  const { db, tables } = app.app.store;
  const entries = await db.select().from(tables.auditLog);
  return entries.map(({ action, target_id, before, after }) => ({ action, target_id, before, after }));
}

test("a plugin is previewed, added, replaced, switched off and on, and removed", async () => {
  await using host = new PluginHost();
  const first = host.publish("/crm", crm("one"));
  await using app = await startApp([host]);

  const preview = await send(app, "POST", "", { url: first.url, dry_run: true });
  expect(preview).toMatchObject({
    status: 200,
    body: {
      inspection: {
        name: "crm",
        surface: null,
        integrity: first.integrity,
      },
      replaces: false,
      changes: null,
    },
  });
  expect(await readConfig(app)).toBe(CONFIG);

  const added = await send(app, "POST", "", { url: first.url, integrity: first.integrity });
  const remote = { urls: [first.url], integrity: first.integrity };
  expect(added).toMatchObject({
    status: 201,
    body: { name: "crm", state: "serving", source: first.url, remote, generation: 1 },
  });
  expect(await (await app.fetch("/crm")).text()).toBe("one");
  const entry = `"crm": {\n        "url": "${first.url}",\n        "integrity": "${first.integrity}"\n      }`;
  const pinned = CONFIG.replace("{}", `{\n    "remote": {\n      ${entry}\n    }\n  }`);
  expect(await readConfig(app)).toBe(pinned);

  const second = host.publish("/crm", crm("two", "1.1.0"));
  const { body: next } = await send(app, "POST", "", { url: second.url, dry_run: true });
  expect(next).toMatchObject({
    replaces: true,
    changes: [{ what: "version", before: "1.0.0", after: "1.1.0" }, {}],
  });
  const replaced = await send(app, "POST", "", { url: second.url });
  expect(replaced).toMatchObject({
    status: 200,
    body: { state: "serving", version: "1.1.0", generation: 2 },
  });
  expect(await (await app.fetch("/crm")).text()).toBe("two");
  expect(await readConfig(app)).toBe(pinned.replace(first.integrity, second.integrity));

  expect(await send(app, "PUT", "/crm/disable")).toMatchObject({
    body: { state: "disabled", active: false },
  });
  expect((await app.fetch("/crm")).status).toBe(404);
  expect(await readConfig(app)).toContain('"active": false');
  expect(await send(app, "PUT", "/crm/enable")).toMatchObject({ body: { state: "serving", active: true } });

  expect((await send(app, "DELETE", "/crm")).status).toBe(204);
  expect((await app.fetch("/crm")).status).toBe(404);
  expect((await send(app, "GET", "/crm")).status).toBe(404);
  expect(JSON.parse((await readConfig(app)).replaceAll(/\/\/ .*$/gm, ""))).toEqual({
    plugins: { remote: {} },
  });

  const now = { urls: [second.url], integrity: second.integrity };
  // What a dry run asks a host for is accounted for too.
  const inspected = { action: "plugin.inspected", target_id: "crm", before: null };
  expect(await readAudit(app)).toEqual([
    { ...inspected, after: { ...remote, dry_run: true } },
    { action: "plugin.added", target_id: "crm", before: null, after: { version: "1.0.0", ...remote } },
    { ...inspected, after: { ...now, dry_run: true } },
    { action: "plugin.updated", target_id: "crm", before: remote, after: { version: "1.1.0", ...now } },
    { action: "plugin.disabled", target_id: "crm", before: { active: true }, after: { active: false } },
    { action: "plugin.enabled", target_id: "crm", before: { active: false }, after: { active: true } },
    {
      action: "plugin.removed",
      target_id: "crm",
      before: { version: "1.1.0", ...now },
      after: { purge: false },
    },
  ]);
});

test("a preview tells how the jobs that wait fit the new version", async () => {
  await using host = new PluginHost();
  const publish = (version: string, payload: string, told: object) => {
    const surface = { routes: [], hooks: [], permissions: [], tables: [], ...told };
    return host.publish("/crm", {
      "plugin.json": { name: "crm", version, surface },
      "run.ts": `import { t } from "elysia";
import { createRouter, jobs } from "xcore";
jobs.define("remind", () => {}, { payload: ${payload} });
export default createRouter();`,
    });
  };
  await using app = await startApp([host]);
  const { url } = publish("1.0.0", "t.Unknown()", {});
  const { body: first } = await send(app, "POST", "", { url, dry_run: true });
  expect(first.waiting_jobs).toBeNull();
  await send(app, "POST", "", { url });
  const { headers } = await app.admin();
  const ids: string[] = [];
  for (const payload of [1, "two"]) {
    const response = await app.fetch("/system/jobs", {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body: JSON.stringify({ name: "crm:remind", payload, delay: 3600 }),
    });
    ids.push(((await response.json()) as { id: string }).id);
  }
  const preview = async (told: object) => {
    publish("1.1.0", "t.Integer()", told);
    return (await send(app, "POST", "", { url, dry_run: true })).body;
  };
  const row = { name: "crm:remind", waiting: 2, unfit: 0, unchecked: 0, declared: true, examples: [] };
  const jobs = [{ name: "remind", payload: { type: "integer" } }];
  const told = await preview({ jobs });
  expect(told.inspection.surface.jobs).toEqual(jobs);
  expect(told.waiting_jobs).toEqual({
    checked: 2,
    complete: true,
    jobs: [{ ...row, unfit: 1, examples: [{ id: ids[1], reason: "payload: Expected integer" }] }],
  });
  const hostile = await preview({ jobs: [{ name: "remind", payload: { $ref: "#" } }] });
  expect(hostile.waiting_jobs.jobs).toEqual([{ ...row, unchecked: 2 }]);
  expect((await preview({ jobs: [] })).waiting_jobs.jobs).toEqual([{ ...row, declared: false }]);
  const silent = await preview({});
  expect(silent.waiting_jobs.jobs).toEqual([{ ...row, unchecked: 2, declared: null }]);
});

test("a preview tells which dependencies are missing, as `plugin add` does", async () => {
  await using host = new PluginHost();
  const dependencies = { gone: "^1.0.0", old: "^2.0.0", off: "*", there: "1" };
  const { url } = host.publish("/crm", {
    "plugin.json": { name: "crm", version: "1.0.0", dependencies },
    "run.ts": "export {};",
  });
  const entry = 'import { createRouter } from "xcore";\nexport default createRouter();\n';
  const toPlugin = (name: string, more: object = {}) => ({
    [`${name}/plugin.json`]: { name, version: "1.0.0", ...more },
    [`${name}/run.ts`]: entry,
  });
  const plugins = { ...toPlugin("old"), ...toPlugin("off", { active: false }), ...toPlugin("there") };
  await using app = await startApp([host], { plugins });
  const { body } = await send(app, "POST", "", { url, dry_run: true });
  expect(body.warnings).toEqual([
    "Missing dependency: crm needs \"gone\" ^1.0.0, which isn't there: it won't be loaded before you add that too",
    'Missing dependency: crm needs "old" ^2.0.0, and 1.0.0 is there',
    'Missing dependency: crm needs "off" *, which is disabled: enable it',
  ]);
});

test("a preview tells what a plugin declares that it serves, and first of all which routes lose their guards", async () => {
  await using host = new PluginHost();
  const publish = (version: string, guards: readonly object[]) => {
    const routes = [{ method: "GET", path: "/crm/", guards }];
    const surface = { routes, hooks: ["user.*"], permissions: [], tables: [] };
    const [options = {}] = guards;
    return host.publish("/crm", {
      "plugin.json": { name: "crm", version, surface },
      "run.ts": `import { createRouter } from "xcore";
export default createRouter().get("/", () => 1, ${JSON.stringify(options)});`,
    });
  };
  await using app = await startApp([host]);
  const { url } = publish("1.0.0", [{ role: "sales" }]);
  const { body: first } = await send(app, "POST", "", { url, dry_run: true });
  expect(first.inspection.surface).toEqual({
    routes: [{ method: "GET", path: "/crm/", guards: [{ role: "sales" }] }],
    hooks: ["user.*"],
    permissions: [],
    tables: [],
  });
  const { body: added } = await send(app, "POST", "", { url });
  expect(added).toMatchObject({ state: "serving", routes: first.inspection.surface.routes });
  publish("1.1.0", []);
  const { body: next } = await send(app, "POST", "", { url, dry_run: true });
  expect(next.changes[0]).toEqual({ what: "route", name: "GET /crm/", before: "role sales", after: "OPEN" });
});

test("what fails to load is pinned all the same, and the answer says why", async () => {
  await using host = new PluginHost();
  const good = host.publish("/crm", crm("good"));
  await using app = await startApp([host]);
  await send(app, "POST", "", { url: good.url });
  const bad = host.publish("/bad", { ...crm(""), "run.ts": 'throw new Error("not today");\nexport {};' });
  const { status, body } = await send(app, "POST", "", { url: bad.url });
  expect([status, body.state, body.serving, body.failure.stage]).toEqual([200, "failed", true, "import"]);
  expect(body.failure).toMatchObject({
    message: expect.stringContaining("not today"),
    file: host.url("/bad/run.ts"),
  });
  expect(await (await app.fetch("/crm")).text()).toBe("good");
});

test("what can't be added is refused with its reason, and nothing is written", async () => {
  await using host = new PluginHost({ "/page.ts": "<!doctype html><p>hello", "/wrong/plugin.json": {} });
  const pinned = host.publish("/crm", crm("one"));
  const notes = host.publish("/notes", { ...crm(""), "plugin.json": { name: "notes", version: "1.0.0" } });
  await using gone = new PluginHost();
  await gone.stop();
  await using app = await startApp([host, gone], { plugins: plugin("notes", '.get("/", () => 1)') });
  const { url } = pinned;
  const refused: [body: object, status: number, code: string, detail: string][] = [
    [{ url, integrity: WRONG }, 422, "plugin_refused", `expected ${WRONG}, found ${pinned.integrity}`],
    [{ url: gone.url("/crm/plugin.json") }, 502, "plugin_fetch_failed", gone.origin],
    [{ url: host.url("/page.ts") }, 422, "plugin_refused", "HTML"],
    [{ url: host.url("/wrong/plugin.json") }, 422, "plugin_refused", ""],
    [{ url: host.url("/none/plugin.json") }, 422, "plugin_refused", "404"],
    [{ url: notes.url }, 409, "conflict", "plugins/notes has this name"],
    [{ url: app.folder.path }, 422, "validation_error", "paths are for"],
    [{ url: "file:///etc/passwd" }, 422, "validation_error", "paths are for"],
    [{ url: "http://plugins.example.com/x.ts" }, 422, "validation_error", "https:"],
    [{ url: "https://user:secret@a.example/x.ts" }, 422, "validation_error", "no credentials"],
    [{ url: "https://a.example/${JWT_SECRET_KEY}.ts" }, 422, "validation_error", "%24%7B"],
    [{ url, urls: [url] }, 422, "validation_error", "either"],
    [{}, 422, "validation_error", "either"],
    [{ urls: [] }, 422, "validation_error", ""],
    [{ url, integrity: "md5-x" }, 422, "validation_error", ""],
  ];
  for (const [request, status, code, detail] of refused) {
    const answer = await send(app, "POST", "", request);
    expect([request, answer.status, answer.body.code]).toEqual([request, status, code]);
    expect(answer.body.detail).toContain(detail);
    expect(answer.body.detail).not.toContain("secret@");
  }
  expect(await readConfig(app)).toBe(CONFIG);
  expect(new Set((await readAudit(app)).map(({ action }) => action))).toEqual(new Set(["plugin.added"]));
  expect(await readdir(app.folder.path)).not.toContain("vendor");
  expect((await send(app, "GET", "")).body.items).toMatchObject([{ name: "notes", remote: null }]);
});

test("a config.json that is broken by hand is left alone", async () => {
  await using host = new PluginHost();
  const { url } = host.publish("/crm", crm("one"));
  await using app = await startApp([host]);
  await app.folder.write({ "config.json": '{ "plugins": ' });
  const { status, body } = await send(app, "POST", "", { url });
  expect([status, body.code]).toEqual([409, "conflict"]);
  expect(body.detail).toContain("Cannot change config.json: expected");
  expect(await readConfig(app)).toBe('{ "plugins": ');
});

test("a data directory that can't be written is said, and nothing is pinned", async () => {
  await using host = new PluginHost();
  const { url } = host.publish("/crm", crm("one"));
  await using app = await startApp([host]);
  await app.folder.write({ "data/plugins": "a file in its place" });
  const { status, body } = await send(app, "POST", "", { url });
  expect([status, body.code]).toEqual([500, "plugin_not_kept"]);
  expect(await readConfig(app)).toBe(CONFIG);
});

test("remove with purge drops the tables, and puts the entry back when that can't be done", async () => {
  await using host = new PluginHost();
  const pinned = host.publish("/crm", {
    ...crm("one"),
    "plugin.json": { name: "crm", version: "1.0.0", files: ["drizzle/sqlite/0000_create.sql"] },
    "drizzle/sqlite/0000_create.sql": "CREATE TABLE `crm_notes` (`id` integer PRIMARY KEY);",
  });
  await using app = await startApp([host]);
  const { db } = app.app.store;
  expect(await send(app, "POST", "", { url: pinned.url })).toMatchObject({ body: { state: "serving" } });
  const config = await readConfig(app);
  await db.execute(
    sql`create table other (id integer primary key, note_id integer references crm_notes (id))`,
  );
  expect(await send(app, "DELETE", "/crm?purge=true")).toMatchObject({
    status: 409,
    body: { code: "conflict" },
  });
  expect(await readConfig(app)).toBe(config);
  expect(await (await app.fetch("/crm")).text()).toBe("one");
  await db.execute(sql`drop table other`);
  expect((await send(app, "DELETE", "/crm?purge=true")).status).toBe(204);
  expect(await db.execute(sql`select name from sqlite_master where name = 'crm_notes'`)).toEqual([]);
});

test("a plugin that another depends on stays", async () => {
  await using host = new PluginHost();
  const { url } = host.publish("/crm", crm("one"));
  await using app = await startApp([host], {
    plugins: plugin("shop", '.get("/", () => 1)', { dependencies: ["crm"] }),
  });
  await send(app, "POST", "", { url });
  expect((await app.fetch("/shop")).status).toBe(200);
  const config = await readConfig(app);
  expect(await send(app, "DELETE", "/crm")).toMatchObject({ status: 409 });
  expect(await readConfig(app)).toBe(config);
});

test("asking for a failed plugin's own pin again tries again", async () => {
  await using host = new PluginHost();
  const pinned = host.publish("/crm", crm("one"));
  const files = new Map(host.answers);
  host.answers.clear();
  await using app = await startApp([host], {
    files: { "config.json": { plugins: { remote: { crm: pinned } } } },
  });
  await app.app.plugins.settled();
  expect((await send(app, "GET", "/crm")).body).toMatchObject({
    state: "failed",
    failure: { stage: "fetch" },
  });
  for (const [path, answer] of files) host.answers.set(path, answer);
  expect(await send(app, "POST", "", { url: pinned.url })).toMatchObject({
    status: 200,
    body: { state: "serving" },
  });
});

test("a plugin is not added for somebody who has gone away", async () => {
  const asked = Promise.withResolvers<void>();
  const stopped = Promise.withResolvers<void>();
  await using host = new PluginHost();
  const { url } = host.publish("/crm", crm("one"));
  host.answers.set("/crm/run.ts", (request: Request) => {
    request.signal.addEventListener("abort", () => stopped.resolve());
    asked.resolve();
    return new Promise<Response>(() => {});
  });
  await using app = await startApp([host]);
  const { headers } = await app.admin();
  const leaving = new AbortController();
  const added = app.fetch("/system/plugins", {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify({ url }),
    signal: leaving.signal,
  });
  await asked.promise;
  leaving.abort();
  await added.catch(() => {});
  await stopped.promise; // what was fetched is given up
  expect(await readConfig(app)).toBe(CONFIG);
});

test("who is deactivated while a plugin is fetched adds nothing", async () => {
  await using host = new PluginHost();
  const { url } = host.publish("/crm", crm("late"));
  await using app = await startApp([host]);
  await app.admin(); // one stays
  const files = ["/crm/plugin.json", "/crm/run.ts"].map((path) => [path, host.answers.get(path)] as const);
  for (const [path, answer] of files) {
    const asked = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    const slow = async () => {
      asked.resolve();
      await released.promise;
      return new Response(answer as string);
    };
    host.add({ ...Object.fromEntries(files.map(([name, known]) => [name, known ?? ""])), [path]: slow });
    // oxlint-disable-next-line no-await-in-loop -- each for itself
    const mallory = await app.createUser(`mallory${path.replaceAll("/", "-")}@example.com`, ["admin"]);
    const adding = app.fetch("/system/plugins", {
      method: "POST",
      headers: { ...mallory.headers, "content-type": "application/json" },
      body: JSON.stringify({ url }),
    });
    // oxlint-disable-next-line no-await-in-loop
    await asked.promise;
    const { headers } = await app.admin(); // oxlint-disable-line no-await-in-loop
    // oxlint-disable-next-line no-await-in-loop
    await app.fetch(`/admin/users/${mallory.id}/deactivate`, { method: "POST", headers });
    released.resolve();
    expect((await adding).status).toBe(401); // oxlint-disable-line no-await-in-loop
    expect(await readConfig(app)).toBe(CONFIG); // oxlint-disable-line no-await-in-loop
    expect((await send(app, "GET", "/crm")).status).toBe(404); // oxlint-disable-line no-await-in-loop
  }
});
