import { sql } from "drizzle-orm";
import { expect, setDefaultTimeout } from "bun:test";
import { xcore } from "../cli/xcore-process.ts";
import { testOnEachDialect } from "../database-servers.ts";
import { type Files, plugin, TestApp } from "../setup.ts";

setDefaultTimeout(120_000);

const SCHEMA = `import { id, integer, table, varchar } from "xcore/schema";
export const notes = table("notes_notes", { id: id(), title: varchar(50).notNull(), size: integer() });\n`;
const LATER_SCHEMA = `import { boolean, id, references, relations, table, users, varchar } from "xcore/schema";
export const notes = table("notes_notes", {
  done: boolean().notNull().default(false),
  id: id(),
  size: varchar(20),
  heading: varchar(50).notNull(),
  author_id: references(() => users.id),
});
export const labels = table("notes_labels", { id: id(), name: varchar(20), note_id: references(() => notes.id) });
export const noteRelations = relations(notes, ({ one, many }) => ({
  author: one(users, { fields: [notes.author_id], references: [users.id] }),
  labels: many(labels),
}));
export const labelRelations = relations(labels, ({ one }) => ({
  note: one(notes, { fields: [labels.note_id], references: [notes.id] }),
}));\n`;
const RUN = `import { createRouter, db } from "xcore";
import { notes } from "./schema.ts";
export default createRouter()
  .get("/", () => db.query.notes.findMany())
  .post("/", async () => (await db.insert(notes).values({ title: "one", size: 7 }).returning())[0]);\n`;
const LATER_RUN = `import { eq } from "drizzle-orm";
import { createRouter, db } from "xcore";
import { users } from "xcore/schema";
import { labels, notes } from "./schema.ts";
const related = { author: { columns: { email: true } }, labels: { with: { note: true } } };
export default createRouter()
  .get("/", () => db.query.notes.findMany({ with: related }))
  .get("/joined", () => db.select().from(notes).leftJoin(labels, eq(labels.note_id, notes.id)))
  .post("/", () => db.transaction(async (tx) => {
    const [author] = await tx.insert(users).values({ email: "a@example.org" }).returning();
    await tx.update(notes).set({ author_id: author.id, done: true });
    return (await tx.insert(labels).values({ name: "red", note_id: 1 }).returning())[0];
  }));\n`;

const FILES: Files = {
  ...plugin("notes", ""),
  "notes/schema.ts": SCHEMA,
  "notes/run.ts": RUN,
};

async function generate(app: TestApp, url: string, ...args: string[]): Promise<void> {
  const done = await xcore(app.folder, ["db", "generate", "notes", ...args], { env: { DATABASE_URL: url } });
  if (done.code !== 0) throw new Error(done.stderr);
}

testOnEachDialect("a plugin is swapped for a version whose tables differ", async ({ url }) => {
  await using app = await TestApp.start({ plugins: FILES, config: { database: { url } } });
  await app.after("plugin.loaded", () => generate(app, url));
  expect(await (await app.fetch("/notes", { method: "POST" })).json()).toEqual({
    id: 1,
    title: "one",
    size: 7,
  });
  expect((await app.get("/notes")).body).toEqual([{ id: 1, title: "one", size: 7 }]);
  // As an editor saves them: the schema is ahead of its migration for a moment.
  await app.after("plugin.failed", () =>
    app.writePlugins({ "notes/run.ts": LATER_RUN, "notes/schema.ts": LATER_SCHEMA }),
  );
  expect((await app.get("/notes")).body).toEqual([{ id: 1, title: "one", size: 7 }]);
  await app.after("plugin.reloaded", () => generate(app, url, "--rename", "notes_notes.title=heading"));
  const row = { id: 1, heading: "one", size: "7", author_id: null, done: false };
  expect((await app.get("/notes")).body).toEqual([{ ...row, author: null, labels: [] }]);
  expect(await (await app.fetch("/notes", { method: "POST" })).json()).toEqual({
    id: 1,
    name: "red",
    note_id: 1,
  });
  const changed = { ...row, author_id: 1, done: true };
  expect((await app.get("/notes")).body).toEqual([
    {
      ...changed,
      author: { email: "a@example.org" },
      labels: [{ id: 1, name: "red", note_id: 1, note: changed }],
    },
  ]);
  expect((await app.get("/notes/joined")).body).toEqual([
    { notes_notes: changed, notes_labels: { id: 1, name: "red", note_id: 1 } },
  ]);
});

testOnEachDialect(
  "a failing migration of a new version leaves the last one serving",
  async ({ dialect, url, driver }) => {
    await using app = await TestApp.start({ plugins: FILES, config: { database: { url } } });
    await app.after("plugin.loaded", () => generate(app, url));
    await app.fetch("/notes", { method: "POST" });
    const file = `notes/drizzle/${dialect}/0001_broken.sql`;
    const first = "alter table notes_notes add done integer default 0 not null;\n--> statement-breakpoint\n";
    const failed = await app.after("plugin.failed", () =>
      app.writePlugins({
        [file]: `${first}alter table notes_nowhere add wrong integer;`,
        "notes/run.ts": RUN.replace('"one"', '"two"'),
      }),
    );
    expect(failed.data).toMatchObject({ stage: "migrate", serving: true });
    expect(failed.data.message).toContain(`plugins/${file}`);
    expect(failed.data.message).toContain("statement 2 (alter table notes_nowhere add wrong integer;)");
    expect((await app.get("/system/plugins/notes")).body).toMatchObject({
      state: "failed",
      serving: true,
      failure: { stage: "migrate" },
    });
    expect((await app.get("/notes")).body).toEqual([{ id: 1, title: "one", size: 7 }]);
    // The new code comes with the corrected migration.
    await app.after("plugin.reloaded", () =>
      app.writePlugins({ [file]: `${first}alter table notes_notes add right_one integer;` }),
    );
    expect(await (await app.fetch("/notes", { method: "POST" })).json()).toMatchObject({
      id: 2,
      title: "two",
    });
    expect(
      await driver.toDatabase({}).execute(sql`select id, done, right_one from notes_notes order by id`),
    ).toEqual([
      { id: 1, done: 0, right_one: null },
      { id: 2, done: 0, right_one: null },
    ]);
  },
);

testOnEachDialect(
  "a plugin's migrations wait for those of its dependencies",
  async ({ dialect, url, driver }) => {
    const parents = `zeta/drizzle/${dialect}/0000_create.sql`;
    await using app = await TestApp.start({
      plugins: {
        // In the order of names it would come first.
        ...plugin("alpha", '.get("/", () => "alpha")', { dependencies: ["zeta"] }),
        [`alpha/drizzle/${dialect}/0000_create.sql`]:
          "create table alpha_rows (id integer primary key, zeta_id integer, foreign key (zeta_id) references zeta_rows (id))",
        ...plugin("zeta", '.get("/", () => "zeta")'),
        [parents]: "create table zeta_rows (id integer primary key, wrong nonsense(1,)",
      },
      config: { database: { url } },
    });
    expect((await app.get("/system/plugins/zeta")).body.failure).toMatchObject({ stage: "migrate" });
    const { failure } = (await app.get("/system/plugins/alpha")).body;
    expect(failure).toMatchObject({ stage: "dependencies" });
    const owned = sql`select name from xcore_tables where owner <> ${"core"} order by name`;
    const db = driver.toDatabase({});
    expect(await db.execute(owned)).toEqual([]);
    await app.after(
      "plugin.loaded",
      () => app.writePlugins({ [parents]: "create table zeta_rows (id integer primary key)" }),
      ({ data }) => data.name === "alpha",
    );
    expect(await db.execute(owned)).toEqual([{ name: "alpha_rows" }, { name: "zeta_rows" }]);
  },
);
