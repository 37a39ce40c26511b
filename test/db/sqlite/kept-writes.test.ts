import { Database } from "bun:sqlite";
import { and, eq, gt, type SQL, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/bun-sqlite";
import { type BaseSQLiteDatabase, blob, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { expect, test } from "bun:test";
import { Articles } from "./articles.ts";

const create = `create table things (id integer primary key, name text not null default 'none', "double "" quoted" text,
  count integer not null default 7, made integer, changed integer, data text, bytes blob,
  doubled integer generated always as (count * 2) virtual)`;

let made = 0;
const things = sqliteTable("things", {
  id: integer().primaryKey(),
  name: text()
    .notNull()
    .default(sql`'by ' || 'SQL'`),
  quoted: text('double " quoted'),
  count: integer().notNull().default(3),
  made: integer().$defaultFn(() => (made += 1)),
  changed: integer({ mode: "timestamp_ms" }).$onUpdate(() => new Date(5000)),
  data: text({ mode: "json" }).$type<unknown>(),
  bytes: blob({ mode: "buffer" }),
  doubled: integer().generatedAlwaysAs(sql`count * 2`),
});

type Db = Pick<BaseSQLiteDatabase<"async", unknown>, "select" | "insert" | "update" | "delete">;
type Write = (db: Db) => PromiseLike<unknown>;

const placed = (name: string): SQL => sql`${sql.placeholder(name)}`;

/** Shapes of statements, each of which must come to what drizzle's own driver makes of it. */
const writes: Readonly<Record<string, Write>> = {
  "nothing given": (db) => db.insert(things).values({}).returning(),
  "some given": (db) => db.insert(things).values({ name: "a", count: 1 }).returning(),
  "others given, in another order": (db) => db.insert(things).values({ count: 2, name: "b" }).returning(),
  "undefined and null": (db) =>
    db.insert(things).values({ id: undefined, name: undefined, quoted: null, count: 4 }).returning(),
  "values that are encoded": (db) =>
    db
      .insert(things)
      .values({ changed: new Date(1234), data: { deep: [1, null] }, bytes: Buffer.from("bytes") })
      .returning(),
  "a list as JSON": (db) =>
    db
      .insert(things)
      .values({ data: [1, "2"] })
      .returning({ data: things.data }),
  "several rows, given differently": (db) =>
    db
      .insert(things)
      .values([{ name: "c" }, { count: 9, made: 0 }, {}])
      .returning(),
  "without returning": (db) => db.insert(things).values([{ name: "d" }, { name: "e" }]),
  "some fields": (db) =>
    db.insert(things).values({ name: "f" }).returning({ title: things.name, id: things.id }),
  "the same fields, named otherwise": (db) =>
    db.insert(things).values({ name: "f" }).returning({ id: things.name, title: things.id }),
  "fields that are computed": (db) =>
    db
      .insert(things)
      .values({ name: "g" })
      .returning({ up: sql<string>`upper(${things.name})` }),
  "a value that is SQL": (db) =>
    db
      .insert(things)
      .values({ name: sql`'h' || 'i'`, count: 5 })
      .returning(),
  "a value that is SQL, behind those that code makes": (db) =>
    db
      .insert(things)
      .values([{ count: 5 }, { count: 6, quoted: "q", data: sql`'"SQL"'` }])
      .returning(),
  "a conflict": (db) =>
    db
      .insert(things)
      .values({ id: 1, name: "j" })
      .onConflictDoUpdate({ target: things.id, set: { name: "k", data: { again: true } } })
      .returning(),
  "a conflict that is ignored": (db) => db.insert(things).values({ id: 1 }).onConflictDoNothing().returning(),
  "from a select": (db) =>
    db.insert(things).select(sql`select null, 'l', null, 1, null, null, null, null from ${things} limit 2`),
  prepared: (db) =>
    db
      .insert(things)
      .values({ name: placed("name"), count: 6 })
      .returning()
      .prepare()
      .execute({ name: "m" }),
  "an update": (db) => db.update(things).set({ name: "n" }).where(eq(things.id, 2)).returning(),
  "an update of all": (db) => db.update(things).set({ count: 10, made: null, data: undefined }),
  "an update with SQL": (db) =>
    db
      .update(things)
      .set({ count: sql`${things.count} + 1` })
      .where(gt(things.id, 3))
      .returning(),
  "an update of a column by another": (db) =>
    db
      .update(things)
      .set({ quoted: sql`${things.name}` })
      .where(and(eq(things.count, 11), gt(things.id, 4)))
      .returning(),
  "an update that finds nothing": (db) =>
    db.update(things).set({ name: "o" }).where(eq(things.id, 999)).returning(),
  "an update, prepared": (db) =>
    db
      .update(things)
      .set({ quoted: placed("quoted"), name: "p" })
      .where(eq(things.id, sql.placeholder("id")))
      .returning({ id: things.id, quoted: things.quoted })
      .prepare()
      .execute({ quoted: "q", id: 3 }),
  "a limit": (db) =>
    db
      .update(things)
      .set({ name: "r" })
      .where(sql`${things.id} in (select max(id) from things)`)
      .returning(),
  "a delete": (db) => db.delete(things).where(eq(things.id, 2)).returning(),
  "a delete with some fields": (db) =>
    db.delete(things).where(gt(things.id, 12)).returning({ id: things.id }),
  "a delete of all": (db) => db.delete(things),
};

test("writes come to what drizzle's own driver makes of them, the first time and the second", async () => {
  await using opened = await Articles.open();
  await opened.driver.migrate((connection) => connection.run(create));
  using client = new Database(":memory:");
  client.run(create);
  const ours = opened.db as unknown as Db;
  const drizzles = drizzle(client) as unknown as Db;
  const run = async (db: Db) => {
    made = 0;
    const outcomes: unknown[] = [];
    for (const round of [1, 2]) {
      for (const [name, write] of Object.entries(writes)) {
        const result = await write(db);
        const rows = await db.select().from(things).orderBy(things.id);
        // A write without rows gives what its driver gives.
        outcomes.push({ round, name, result: Array.isArray(result) ? result : null, rows });
      }
    }
    return outcomes;
  };
  const [got, wanted] = [await run(ours), await run(drizzles)];
  for (const [index, outcome] of got.entries()) expect(outcome).toEqual(wanted[index]);
});

test("a write has the text that toSQL() shows", async () => {
  await using opened = await Articles.open({ echo: true });
  await opened.driver.migrate((connection) => connection.run(create));
  const { db, lines } = opened;
  for (const write of [
    db
      .insert(things)
      .values({
        id: 1,
        name: "a",
        quoted: "q",
        count: 1,
        made: 1,
        changed: new Date(0),
        data: 1,
        bytes: Buffer.of(),
      })
      .returning(),
    db.update(things).set({ name: "b" }).where(eq(things.id, 1)).returning({ id: things.id }),
    db.delete(things).where(eq(things.id, 1)),
  ]) {
    await write;
    expect(lines.at(-1)?.["sql"]).toBe(write.toSQL().sql);
  }
});

test("what changes in a row after values() or set() has no effect", async () => {
  await using opened = await Articles.open();
  await opened.driver.migrate((connection) => connection.run(create));
  const { db } = opened;
  const row = { id: 1, name: "before" };
  const insert = db.insert(things).values(row).returning({ name: things.name });
  row.name = "after";
  expect(await insert).toEqual([{ name: "before" }]);
  const change = { name: "changed" };
  const update = db.update(things).set(change).returning({ name: things.name });
  change.name = "after";
  expect(await update).toEqual([{ name: "changed" }]);
  expect(() => db.insert(things).values([null as never])).toThrow(TypeError);
});
