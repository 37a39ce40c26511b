import { sql } from "drizzle-orm";
import { expect, test } from "bun:test";
import { ConstraintError, DatabaseError } from "../../../src/db/contract/database-error.ts";
import { Articles, articles, authors, failureOf } from "./articles.ts";

const secret = "hunter2";

test("errors say what is wrong, with the table, and hold no values", async () => {
  await using opened = await Articles.open();
  const { db } = opened;
  await db.insert(authors).values({ id: 1, name: secret });
  await db.insert(articles).values({ id: 1, authorId: 1 });
  await db.execute(sql`create table strict_one (id integer primary key, n integer) strict`);
  const cases: [() => PromiseLike<unknown>, Record<string, unknown>][] = [
    [
      () => db.insert(authors).values({ name: secret }),
      { code: "conflict", constraint: "unique", table: "authors", columns: ["name"] },
    ],
    [
      () => db.insert(authors).values({ id: 1, name: `${secret}!` }),
      { constraint: "unique", table: "authors", columns: ["id"] },
    ],
    [
      () => db.insert(articles).values({ authorId: 77, title: secret }),
      { constraint: "foreign_key", side: "missing", table: "articles" },
    ],
    [() => db.delete(authors), { constraint: "foreign_key", side: "referred", table: "articles" }],
    [
      () => db.execute(sql`insert into authors (name) values (${null})`),
      { fault: "not_null", table: "authors" },
    ],
    [() => db.insert(articles).values({ title: "" }), { fault: "check", table: "articles" }],
    [() => db.execute(sql`insert into strict_one (n) values (${secret})`), { fault: "value" }],
    [() => db.execute(sql`insert into articles (id) values (${secret})`), { fault: "value" }],
    [
      () => db.execute(sql`select * from nowhere where a = ${secret}`),
      { fault: "missing_table", table: "nowhere" },
    ],
    [() => db.execute(sql`select born from authors where name = ${secret}`), { fault: "missing_column" }],
    [() => db.execute(sql`insert into authors (born) values (${secret})`), { fault: "missing_column" }],
    [() => db.execute(sql`selec ${secret}`), { fault: "syntax" }],
    [() => db.execute(sql``), { fault: "syntax" }],
    [() => db.execute(sql`select json_extract('{}', ${secret})`), { fault: "other" }],
    [() => db.execute(sql`select unheard_of(${secret})`), { fault: "other" }],
  ];
  for (const [query, expected] of cases) {
    const error = await failureOf(query());
    expect(error).toMatchObject(expected);
    expect(error instanceof DatabaseError || error instanceof ConstraintError).toBeTrue();
    expect(Bun.inspect(error)).not.toContain(secret);
    expect(String(error)).toMatch(/^\w+Error: Cannot [^:]+: .*[^.]$/);
  }
});

test("a missing table says which command makes it", async () => {
  await using opened = await Articles.open();
  await opened.db.execute(sql`drop table articles`);
  const error = await failureOf(opened.db.select().from(articles));
  expect(error).toMatchObject({
    fault: "missing_table",
    table: "articles",
    message:
      'Cannot query table "articles": it isn\'t in the database; create its migration with "xcore db generate <plugin>" and apply it with "xcore db migrate"',
  });
});

test("a missing column says which command makes it", async () => {
  await using opened = await Articles.open();
  const { db } = opened;
  const expected = {
    fault: "missing_column",
    message:
      'Cannot query column "title": it isn\'t in the database; create its migration with "xcore db generate <plugin>" and apply it with "xcore db migrate"',
  };
  await db.execute(sql`alter table articles drop column title`);
  for (const query of [
    () => db.select().from(articles),
    () => db.insert(articles).values({ title: secret }),
    () => db.execute(sql`select title from articles`),
    () => db.select({ title: articles.title }).from(articles).orderBy(articles.title),
    () => db.update(articles).set({ authorId: null }).returning(),
    () => db.delete(articles).returning({ title: articles.title }),
  ]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect(await failureOf(query())).toMatchObject(expected);
  }
});

test("errors of queries that are prepared once are the same", async () => {
  await using opened = await Articles.open();
  const insert = opened.db
    .insert(authors)
    .values({ name: sql.placeholder("name") })
    .prepare();
  await insert.execute({ name: secret });
  const error = await failureOf(insert.execute({ name: secret }));
  expect(error).toMatchObject({ constraint: "unique", columns: ["name"] });
  expect(Bun.inspect(error)).not.toContain(secret);
});
