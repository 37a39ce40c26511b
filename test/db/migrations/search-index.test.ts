import { and, asc, eq } from "drizzle-orm";
import type { PgTable } from "drizzle-orm/pg-core";
import { expect } from "bun:test";
import { planWithdrawal } from "../../../src/db/migrations/generate/withdraw.ts";
import { purgeTables } from "../../../src/db/migrations/purge.ts";
import { createSchemaModule, type SchemaModule } from "../../../src/db/schema/schema.ts";
import { searchIndexOf } from "../../../src/db/schema/column-kind.ts";
import { hasWord, mayHaveWords } from "../../../src/db/search/words.ts";
import { type DialectTest, testOnEachDialect } from "../../database-servers.ts";
import { TABLE_MAKERS } from "../table-makers.ts";
import { type Declare, failureOf, MigrationProject } from "./migration-project.ts";

const withoutIndex: Declare = ({ table, id, varchar, text }) => ({
  deals: table("deals", { id: id(), title: varchar(100), body: text() }),
});
const withIndex: Declare = ({ table, id, varchar, text, searchIndex }) => ({
  deals: table("deals", { id: id(), title: varchar(100), body: text() }, (t) => [
    searchIndex("deals_search").on(t.title, t.body),
  ]),
});

/** The ids of rows that the index names for a word, and those that have it. */
async function find({ dialect, driver }: DialectTest, declare: Declare, word: string): Promise<number[]> {
  const { deals } = declare(createSchemaModule(TABLE_MAKERS[dialect])) as { deals: PgTable & Row };
  const columns = (searchIndexOf(deals)?.columns ?? []).map((name) => deals[name] as never);
  const read = async (condition: ReturnType<typeof hasWord>): Promise<number[]> => {
    const rows = await driver
      .toDatabase({})
      .select({ id: deals["id"] as never })
      .from(deals)
      .where(condition)
      .orderBy(asc(deals["id"] as never));
    return rows.map(({ id }) => Number(id));
  };
  const narrowed = mayHaveWords(deals, [word]);
  expect(narrowed).toBeDefined();
  const found = await read(and(narrowed, hasWord(columns, word)));
  // All of these words are told apart by the index itself: what it holds is up to date.
  expect(await read(narrowed)).toEqual(found);
  expect(await read(hasWord(columns, word))).toEqual(found);
  return found;
}
type Row = Record<string, unknown>;

/** Deals with an index that was made after the first of them. */
async function createProject(context: DialectTest): Promise<MigrationProject> {
  const project = new MigrationProject(context);
  await project.change(withoutIndex);
  await project.run(
    "insert into deals (title, body) values ('Big ship', 'the École'), (null, 'to be'), ('xyz', null)",
  );
  await project.change(withIndex);
  await project.run("insert into deals (title, body) values ('A shipyard', 'Ecology to go')");
  return project;
}

async function findAll(context: DialectTest, declare: Declare, words: readonly string[]): Promise<unknown> {
  const found: Record<string, number[]> = {};
  // oxlint-disable-next-line no-await-in-loop -- one query after another
  for (const word of words) found[word] = await find(context, declare, word);
  return found;
}

testOnEachDialect(
  "a search index has the words of rows that were there and of those that come",
  async (context) => {
    const project = await createProject(context);
    const words = ["ship", "SHIPY", "eco", "École", "the", "to", "bE", "xy", "yard"];
    expect(await findAll(context, withIndex, words)).toEqual({
      ship: [1, 4],
      SHIPY: [4],
      eco: [1, 4],
      École: [1],
      the: [1],
      to: [2, 4],
      bE: [2],
      xy: [3],
      yard: [],
    });
    expect(await project.generate(withIndex)).toBeNull();
  },
);

testOnEachDialect("a search index follows changes, deletes and what is rolled back", async (context) => {
  const project = await createProject(context);
  await project.run("update deals set title = null, body = 'boat' where id = 1");
  await project.run("update deals set id = 9 where id = 3");
  await project.run("delete from deals where id = 4");
  expect(await findAll(context, withIndex, ["ship", "boat", "xy", "eco"])).toEqual({
    ship: [],
    boat: [1],
    xy: [9],
    eco: [],
  });
  const database = context.driver.toDatabase({});
  const { deals } = withIndex(createSchemaModule(TABLE_MAKERS[context.dialect])) as { deals: PgTable };
  await database.transaction(async (tx) => {
    await tx.insert(deals).values({ id: 20, title: "one" } as never);
    await tx.update(deals).set({ title: "two" });
    await tx.delete(deals).where(eq((deals as PgTable & Row)["body"] as never, "boat"));
  });
  const failed = database.transaction(async (tx) => {
    await tx.update(deals).set({ title: "three" });
    throw new Error("no");
  });
  expect(await failureOf(failed)).toBe("no");
  expect(await findAll(context, withIndex, ["one", "two", "three", "boat"])).toEqual({
    one: [],
    two: [2, 9, 20],
    three: [],
    boat: [],
  });
});

const required: Declare = ({ table, id, varchar, text, integer, searchIndex, check, sql }) => ({
  deals: table(
    "deals",
    {
      id: id(),
      title: varchar(200).notNull().default(""),
      body: text().notNull(),
      count: integer().default(1),
    },
    (t) => [searchIndex("deals_search").on(t.title, t.body), check("deals_count", sql`${t.count} > 0`)],
  ),
});
const renamed =
  (columns: readonly ("name" | "body")[], search = "deals_search"): Declare =>
  (schema) => {
    const { table, id, varchar, text, searchIndex } = schema;
    const name = { name: varchar(100) };
    const body = { body: text() };
    const all = { id: id(), ...(columns.includes("name") && name), ...(columns.includes("body") && body) };
    return {
      deals: table("offers", all as never, (t) => [
        searchIndex(search).on(...(columns.map((one): unknown => Reflect.get(t, one)) as [never])),
      ]),
    };
  };

testOnEachDialect(
  "a search index stays where its table is made anew, and its columns change",
  async (context) => {
    const project = await createProject(context);
    await project.run("delete from deals where title is null or body is null");
    await project.change(required);
    await project.run("insert into deals (title, body) values ('x', 'boat'), ('shipped', 'y')");
    await project.run("update deals set title = 'none' where id = 4");
    expect(await findAll(context, required, ["ship", "boat", "eco"])).toEqual({
      ship: [1, 6],
      boat: [5],
      eco: [1, 4],
    });
    expect(await project.generate(required)).toBeNull();
  },
);

testOnEachDialect("a search index goes along with renames, and goes with what it is of", async (context) => {
  const project = await createProject(context);
  const both = renamed(["name", "body"]);
  await project.change(both, "deals=offers", "deals.title=name");
  await project.run("insert into offers (name, body) values ('ships', 'abc')");
  expect(await findAll(context, both, ["ship", "abc"])).toEqual({ ship: [1, 4, 5], abc: [5] });
  const other = renamed(["name", "body"], "offers_words");
  await project.change(other);
  expect(await findAll(context, other, ["ship", "abc"])).toEqual({ ship: [1, 4, 5], abc: [5] });
  const nameAlone = renamed(["name"], "offers_words");
  await project.change(nameAlone);
  await project.run("update offers set name = 'abc' where id = 1");
  expect(await findAll(context, nameAlone, ["ship", "abc", "eco"])).toEqual({
    ship: [4, 5],
    abc: [1],
    eco: [],
  });
  await project.change(({ table, id, varchar }) => ({
    deals: table("offers", { id: id(), name: varchar(100) }),
  }));
  await project.run("insert into offers (name) values ('last')");
  await project.change(nameAlone);
  expect(await findAll(context, nameAlone, ["last"])).toEqual({ last: [6] });
  await project.change(() => ({}));
  await project.change(withIndex);
  expect(await findAll(context, withIndex, ["last"])).toEqual({ last: [] });
});

const replaced: Declare = ({ table, id, varchar, boolean, searchIndex }) => ({
  deals: table("deals", { id: id(), title: varchar(100), body: boolean(), name: varchar(10) }, (t) => [
    searchIndex("deals_search").on(t.title, t.name),
  ]),
});
const back: Declare = ({ table, id, varchar, text, searchIndex }) => ({
  deals: table("deals", { id: id(), title: varchar(100), body: text(), name: varchar(10) }, (t) => [
    searchIndex("deals_search").on(t.title, t.body),
  ]),
});

testOnEachDialect("a column that is made anew is searched anew", async (context) => {
  const project = await createProject(context);
  await project.change(replaced);
  await project.run("insert into deals (name) values ('ship')");
  expect(await findAll(context, replaced, ["ship", "eco"])).toEqual({ ship: [1, 4, 5], eco: [] });
  await project.change(back);
  await project.run("insert into deals (body) values ('ecology')");
  expect(await findAll(context, back, ["eco"])).toEqual({ eco: [6] });
  await project.change((schema) => {
    const { table, id, varchar, searchIndex, boolean } = schema;
    const columns = { id: id(), title: varchar(100), body: varchar(50), name: varchar(10), is: boolean() };
    return { deals: table("deals", columns, (t) => [searchIndex("deals_search").on(t.title, t.body)]) };
  });
  expect(await findAll(context, back, ["eco"])).toEqual({ eco: [6] });
});

testOnEachDialect("a search index is withdrawn and purged with its table", async (context) => {
  const project = await createProject(context);
  const migration = await project.generate(required);
  await migration?.write();
  await (await planWithdrawal(context.driver, { owner: "blog", folder: project.folder })).run();
  expect(await find(context, withIndex, "ship")).toEqual([1, 4]);
  const purge = purgeTables(context.driver, "blog");
  // Not the table that SQLite has for the index.
  expect((await purge.list()).map(({ name }) => name)).toEqual(["deals"]);
  await purge.drop();
  expect(await project.refusal("select * from deals")).toMatch(/deals/);
  const again = new MigrationProject(context, "again");
  await again.change(withIndex);
  expect(await find(context, withIndex, "ship")).toEqual([]);
});

testOnEachDialect("what took effect of a search index is taken back", async (context) => {
  const project = await createProject(context);
  const bad: Declare = (schema: SchemaModule) => ({
    ...withIndex(schema),
    more: schema.table("more", { id: schema.id(), a: schema.text() }, (t) => [
      schema.searchIndex("more_search").on(t.a),
    ]),
  });
  const migration = await project.generate(bad);
  const files = (await migration?.write()) ?? [];
  for (const file of files.filter((one) => one.endsWith(".sql"))) {
    // oxlint-disable-next-line no-await-in-loop -- three small files
    await Bun.write(
      file,
      `${await Bun.file(file).text()}\n--> statement-breakpoint\nselect nothing_of_the_kind`,
    );
  }
  expect(await failureOf(project.apply())).toMatch(/nothing_of_the_kind/);
  await (await planWithdrawal(context.driver, { owner: "blog", folder: project.folder })).run();
  await project.change(bad);
  expect(await find(context, withIndex, "ship")).toEqual([1, 4]);
});
