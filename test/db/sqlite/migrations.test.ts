import { sql } from "drizzle-orm";
import { expect, test } from "bun:test";
import { Articles, articles, authors, failureOf } from "./articles.ts";

test("a migration rebuilds a table that others refer to, and loses none of their rows", async () => {
  await using opened = await Articles.open();
  const { db, driver } = opened;
  await driver.migrate(async (connection) => {
    await connection.run(
      "create table likes (article_id integer not null references articles(id) on delete cascade)",
    );
  });
  await db.insert(articles).values([{ id: 1 }, { id: 2 }]);
  await db.execute(sql`insert into likes values (1), (2)`);
  await driver.migrate((connection) =>
    connection.transaction(async () => {
      await connection.run("create table new_articles (id integer primary key, title text, extra text)");
      await connection.run("insert into new_articles select id, title, 'x' from articles");
      await connection.run("drop table articles; alter table new_articles rename to articles");
    }),
  );
  expect(await db.execute(sql`select count(*) as likes from likes`)).toEqual([{ likes: 2 }]);
  expect(await db.execute(sql`select extra from articles`)).toHaveLength(2);
  // Foreign keys are enforced again.
  expect(await failureOf(db.execute(sql`insert into likes values (77)`))).toMatchObject({
    constraint: "foreign_key",
  });
});

test("a migration that leaves rows without what they refer to is rolled back", async () => {
  await using opened = await Articles.open();
  const { db, driver } = opened;
  await db.insert(authors).values({ id: 1, name: "Ada" });
  await db.insert(articles).values({ id: 1, authorId: 1 });
  const migration = driver.migrate((connection) =>
    connection.transaction(async () => {
      await connection.run("create table more (id integer)");
      await connection.run("delete from authors where id = ?", [1]);
    }),
  );
  const error = await failureOf(migration);
  expect(error).toMatchObject({ name: "DatabaseError", table: "articles" });
  expect(String(error)).toContain("1 rows refer to rows that don't exist");
  expect(await db.$count(authors)).toBe(1);
  expect(await failureOf(db.execute(sql`select * from more`))).toMatchObject({ fault: "missing_table" });
  expect(await failureOf(db.delete(authors))).toMatchObject({ constraint: "foreign_key" });
});

test("a failing migration says why, undoes its tables, and gives the locks back", async () => {
  await using opened = await Articles.open();
  const { db, driver } = opened;
  const migration = driver.migrate((connection) =>
    connection.transaction(async () => {
      await connection.run("create table more (id integer)");
      await connection.run("alter table articles add column title text");
    }),
  );
  expect(String(await failureOf(migration))).toContain("duplicate column name: title");
  await db.insert(articles).values({ id: 1 });
  const again = await driver.migrate(async (connection) => {
    expect(connection.isTransactional).toBeTrue();
    await connection.transaction(() => connection.run("create table more (id integer, note text)"));
    await connection.run("insert into more values (?, ?)", [1, null]);
    return connection.all("select * from more where id = ?", [1]);
  });
  expect(again).toEqual([{ id: 1, note: null }]);
});

test("migrate() of one process runs one after another, while others read", async () => {
  await using opened = await Articles.open();
  const { db, driver } = opened;
  const order: string[] = [];
  const migrate = (name: string) =>
    driver.migrate(async (connection) => {
      order.push(`${name} begins`);
      await connection.transaction(async () => {
        await new Promise(setImmediate);
        expect(await db.$count(articles)).toBe(0);
        await connection.run(`create table ${name} (id integer)`);
      });
      order.push(`${name} ends`);
    });
  await Promise.all([migrate("one"), migrate("two")]);
  expect(order).toHaveLength(4);
  expect(order.map((step) => step.split(" ")[1])).toEqual(["begins", "ends", "begins", "ends"]);
});

test("a migration that opens a transaction inside another, or writes through db, is refused", async () => {
  await using opened = await Articles.open();
  const nested = opened.driver.migrate((connection) =>
    connection.transaction(() => connection.transaction(async () => 1)),
  );
  expect(await failureOf(nested)).toBeInstanceOf(TypeError);
  const outside = opened.driver.migrate(async () => opened.db.insert(articles).values({ id: 1 }));
  expect(await failureOf(outside)).toBeInstanceOf(TypeError);
  const inside = opened.driver.migrate(() => opened.driver.migrate(async () => 1));
  expect(await failureOf(inside)).toBeInstanceOf(TypeError);
  expect(await failureOf(opened.driver.migrate(() => opened.driver.close()))).toBeInstanceOf(TypeError);
  await opened.db.insert(articles).values({ id: 2 });
  expect(await failureOf(opened.db.insert(articles).values({ authorId: 5 }))).toMatchObject({
    constraint: "foreign_key",
  });
});
