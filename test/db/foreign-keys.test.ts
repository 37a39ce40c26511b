import { eq, inArray, lt, sql } from "drizzle-orm";
import type { AnyPgColumn } from "drizzle-orm/pg-core";
import { expect } from "bun:test";
import pino from "pino";
import { ConstraintError } from "../../src/db/contract/database-error.ts";
import type { Driver } from "../../src/db/contract/driver.ts";
import { applyMigrations } from "../../src/db/migrations/apply.ts";
import { createSchemaModule } from "../../src/db/schema/schema.ts";
import { testOnDialect, testOnEachDialect } from "../database-servers.ts";
import { failureOf } from "./failures.ts";
import { createTables, toStatements } from "./schema/created-tables.ts";

function declare(driver: Driver) {
  const { foreignKey, id, integer, primaryKey, references, table, uuid, varchar } = createSchemaModule(
    driver.tableMakers,
  );
  const authors = table("authors", { id: id(), name: varchar(20) });
  const articles = table("articles", {
    id: id(),
    author_id: references(() => authors.id).notNull(),
    editor_id: references(() => authors.id, { onDelete: "restrict" }),
    parent_id: references((): AnyPgColumn => articles.id),
    title: varchar(20),
  });
  const comments = table("comments", {
    id: id(),
    article_id: references(() => articles.id, { onDelete: "cascade" }),
  });
  const votes = table("votes", { id: id(), comment_id: references(() => comments.id) });
  const tags = table("tags", { key: uuid().primaryKey(), name: varchar(20) });
  const labels = table("labels", { id: id(), tag_key: uuid().references(() => tags.key) });
  const places = table("places", { year: integer(), number: integer() }, (self) => [
    primaryKey({ columns: [self.year, self.number] }),
  ]);
  const stalls = table("stalls", { id: id(), year: integer(), number: integer() }, (self) => [
    foreignKey({ columns: [self.year, self.number], foreignColumns: [places.year, places.number] }),
  ]);
  return { authors, articles, comments, votes, tags, labels, places, stalls };
}

async function createRows(driver: Driver) {
  const tables = declare(driver);
  await createTables(driver, tables);
  const db = driver.toDatabase(tables);
  await db.insert(tables.authors).values([{ name: "a" }, { name: "b" }, { name: "c" }]);
  await db.insert(tables.articles).values([{ author_id: 1 }, { author_id: 1, editor_id: 2 }]);
  await db.insert(tables.comments).values({ article_id: 1 });
  return { ...tables, db };
}

function missing(table: string, target: string, ...columns: string[]): object {
  return {
    code: "validation_error",
    status: 422,
    constraint: "foreign_key",
    side: "missing",
    table,
    columns,
    message: `Cannot save: ${columns.map((column) => `"${column}"`).join(", ")} refers to a row of "${target}" that doesn't exist`,
    errors: columns.map((column) => ({
      path: `/body/${column}`,
      code: "missing_reference",
      message: expect.any(String),
    })),
  };
}

function referred(table: string, who = `rows of "${table}" refer`): object {
  return {
    code: "conflict",
    status: 409,
    constraint: "foreign_key",
    side: "referred",
    table,
    message: `Cannot delete or change the row: ${who} to it`,
  };
}

const KEY = "01890a5d-ac96-774b-bcce-b302099a8057";

testOnEachDialect("a row that refers to none is 422 on its column", async ({ driver }) => {
  const { db, articles, labels, stalls, authors } = await createRows(driver);
  const article = { author_id: 1, title: "x) returning ? \" ' `" };
  const writes: [() => PromiseLike<unknown>, object][] = [
    [() => db.insert(articles).values({ author_id: 99 }), missing("articles", "authors", "author_id")],
    [
      () => db.insert(articles).values([article, { ...article, editor_id: 99 }]),
      missing("articles", "authors", "editor_id"),
    ],
    [
      () =>
        db
          .insert(articles)
          .values({ author_id: 99, title: "t" })
          .returning({ twice: sql`${articles.id} * ${2}` }),
      missing("articles", "authors", "author_id"),
    ],
    [
      () => db.insert(articles).values({ ...article, parent_id: 99 } as never),
      missing("articles", "articles", "parent_id"),
    ],
    [() => db.insert(labels).values({ tag_key: KEY }), missing("labels", "tags", "tag_key")],
    [
      () => db.insert(stalls).values({ year: 2024, number: 1 }),
      missing("stalls", "places", "year", "number"),
    ],
    [
      () => db.update(articles).set({ author_id: 99, title: "new" }).where(eq(articles.id, 1)),
      missing("articles", "authors", "author_id"),
    ],
    [
      () =>
        db
          .update(articles)
          .set({ editor_id: sql`${articles.id} + ${98}` })
          .where(eq(articles.id, 1))
          .returning(),
      missing("articles", "authors", "editor_id"),
    ],
    [
      () =>
        db
          .insert(articles)
          .values({ id: 1, author_id: 1 })
          .onConflictDoUpdate({ target: articles.id, set: { author_id: 99 } }),
      missing("articles", "authors", "author_id"),
    ],
    [
      () =>
        db.insert(stalls).select(
          db
            .select({
              id: sql<number>`${authors.id} + 10`.as("id"),
              year: sql<number>`2024`.as("year"),
              number: authors.id,
            })
            .from(authors),
        ),
      missing("stalls", "places", "year", "number"),
    ],
    [
      () => db.execute(sql`insert into articles (author_id) values (${99})`),
      missing("articles", "authors", "author_id"),
    ],
    [
      () => db.execute(sql`UPDATE articles SET author_id = 99 WHERE id in (select article_id from comments)`),
      missing("articles", "authors", "author_id"),
    ],
    [
      () => db.transaction((tx) => tx.insert(articles).values({ author_id: 99 })),
      missing("articles", "authors", "author_id"),
    ],
  ];
  for (const [write, expected] of writes) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const error = await failureOf(write());
    expect(error).toBeInstanceOf(ConstraintError);
    expect(error).toMatchObject(expected);
    expect((error as Error).cause).toBeUndefined();
  }
  expect(await db.select({ author: articles.author_id, title: articles.title }).from(articles)).toEqual([
    { author: 1, title: null },
    { author: 1, title: null },
  ]);
  expect(await db.$count(stalls)).toBe(0);
});

testOnEachDialect(
  "a transaction goes on behind a missing row where its database lets it",
  async ({ driver }) => {
    const { db, articles } = await createRows(driver);
    await db.transaction(async (tx) => {
      await tx.insert(articles).values({ author_id: 1, title: "before" });
      const failed = tx.transaction((inner) => inner.insert(articles).values({ author_id: 99 }));
      expect(await failureOf(failed)).toMatchObject({ side: "missing", columns: ["author_id"] });
      await tx.insert(articles).values({ author_id: 1, title: "behind" });
    });
    expect(await db.$count(articles)).toBe(4);
    expect(await failureOf(db.insert(articles).values({ author_id: 99 }))).toMatchObject({ side: "missing" });
  },
);

testOnEachDialect("a row that others refer to is 409, and who they are is said", async ({ driver }) => {
  const { db, articles, authors, comments, places, stalls, votes } = await createRows(driver);
  await db.insert(places).values({ year: 2024, number: 1 });
  await db.insert(stalls).values({ year: 2024, number: 1 });
  const two = '2 rows of "articles" refer';
  const writes: [() => PromiseLike<unknown>, string, string?][] = [
    [() => db.delete(authors).where(eq(authors.id, 1)), "articles", two],
    [() => db.delete(authors).where(eq(authors.id, 2)).returning(), "articles", '1 row of "articles" refers'],
    [() => db.delete(authors).where(inArray(authors.id, [1, 3])), "articles", two],
    [
      () =>
        db
          .delete(authors)
          .where(lt(authors.id, 2))
          .returning({ x: sql`${authors.id} + ${1}` }),
      "articles",
    ],
    [() => db.update(authors).set({ id: 50 }).where(eq(authors.id, 1)), "articles"],
    [() => db.delete(places), "stalls", '1 row of "stalls" refers'],
    [() => db.execute(sql`delete from authors where id = ${1}`), "articles", two],
    [() => db.execute(sql`delete from authors where name in ('a')`), "articles"],
    [() => db.transaction((tx) => tx.delete(authors).where(eq(authors.name, "a"))), "articles", two],
  ];
  for (const [write, table, who] of writes) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect(await failureOf(write())).toMatchObject(
      who === undefined
        ? { ...referred(table), message: expect.stringContaining(`"${table}" refer`) }
        : referred(table, who),
    );
  }
  await db.delete(authors).where(eq(authors.id, 3));
  await db.insert(votes).values({ comment_id: 1 });
  // The comments go with their article; the votes don't.
  expect(await failureOf(db.delete(articles).where(eq(articles.id, 1)))).toMatchObject(referred("votes"));
  await db.update(articles).set({ parent_id: 1 }).where(eq(articles.id, 2));
  await db.delete(votes);
  expect(await failureOf(db.delete(articles).where(eq(articles.id, 1)))).toMatchObject(referred("articles"));
  await db.delete(articles).where(eq(articles.id, 2));
  await db.delete(articles);
  expect(await db.$count(comments)).toBe(0);
});

testOnEachDialect("rows that refer are counted up to 1000", async ({ driver }) => {
  const { db, authors, articles } = await createRows(driver);
  const more = (count: number) =>
    db.insert(articles).values(Array.from({ length: count }, () => ({ author_id: 3 })));
  for (const [count, who] of [
    [1000, '1000 rows of "articles"'],
    [1, 'more than 1000 rows of "articles"'],
  ] as const) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    await more(count);
    // oxlint-disable-next-line no-await-in-loop
    const error = await failureOf(db.delete(authors).where(eq(authors.id, 3)));
    expect(error).toMatchObject(referred("articles", `${who} refer`));
    expect(Bun.inspect(error)).not.toContain("parameters");
  }
});

testOnEachDialect("the plugin whose table refers is named", async ({ driver }) => {
  const { authors, articles } = declare(driver);
  for (const [owner, tables] of [
    ["core", { authors }],
    ["blog", { articles }],
  ] as const) {
    const all = owner === "core" ? [] : await toStatements(driver.dialect, { authors });
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const own = await toStatements(driver.dialect, { authors, ...tables });
    const statements = own.filter((statement) => !all.includes(statement));
    const file = { name: "0000_create", file: "0000_create.sql", hash: owner };
    const migration = { ...file, statements, isDraft: false };
    // oxlint-disable-next-line no-await-in-loop
    await applyMigrations(driver, { owner, migrations: [migration], log: pino({ level: "silent" }) });
  }
  const db = driver.toDatabase({ authors, articles });
  await db.insert(authors).values({ name: "a" });
  await db.insert(articles).values({ author_id: 1 });
  const message = 'Cannot delete or change the row: 1 row of "articles" of plugin "blog" refers to it';
  expect(await failureOf(db.delete(authors))).toMatchObject({ message, table: "articles" });
  expect(await failureOf(db.transaction((tx) => tx.delete(authors)))).toMatchObject({ message });
  expect(await db.$count(authors)).toBe(1);
});

for (const dialect of ["sqlite", "postgres"] as const) {
  testOnDialect(dialect, "a deferred key is told at the commit", async ({ driver }) => {
    await driver.migrate(async (connection) => {
      await connection.run("create table parents (id integer primary key)");
      await connection.run(
        "create table children (id integer primary key, parent_id integer references parents (id) deferrable initially deferred)",
      );
    });
    const db = driver.toDatabase({});
    const failed = db.transaction(async (tx) => {
      await tx.execute(sql`insert into children (id, parent_id) values (1, 7)`);
      return tx.execute(sql`insert into parents (id) values (8)`);
    });
    expect(await failureOf(failed)).toMatchObject({
      code: "validation_error",
      side: "missing",
      table: "children",
      columns: ["parent_id"],
      message: 'Cannot save: "parent_id" refers to a row of "parents" that doesn\'t exist',
    });
    await db.transaction(async (tx) => {
      await tx.execute(sql`insert into children (id, parent_id) values (1, 7)`);
      await tx.execute(sql`insert into parents (id) values (7)`);
    });
    expect(await db.execute(sql`select count(*) as n from parents`)).toEqual([{ n: 1 }]);
  });
}
