import { sql } from "drizzle-orm";
import { expect, spyOn, test } from "bun:test";
import { join } from "node:path";
import { loadConfig } from "../../src/config/load.ts";
import { applyMigrations } from "../../src/db/migrations/apply.ts";
import { readMigrations } from "../../src/db/migrations/files.ts";
import { type Files, plugin, TestApp } from "../setup.ts";

const NOTES = `import { id, table, varchar } from "xcore/schema";
export const notes = table("notes_notes", { id: id(), title: varchar(50).notNull().unique() });\n`;
const CREATE_NOTES =
  "CREATE TABLE `notes_notes` (`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL, `title` text(50) NOT NULL UNIQUE);";
const RUN = `import { t } from "elysia";
import { createRouter, db } from "xcore";
import { notes } from "./schema.ts";
export default createRouter()
  .get("/", () => db.select().from(notes))
  .post("/", async ({ body }) => (await db.insert(notes).values(body).returning())[0], {
    body: t.Object({ title: t.String() }),
  });\n`;

/** A plugin with one table and its migration for SQLite. */
function notes(migrations: Record<string, string> = { "0000_create": CREATE_NOTES }): Files {
  const files = Object.entries(migrations).map(([name, text]) => [`notes/drizzle/sqlite/${name}.sql`, text]);
  return {
    "notes/plugin.json": { name: "notes", version: "1.0.0" },
    "notes/schema.ts": NOTES,
    "notes/run.ts": RUN,
    ...(Object.fromEntries(files) as Files),
  };
}

function post(body: object): RequestInit {
  return { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } };
}

test("a plugin's migrations run before it serves, and its rows outlive it", async () => {
  await using app = await TestApp.start({ plugins: notes() });
  expect((await app.fetch("/notes", post({ title: "one" }))).status).toBe(200);
  const changed = RUN.replace("db.select()", "db.select({ title: notes.title })");
  await app.after("plugin.reloaded", () => app.writePlugins({ "notes/run.ts": changed }));
  expect((await app.get("/notes")).body).toEqual([{ title: "one" }]);
});

test("a new migration is applied to the running plugin", async () => {
  await using app = await TestApp.start({ plugins: notes() });
  await app.fetch("/notes", post({ title: "one" }));
  await app.after("plugin.reloaded", () =>
    app.writePlugins({
      "notes/drizzle/sqlite/0001_done.sql":
        "ALTER TABLE `notes_notes` ADD `done` integer DEFAULT 0 NOT NULL;",
    }),
  );
  await app.after("plugin.reloaded", () =>
    app.writePlugins({
      "notes/schema.ts": NOTES.replace("id, table", "boolean, id, table").replace(
        ".unique()",
        ".unique(), done: boolean().notNull().default(false)",
      ),
    }),
  );
  expect((await app.get("/notes")).body).toEqual([{ id: 1, title: "one", done: false }]);
});

test("a failing migration leaves the last good generation serving, and nothing of itself", async () => {
  await using app = await TestApp.start({ plugins: notes() });
  await app.fetch("/notes", post({ title: "one" }));
  const failed = await app.after("plugin.failed", () =>
    app.writePlugins({
      "notes/drizzle/sqlite/0001_broken.sql":
        "ALTER TABLE `notes_notes` ADD `x` integer;\n--> statement-breakpoint\nALTER TABLE `nowhere` ADD `y` integer;",
    }),
  );
  expect(failed.data).toMatchObject({ stage: "migrate", serving: true });
  expect(failed.data.message).toContain("0001_broken");
  expect(failed.data.message).toContain("ALTER TABLE `nowhere` ADD `y` integer");
  expect((await app.get("/notes")).body).toEqual([{ id: 1, title: "one" }]);
  await app.after("plugin.reloaded", () =>
    app.writePlugins({
      "notes/drizzle/sqlite/0001_broken.sql": "ALTER TABLE `notes_notes` ADD `x` integer;",
    }),
  );
  expect((await app.get("/system/plugins/notes")).body).toMatchObject({ state: "serving", failure: null });
});

test("an applied migration that was edited is refused", async () => {
  await using app = await TestApp.start({ plugins: notes() });
  const failed = await app.after("plugin.failed", () =>
    app.writePlugins({ "notes/drizzle/sqlite/0000_create.sql": `${CREATE_NOTES} -- better` }),
  );
  expect(failed.data).toMatchObject({ stage: "migrate", serving: true });
  expect(failed.data.message).toContain("plugins/notes/drizzle/sqlite/0000_create.sql");
});

test("a query against a table that isn't there names the command that creates it", async () => {
  const table = `import { id, table } from "xcore/schema";\nconst eager = table("eager", { id: id() });`;
  await using app = await TestApp.start({
    plugins: {
      ...notes(),
      ...plugin("eager", ""),
      "eager/run.ts": `import { db } from "xcore";\n${table}\nexport const setup = () => db.$count(eager);\n`,
    },
  });
  await app.app.database.toDatabase({}).execute(sql`drop table notes_notes`);
  expect(await app.problem("/notes")).toMatchObject({ status: 500, code: "internal_error" });
  expect(await app.log("app")).toContain('create its migration with \\"xcore db generate notes\\"');
  const { failure } = (await app.get("/system/plugins/eager")).body;
  expect(failure).toMatchObject({ stage: "setup" });
  expect(failure.message).toContain('create its migration with "xcore db generate eager"');
});

test("a column that isn't there yet fails what selects it, and never reads as text", async () => {
  await using app = await TestApp.start({ plugins: notes() });
  await app.fetch("/notes", post({ title: "one" }));
  const ahead = NOTES.replace(".unique()", ".unique(), state: varchar(20)");
  const migration = "ALTER TABLE `notes_notes` ADD `state` text;";
  await app.after("plugin.reloaded", () =>
    app.writePlugins({ "notes/schema.ts": ahead, "notes/drizzle/sqlite/0001_state.sql": migration }),
  );
  await app.app.database.toDatabase({}).execute(sql`alter table notes_notes drop column state`);
  expect(await app.problem("/notes")).toMatchObject({ status: 500, code: "internal_error" });
  expect(await app.log("app")).toContain('Cannot query column \\"state\\"');
});

test("without auto_migrate a plugin waits for its migrations, which are named in the log", async () => {
  await using app = await TestApp.start();
  const flags = { database: { auto_migrate: false } };
  await app.app.configure(loadConfig({ cwd: app.folder.path, env: {}, flags }));
  const failed = await app.after("plugin.failed", () => app.writePlugins(notes()));
  expect(failed.data).toMatchObject({ stage: "migrate", serving: false });
  expect(failed.data.message).toContain("run xcore db migrate (0000_create)");
  expect(await app.log("manager")).toContain("run xcore db migrate (0000_create)");
  expect((await app.getAsAdmin("/health")).body).toMatchObject({
    status: "degraded",
    checks: { plugins: "failing" },
  });
  // Nothing but the database changes.
  await app.after("plugin.loaded", () => applyAll(app));
  expect((await app.get("/notes")).body).toEqual([]);
});

test("without auto_migrate new code with a pending migration leaves the last good generation serving", async () => {
  await using app = await TestApp.start({ plugins: notes() });
  const flags = { database: { auto_migrate: false } };
  await app.app.configure(loadConfig({ cwd: app.folder.path, env: {}, flags }));
  const ahead = NOTES.replace(".unique()", ".unique(), state: varchar(20)");
  await app.after("plugin.failed", () =>
    app.writePlugins({
      "notes/drizzle/sqlite/0001_state.sql": "ALTER TABLE `notes_notes` ADD `state` text;",
      "notes/schema.ts": ahead,
    }),
  );
  expect((await app.get("/notes")).body).toEqual([]);
  await app.after("plugin.reloaded", () => applyAll(app));
  expect((await app.get("/notes")).body).toEqual([]);
});

/** What `xcore db migrate` does. */
async function applyAll(app: TestApp): Promise<void> {
  const migrations = await readMigrations(join(app.folder.path, "plugins/notes/drizzle"), "sqlite");
  await applyMigrations(app.app.database, { owner: "notes", migrations, log: app.app.loggers.manager });
}

test("a write that a unique key refuses is a conflict, and shows no value", async () => {
  await using app = await TestApp.start({ plugins: notes() });
  await app.fetch("/notes", post({ title: "secret title" }));
  const problem = await app.problem("/notes", post({ title: "secret title" }));
  expect(problem).toMatchObject({ status: 409, code: "conflict" });
  expect(JSON.stringify(problem)).not.toContain("secret title");
  expect(await app.log("app")).not.toContain("secret title");
});

const SHOP = {
  "shop/plugin.json": { name: "shop", version: "1.0.0" },
  "shop/schema.ts": `import { boolean, id, references, table, varchar } from "xcore/schema";
export const makers = table("shop_makers", { id: id(), name: varchar(20).notNull() });
export const goods = table("shop_goods", {
  id: id(), maker_id: references(() => makers.id).notNull(), is_sold: boolean(),
});\n`,
  "shop/run.ts": `import { eq } from "drizzle-orm";
import { createRouter, db } from "xcore";
import { goods, makers } from "./schema.ts";
export default createRouter()
  .post("/makers", async ({ body }) => db.insert(makers).values(body as never).returning())
  .patch("/makers/:id", async ({ body, params }) =>
    db.update(makers).set(body as never).where(eq(makers.id, Number(params.id))).returning())
  .delete("/makers/:id", async ({ params }) => db.delete(makers).where(eq(makers.id, Number(params.id))))
  .post("/goods", async ({ body }) => db.insert(goods).values(body as never).returning());\n`,
  "shop/drizzle/sqlite/0000_create.sql": [
    "CREATE TABLE `shop_makers` (`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL, `name` text(20) NOT NULL);",
    "CREATE TABLE `shop_goods` (`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL, `maker_id` integer NOT NULL, `is_sold` integer, FOREIGN KEY (`maker_id`) REFERENCES `shop_makers`(`id`));",
  ].join("\n--> statement-breakpoint\n"),
};

test("what a client's row lacks or refers to is told by its fields", async () => {
  await using app = await TestApp.start({ plugins: SHOP });
  await app.fetch("/shop/makers", post({ name: "a" }));
  const refused: [string, string, object | null, object][] = [
    ["POST", "/goods", { maker_id: 7 }, { path: "/body/maker_id", code: "missing_reference" }],
    ["POST", "/goods", { maker_id: 1, is_sold: "true" }, { path: "/body/is_sold", code: "invalid" }],
    ["POST", "/goods", { maker_id: 1, is_sold: 1 }, { path: "/body/is_sold", code: "invalid" }],
    ["POST", "/goods", {}, { path: "/body/maker_id", code: "required" }],
    ["PATCH", "/makers/1", { name: null }, { path: "/body/name", code: "required" }],
    ["PATCH", "/makers/1", {}, { path: "", code: "required" }],
    ["POST", "/makers", [], { path: "", code: "required" }],
  ];
  for (const [method, path, body, error] of refused) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const problem = await app.problem(`/shop${path}`, { ...post(body ?? {}), method });
    expect(problem).toMatchObject({ status: 422, code: "validation_error", errors: [error] });
  }
  await app.fetch("/shop/goods", post({ maker_id: 1, is_sold: false }));
  expect(await app.problem("/shop/makers/1", { method: "DELETE" })).toMatchObject({
    status: 409,
    code: "conflict",
    detail: 'Cannot delete or change the row: 1 row of "shop_goods" of plugin "shop" refers to it',
  });
});

test("a value that its column refuses is the client's mistake, told without the value", async () => {
  await using app = await TestApp.start({ plugins: notes() });
  const refused = ["secret\0title", "secret\ud800"];
  for (const title of refused) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const problem = await app.problem("/notes", post({ title }));
    expect(problem).toMatchObject({
      status: 422,
      code: "validation_error",
      errors: [{ path: "/body/title", code: "invalid", message: expect.stringContaining("title") }],
    });
    expect(JSON.stringify(problem)).not.toContain("secret");
  }
  const log = await app.log("app");
  expect(log).toMatch(/"level":"warn".*"plugin":"notes".*Cannot store a value of/);
  expect(log).not.toContain("secret");
  expect((await app.get("/notes")).body).toEqual([]);
});

test("db.query knows the tables of schema/ and of dependencies", async () => {
  await using app = await TestApp.start({
    plugins: {
      ...notes(),
      "tags/plugin.json": { name: "tags", version: "1.0.0", dependencies: ["notes"] },
      "tags/schema/tags.ts": `import { id, references, relations, table, varchar } from "xcore/schema";
        import { notes } from "plugin:notes";
        export const tags = table("tags_tags", { id: id(), name: varchar(20), note_id: references(() => notes.id) });
        export const tagRelations = relations(tags, ({ one }) => ({
          note: one(notes, { fields: [tags.note_id], references: [notes.id] }),
        }));`,
      "tags/drizzle/sqlite/0000_create.sql":
        "CREATE TABLE `tags_tags` (`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL, `name` text(20), `note_id` integer, FOREIGN KEY (`note_id`) REFERENCES `notes_notes`(`id`));",
      "tags/run.ts": `import { createRouter, db } from "xcore";
        import { notes } from "plugin:notes";
        import { tags } from "./schema/tags.ts";
        export async function setup() {
          await db.transaction(async (tx) => {
            const [note] = await tx.insert(notes).values({ title: "first" }).returning();
            await tx.insert(tags).values({ name: "red", note_id: note.id });
          });
        }
        export default createRouter()
          .get("/", () => db.query.tags.findMany({ columns: { name: true }, with: { note: true } }))
          .get("/notes", () => db.query.notes.findMany());`,
    },
  });
  expect((await app.get("/tags")).body).toEqual([{ name: "red", note: { id: 1, title: "first" } }]);
  expect((await app.get("/tags/notes")).body).toEqual([{ id: 1, title: "first" }]);
});

test("relations of several plugins meet in the tables of the core and of a dependency", async () => {
  await using app = await TestApp.start({
    plugins: {
      "papers/plugin.json": { name: "papers", version: "1.0.0" },
      "papers/schema.ts": `import { id, references, relations, table, users } from "xcore/schema";
        export const papers = table("papers_papers", { id: id(), user_id: references(() => users.id) });
        export const paperRelations = relations(papers, ({ one }) => ({
          user: one(users, { fields: [papers.user_id], references: [users.id] }),
        }));`,
      "papers/drizzle/sqlite/0000_create.sql":
        "CREATE TABLE `papers_papers` (`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL, `user_id` integer REFERENCES `users`(`id`));",
      "papers/run.ts": 'import { createRouter } from "xcore";\nexport default createRouter();\n',
      "marks/plugin.json": { name: "marks", version: "1.0.0", dependencies: ["papers"] },
      "marks/schema.ts": `import { id, references, relations, table, users } from "xcore/schema";
        import { papers } from "plugin:papers";
        export const marks = table("marks_marks", { id: id(), paper_id: references(() => papers.id) });
        export const markRelations = relations(marks, ({ one }) => ({
          paper: one(papers, { fields: [marks.paper_id], references: [papers.id] }),
        }));
        // Named as those of the other plugin are.
        export const paperRelations = relations(papers, ({ many }) => ({ marks: many(marks) }));
        export const userRelations = relations(users, ({ many }) => ({ papers: many(papers) }));`,
      "marks/drizzle/sqlite/0000_create.sql":
        "CREATE TABLE `marks_marks` (`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL, `paper_id` integer REFERENCES `papers_papers`(`id`));",
      "marks/run.ts": `import { createRouter, db } from "xcore";
        import { users } from "xcore/schema";
        import { papers } from "plugin:papers";
        import { marks } from "./schema.ts";
        export async function setup() {
          await db.insert(users).values({ email: "a@example.org" });
          await db.insert(papers).values({ user_id: 1 });
          await db.insert(marks).values({ paper_id: 1 });
        }
        const columns = { email: true };
        export default createRouter()
          .get("/papers", () => db.query.papers.findMany({ with: { marks: true, user: { columns } } }))
          .get("/users", () => db.query.users.findMany({ columns, with: { papers: true } }));`,
    },
  });
  const paper = { id: 1, user_id: 1 };
  expect((await app.get("/marks/papers")).body).toEqual([
    { ...paper, marks: [{ id: 1, paper_id: 1 }], user: { email: "a@example.org" } },
  ]);
  expect((await app.get("/marks/users")).body).toEqual([{ email: "a@example.org", papers: [paper] }]);
});

test("db.query at the top level of a plugin fails it with what to do", async () => {
  const run = 'import { createRouter, db } from "xcore";\nvoid db.query;\nexport default createRouter();\n';
  await using app = await TestApp.start({ plugins: { ...plugin("eager", ""), "eager/run.ts": run } });
  const { failure } = (await app.get("/system/plugins/eager")).body;
  expect(failure).toMatchObject({ stage: "import", file: "plugins/eager/run.ts", line: 2 });
  expect(failure.message).toContain("setup()");
});

test("xcore/schema names what it exports when a plugin asks for something else", async () => {
  await using app = await TestApp.start({
    plugins: {
      ...plugin("odd", '.get("/", () => "never")'),
      "odd/schema.ts": 'import * as schema from "xcore/schema";\nexport const x = schema.serial();',
    },
  });
  const { failure } = (await app.get("/system/plugins/odd")).body;
  expect(failure).toMatchObject({ stage: "import", file: "plugins/odd/schema.ts", line: 2 });
  expect(failure.message).toMatch(/xcore\/schema doesn't export "serial": it exports id, uuid/);
});

test("a plugin can't be called \"core\", which owns xcore's own tables", async () => {
  await using app = await TestApp.start({ plugins: plugin("core", '.get("/", () => "never")') });
  expect((await app.get("/system/plugins/core")).body.failure).toMatchObject({ stage: "manifest" });
});

test("/health tells whether the database answers", async () => {
  await using app = await TestApp.start();
  expect((await app.getAsAdmin("/health")).body).toMatchObject({ status: "ok", checks: { database: "ok" } });
  await app.app.database.close();
  const { status, body } = await app.getAsAdmin("/health"); // known a moment ago: security.access_cache
  expect({ status, body }).toMatchObject({ status: 503, body: { checks: { database: "failing" } } });
  expect(await app.get("/health")).toEqual({ status: 503, body: { status: "degraded" } });
});

test("/health asks a database that hangs once, however often it is asked itself", async () => {
  await using app = await TestApp.start();
  const { promise: hangs, resolve } = Promise.withResolvers<void>();
  const ping = spyOn(app.app.database, "ping").mockReturnValue(hangs);
  const answers = [app.getAsAdmin("/health"), app.getAsAdmin("/health"), app.getAsAdmin("/health")];
  const late = await Promise.all(answers);
  expect(late.map(({ body }) => body.checks.database)).toEqual(["failing", "failing", "failing"]);
  expect(ping).toHaveBeenCalledTimes(1);
  resolve();
  await hangs;
  expect((await app.getAsAdmin("/health")).body.checks.database).toBe("ok");
  expect(ping).toHaveBeenCalledTimes(2);
});
