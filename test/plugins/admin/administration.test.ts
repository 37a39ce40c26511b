import { sql } from "drizzle-orm";
import { expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type Files, plugin, TestApp } from "../../setup.ts";

const MANIFEST = `{
  // notes of everybody
  "name": "notes",
  "version": "1.2.0", "tags": ["x"],

  "active": true
}
`;
const SCHEMA = `import { id, table, varchar } from "xcore/schema";
export const notes = table("notes_notes", { id: id(), title: varchar(50) });\n`;
const CREATE =
  "CREATE TABLE `notes_notes` (`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL, `title` text(50));";

function notes(): Files {
  return {
    "notes/plugin.json": MANIFEST,
    "notes/schema.ts": SCHEMA,
    "notes/drizzle/sqlite/0000_create.sql": CREATE,
    "notes/run.ts":
      'import { createRouter, db } from "xcore";\nimport { notes } from "./schema.ts";\nexport default createRouter().get("/", async () => db.$count(notes));',
  };
}

async function call(app: TestApp, method: string, path: string, headers?: Record<string, string>) {
  const init = { method, headers: headers ?? (await app.admin()).headers };
  const response = await app.fetch(`/system/plugins${path}`, init);
  const text = await response.text();
  return { status: response.status, body: text === "" ? null : JSON.parse(text) };
}

async function readAudit(app: TestApp): Promise<readonly Record<string, unknown>[]> {
  const { db, tables } = app.app.store;
  const entries = await db.select().from(tables.auditLog);
  return entries.map(({ action, actor, target_type, target_id, result, ip_address, before, after }) => ({
    action,
    actor,
    target: `${target_type}:${target_id}`,
    result,
    ip_address,
    before,
    after,
  }));
}

test("every route of /system/plugins asks for a permission", async () => {
  await using app = await TestApp.start({ plugins: notes() });
  const plain = await app.createUser("plain@example.com", ["user"]);
  const routes: [method: string, path: string, status: number][] = [
    ["GET", "", 200],
    ["GET", "/notes", 200],
    ["PUT", "/notes/disable", 200],
    ["POST", "/notes/enable", 200],
    ["POST", "/notes/disable", 200],
    ["PUT", "/notes/enable", 200],
    ["POST", "/notes/reload", 200],
    ["PUT", "/notes/reload", 200],
    ["DELETE", "/notes", 204],
  ];
  for (const [method, path] of routes) {
    expect([method, path, (await call(app, method, path, {})).status]).toEqual([method, path, 401]);
    expect([method, path, (await call(app, method, path, plain.headers)).status]).toEqual([
      method,
      path,
      403,
    ]);
  }
  expect((await app.fetch("/notes")).status).toBe(200);
  for (const [method, path, status] of routes) {
    expect([method, path, (await call(app, method, path)).status]).toEqual([method, path, status]);
  }
});

test("disable and enable write plugin.json, keep its formatting, and answer with the new state", async () => {
  await using app = await TestApp.start({ plugins: notes(), config: { plugins: { watch: false } } });
  const file = Bun.file(join(app.folder.path, "plugins/notes/plugin.json"));
  expect((await call(app, "PUT", "/notes/disable")).body).toMatchObject({
    state: "disabled",
    serving: false,
  });
  expect(await file.text()).toBe(MANIFEST.replace("true", "false"));
  expect((await app.fetch("/notes")).status).toBe(404);
  expect((await call(app, "PUT", "/notes/disable")).status).toBe(200); // and nothing happens
  expect((await call(app, "POST", "/notes/enable")).body).toMatchObject({ state: "serving", generation: 2 });
  expect(await file.text()).toBe(MANIFEST);
  expect((await app.fetch("/notes")).status).toBe(200);
  const entry = {
    actor: "admin@example.com",
    target: "plugin:notes",
    result: "done",
    ip_address: "127.0.0.1",
  };
  expect(await readAudit(app)).toEqual([
    { action: "plugin.disabled", ...entry, before: { active: true }, after: { active: false } },
    { action: "plugin.enabled", ...entry, before: { active: false }, after: { active: true } },
  ]);
});

test("disable refuses while others depend on the plugin, unless it is asked for", async () => {
  const router = '.get("/", () => 1)';
  await using app = await TestApp.start({
    plugins: {
      ...notes(),
      ...plugin("user", router, { dependencies: ["notes"] }),
      ...plugin("last", router, { dependencies: ["user"] }),
    },
    config: { plugins: { watch: false } },
  });
  const refused = await call(app, "PUT", "/notes/disable");
  expect(refused).toMatchObject({ status: 409, body: { code: "conflict" } });
  expect(refused.body.detail).toBe(
    'Cannot disable "notes": "last", "user" depend on it; ?with_dependents=true disables them too',
  );
  expect((await call(app, "POST", "/notes/disable?with_dependents=false")).status).toBe(409);
  expect((await call(app, "GET", "/last")).body.state).toBe("serving");
  const done = await call(app, "PUT", "/notes/disable?with_dependents=true");
  expect(done).toMatchObject({ status: 200, body: { name: "notes", state: "disabled" } });
  for (const name of ["user", "last"])
    expect((await call(app, "GET", `/${name}`)).body.state).toBe("disabled");
  expect((await readAudit(app)).map(({ action, target }) => [action, target])).toEqual([
    ["plugin.disabled", "plugin:last"],
    ["plugin.disabled", "plugin:user"],
    ["plugin.disabled", "plugin:notes"],
  ]);
  expect(app.events.filter(({ name }) => name === "plugin.failed")).toEqual([]);
});

test("reload makes a new generation though nothing has changed, with those that depend on it", async () => {
  const user = plugin("user", '.get("/", () => 1)', { dependencies: ["notes"] });
  await using app = await TestApp.start({ plugins: { ...notes(), ...user } });
  expect((await call(app, "POST", "/notes/reload")).body).toMatchObject({ state: "serving", generation: 2 });
  expect((await call(app, "GET", "/user")).body).toMatchObject({ generation: 2 });
  await app.app.plugins.refresh(null);
  expect((await call(app, "GET", "/notes")).body).toMatchObject({ generation: 2 });
  expect((await readAudit(app)).map(({ action }) => action)).toEqual(["plugin.reloaded"]);
});

test("a reload that fails says why, and the last good generation keeps serving", async () => {
  const isBad = "globalThis.xcoreTestIsBad";
  await using app = await TestApp.start({
    plugins: {
      "moody/plugin.json": { name: "moody", version: "1.0.0" },
      "moody/run.ts": `import { createRouter } from "xcore";
if ((globalThis as any).xcoreTestIsBad) throw new Error("not today");
export default createRouter().get("/", () => "good");`,
    },
  });
  const global = globalThis as { xcoreTestIsBad?: boolean };
  global.xcoreTestIsBad = true;
  try {
    const { status, body } = await call(app, "POST", "/moody/reload");
    expect([isBad, status, body.state, body.serving]).toEqual([isBad, 200, "failed", true]);
    expect(body.failure.message).toContain("not today");
  } finally {
    delete global.xcoreTestIsBad;
  }
  expect(await (await app.fetch("/moody")).text()).toBe("good");
  expect((await call(app, "POST", "/moody/reload")).body).toMatchObject({ state: "serving", generation: 3 });
});

test("remove deletes the files and keeps the tables; with purge these go as well", async () => {
  await using app = await TestApp.start({ plugins: notes() });
  const { db, tables } = app.app.store;
  const count = async () =>
    (await db.execute<{ name: string }>(sql`select name from sqlite_master where name = 'notes_notes'`))
      .length;
  expect((await call(app, "DELETE", "/notes")).status).toBe(204);
  expect((await app.fetch("/notes")).status).toBe(404);
  expect((await call(app, "GET", "/notes")).status).toBe(404);
  expect(readdirSync(join(app.folder.path, "plugins"))).toEqual([]);
  expect(await count()).toBe(1);
  await app.after("plugin.loaded", () => app.writePlugins(notes()));
  expect((await call(app, "DELETE", "/notes?purge=true")).status).toBe(204);
  expect(await count()).toBe(0);
  const audit = await db.select().from(tables.auditLog);
  expect(audit.map(({ action, before, after }) => [action, before, after])).toEqual([
    ["plugin.removed", { version: "1.2.0" }, { purge: false }],
    ["plugin.removed", { version: "1.2.0" }, { purge: true }],
  ]);
});

test("what can't be done is refused, and changes nothing", async () => {
  await using app = await TestApp.start({
    plugins: {
      ...notes(),
      ...plugin("user", '.get("/", () => 1)', { dependencies: ["notes"] }),
      "single.ts":
        'import { createRouter } from "xcore";\nexport const PLUGIN_INFO = { name: "single", version: "1.0.0" };\nexport default createRouter();',
      "broken/plugin.json": "{",
      ...plugin("idle", '.get("/", () => 1)', { active: false }),
    },
  });
  const refused: [method: string, path: string, status: number, code: string, detail: string][] = [
    ["PUT", "/nobody/enable", 404, "plugin_not_found", "nobody"],
    ["POST", "/nobody/reload", 404, "plugin_not_found", "nobody"],
    ["DELETE", "/nobody", 404, "plugin_not_found", "nobody"],
    ["PUT", "/..%2F..%2Fdata/disable", 404, "plugin_not_found", "there is none"],
    ["PUT", "/single/disable", 409, "conflict", "PLUGIN_INFO"],
    ["PUT", "/broken/enable", 409, "conflict", "Cannot read plugin.json"],
    ["POST", "/idle/reload", 409, "conflict", "disabled"],
    ["DELETE", "/notes", 409, "conflict", '"user" depends on it'],
    ["DELETE", "/idle?purge=perhaps", 422, "validation_error", ""],
  ];
  for (const [method, path, status, code, detail] of refused) {
    const answer = await call(app, method, path);
    expect([method, path, answer.status, answer.body.code]).toEqual([method, path, status, code]);
    expect(answer.body.detail).toContain(detail);
  }
  expect(await readAudit(app)).toEqual([]);
  expect(existsSync(join(app.folder.path, "plugins/notes/run.ts"))).toBe(true);
  expect((await app.fetch("/notes")).status).toBe(200);
});

test("tables that another refers to stay, and so does their plugin", async () => {
  await using app = await TestApp.start({ plugins: notes() });
  await app.app.store.db.execute(
    sql`create table other_things (id integer primary key, note_id integer references notes_notes (id))`,
  );
  const { status, body } = await call(app, "DELETE", "/notes?purge=true");
  expect([status, body.code]).toEqual([409, "conflict"]);
  expect(body.detail).toContain("other_things");
  expect((await call(app, "GET", "/notes")).body).toMatchObject({ state: "serving" });
  expect(await (await app.fetch("/notes")).json()).toBe(0);
});
