import { and, asc, count, desc, eq, gt, inArray, sql, TransactionRollbackError } from "drizzle-orm";
import { expect } from "bun:test";
import { ConstraintError, DatabaseError } from "../../src/db/contract/database-error.ts";
import { testOnDialect, testOnEachDialect } from "../database-servers.ts";
import { createBlog } from "./blog-tables.ts";
import { failureOf } from "./failures.ts";

testOnEachDialect("insert() returns the rows in the order of the values", async ({ driver }) => {
  const { db, authors, members, tokens } = await createBlog(driver);
  const emails = ["c@x", "a@x", "b@x"];
  const rows = await db
    .insert(authors)
    .values(emails.map((email) => ({ email })))
    .returning();
  expect(rows).toEqual(emails.map((email, index) => ({ id: index + 1, email, name: null })));
  expect(await db.insert(authors).values({ id: 40, email: "d@x" }).returning({ id: authors.id })).toEqual([
    { id: 40 },
  ]);
  const mixed = [
    { id: 50, email: "e@x" },
    { id: 45, email: "f@x" },
  ];
  expect(await db.insert(authors).values(mixed).returning({ id: authors.id })).toEqual([
    { id: 50 },
    { id: 45 },
  ]);
  const keys = [
    { group_id: 2, user_id: 1 },
    { group_id: 1, user_id: 2 },
  ];
  expect(await db.insert(members).values(keys).returning()).toEqual(
    keys.map((key) => ({ ...key, role: null })),
  );
  const labels = await db
    .insert(tokens)
    .values([{ label: "two" }, { label: "one" }])
    .returning();
  expect(labels.map(({ label }) => label)).toEqual(["two", "one"]);
  expect(new Set(labels.map(({ id }) => id)).size).toBe(2);
  const upper = sql<string>`upper(${authors.email})`;
  expect(await db.insert(authors).values({ email: "g@x" }).returning({ upper })).toEqual([{ upper: "G@X" }]);
});

testOnEachDialect("insert() returns rows with counted and given ids in one statement", async ({ driver }) => {
  const { db, authors } = await createBlog(driver);
  const values = [{ email: "a@x" }, { id: 70, email: "b@x" }, { email: "c@x" }];
  const rows = await db.insert(authors).values(values).returning();
  expect(rows.map(({ email }) => email)).toEqual(["a@x", "b@x", "c@x"]);
  expect(rows[1]?.id).toBe(70);
});

testOnEachDialect("a write without returning() tells how many rows it touched", async ({ driver }) => {
  const { db, authors, articles } = await createBlog(driver);
  expect(await db.insert(authors).values([{ email: "a@x" }, { email: "b@x" }])).toEqual({ rowsAffected: 2 });
  expect(await db.update(authors).set({ name: "N" })).toEqual({ rowsAffected: 2 });
  // Rows that have the value already count too.
  expect(await db.update(authors).set({ name: "N" })).toEqual({ rowsAffected: 2 });
  expect(await db.update(authors).set({ name: "M" }).where(eq(authors.email, "z@x"))).toEqual({
    rowsAffected: 0,
  });
  const copied = await db.insert(articles).select(
    db
      .select({
        id: authors.id,
        author_id: authors.id,
        section: sql<string>`'copied'`.as("section"),
        slug: authors.email,
        title: authors.email,
        views: sql<number>`0`.as("views"),
        created_at: sql<Date>`current_timestamp`.as("created_at"),
      })
      .from(authors),
  );
  expect(copied).toEqual({ rowsAffected: 2 });
  expect(await db.delete(articles).where(eq(articles.section, "copied"))).toEqual({ rowsAffected: 2 });
});

testOnEachDialect("update() and delete() return the rows", async ({ driver }) => {
  const { db, authors, members } = await createBlog(driver);
  await db.insert(authors).values([{ email: "a@x" }, { email: "b@x" }, { email: "c@x" }]);
  const updated = await db
    .update(authors)
    .set({ name: sql`upper(${authors.email})` })
    .where(gt(authors.id, 1))
    .returning({ id: authors.id, name: authors.name });
  expect(updated.toSorted((a, b) => a.id - b.id)).toEqual([
    { id: 2, name: "B@X" },
    { id: 3, name: "C@X" },
  ]);
  // Also where the change takes the row out of the condition.
  expect(await db.update(authors).set({ name: null }).where(eq(authors.name, "B@X")).returning()).toEqual([
    { id: 2, email: "b@x", name: null },
  ]);
  expect(await db.update(authors).set({ name: "x" }).where(eq(authors.id, 99)).returning()).toEqual([]);
  expect(await db.delete(authors).where(eq(authors.id, 3)).returning()).toEqual([
    { id: 3, email: "c@x", name: "C@X" },
  ]);
  expect(await db.delete(authors).where(eq(authors.id, 3)).returning()).toEqual([]);
  expect(await db.select({ id: authors.id }).from(authors).orderBy(authors.id)).toEqual([
    { id: 1 },
    { id: 2 },
  ]);
  await db.insert(members).values([
    { group_id: 1, user_id: 1 },
    { group_id: 1, user_id: 2 },
  ]);
  expect(await db.update(members).set({ role: "r" }).where(eq(members.user_id, 2)).returning()).toEqual([
    { group_id: 1, user_id: 2, role: "r" },
  ]);
  expect(await db.delete(members).returning({ user: members.user_id })).toHaveLength(2);
});

testOnEachDialect("onConflictDoNothing() skips rows and returns the inserted", async ({ driver }) => {
  const { db, authors } = await createBlog(driver);
  await db.insert(authors).values({ email: "a@x", name: "first" });
  const skip = { target: authors.email };
  expect(await db.insert(authors).values({ email: "a@x" }).onConflictDoNothing(skip)).toEqual({
    rowsAffected: 0,
  });
  expect(await db.insert(authors).values({ email: "a@x" }).onConflictDoNothing().returning()).toEqual([]);
  const values = [{ email: "b@x" }, { email: "a@x" }, { email: "c@x" }];
  const rows = await db
    .insert(authors)
    .values(values)
    .onConflictDoNothing(skip)
    .returning({ email: authors.email });
  expect(rows).toEqual([{ email: "b@x" }, { email: "c@x" }]);
  expect(
    await db
      .insert(authors)
      .values([{ email: "a@x" }, { email: "d@x" }])
      .onConflictDoNothing(skip),
  ).toEqual({
    rowsAffected: 1,
  });
  const [first] = await db.select().from(authors).where(eq(authors.email, "a@x"));
  expect(first).toEqual({ id: 1, email: "a@x", name: "first" });
});

testOnEachDialect("onConflictDoUpdate() inserts or updates, and returns the rows", async ({ driver }) => {
  const { db, articles, authors, members } = await createBlog(driver);
  const upsert = (name: string) =>
    db
      .insert(authors)
      .values({ email: "a@x", name })
      .onConflictDoUpdate({ target: authors.email, set: { name } });
  expect(await upsert("1")).toEqual({ rowsAffected: 1 });
  expect(await upsert("2")).toEqual({ rowsAffected: 1 });
  // Nothing changes, and still one row is meant.
  expect(await upsert("2")).toEqual({ rowsAffected: 1 });
  expect(await upsert("3").returning()).toEqual([{ id: 1, email: "a@x", name: "3" }]);
  const values = [
    { email: "b@x", name: "B" },
    { email: "a@x", name: "A" },
  ];
  const rows = await db
    .insert(authors)
    .values(values)
    .onConflictDoUpdate({ target: authors.email, set: { name: sql`excluded.name || '!'` } })
    .returning({ email: authors.email, name: authors.name });
  expect(rows).toEqual([
    { email: "b@x", name: "B" },
    { email: "a@x", name: "A!" },
  ]);
  await db
    .insert(authors)
    .values(values)
    .onConflictDoUpdate({ target: authors.email, set: { name: sql`excluded.${sql.identifier("name")}` } });
  expect(await db.select({ name: authors.name }).from(authors).orderBy(authors.email)).toEqual([
    { name: "A" },
    { name: "B" },
  ]);
  const counted = () =>
    db
      .insert(articles)
      .values({ author_id: 1, section: "news", slug: "s", title: "t", views: 1 })
      .onConflictDoUpdate({
        target: [articles.section, articles.slug],
        set: { views: sql`${articles.views} + 1` },
      })
      .returning({ views: articles.views, section: articles.section });
  await counted();
  await counted();
  expect(await counted()).toEqual([{ views: 3, section: "news" }]);
  const member = { group_id: 1, user_id: 1, role: "a" };
  await db.insert(members).values(member);
  const changed = await db
    .insert(members)
    .values(member)
    .onConflictDoUpdate({ target: [members.group_id, members.user_id], set: { role: "b" } })
    .returning();
  expect(changed).toEqual([{ ...member, role: "b" }]);
});

testOnEachDialect(
  "an upsert never touches a row that conflicts with another key than its target",
  async ({ driver }) => {
    const { db, authors } = await createBlog(driver);
    await db.insert(authors).values([
      { id: 1, email: "a@x" },
      { id: 2, email: "b@x" },
    ]);
    const wrong = db
      .insert(authors)
      .values({ id: 1, email: "new@x" })
      .onConflictDoUpdate({ target: authors.email, set: { name: "taken" } });
    expect(await failureOf(wrong)).toBeInstanceOf(ConstraintError);
    const skipped = db
      .insert(authors)
      .values({ id: 1, email: "new@x" })
      .onConflictDoNothing({ target: authors.email });
    expect(await failureOf(skipped)).toBeInstanceOf(ConstraintError);
    expect(await db.select().from(authors).orderBy(authors.id)).toEqual([
      { id: 1, email: "a@x", name: null },
      { id: 2, email: "b@x", name: null },
    ]);
  },
);

testOnEachDialect("selects join, group, sort, limit, combine and count", async ({ driver }) => {
  const { db, authors, articles } = await createBlog(driver);
  await db.insert(authors).values([{ email: "a@x" }, { email: "b@x" }, { email: "c@x" }]);
  await db.insert(articles).values([
    { author_id: 1, slug: "1", title: "A1" },
    { author_id: 1, slug: "2", title: "A2" },
    { author_id: 2, slug: "3", title: "B1" },
  ]);
  const joined = await db
    .select({ email: authors.email, title: articles.title })
    .from(authors)
    .leftJoin(articles, eq(articles.author_id, authors.id))
    .orderBy(asc(authors.email), desc(articles.title));
  expect(joined).toEqual([
    { email: "a@x", title: "A2" },
    { email: "a@x", title: "A1" },
    { email: "b@x", title: "B1" },
    { email: "c@x", title: null },
  ]);
  const whole = await db
    .select()
    .from(authors)
    .leftJoin(articles, eq(articles.author_id, authors.id))
    .where(eq(authors.id, 3));
  expect(whole).toEqual([{ authors: { id: 3, email: "c@x", name: null }, articles: null }]);
  const grouped = await db
    .select({ author: articles.author_id, articles: count() })
    .from(articles)
    .groupBy(articles.author_id)
    .having(gt(count(), 1));
  expect(grouped).toEqual([{ author: 1, articles: 2 }]);
  expect(await db.select({ id: articles.id }).from(articles).orderBy(articles.id).limit(1).offset(1)).toEqual(
    [{ id: 2 }],
  );
  expect(
    await db.selectDistinct({ author: articles.author_id }).from(articles).orderBy(articles.author_id),
  ).toEqual([{ author: 1 }, { author: 2 }]);
  expect(await db.$count(articles, eq(articles.author_id, 1))).toBe(2);
  const writers = db.$with("writers").as(db.select({ id: articles.author_id }).from(articles));
  const found = await db
    .with(writers)
    .select({ email: authors.email })
    .from(authors)
    .where(inArray(authors.id, db.select({ id: writers.id }).from(writers)))
    .orderBy(authors.email);
  expect(found).toEqual([{ email: "a@x" }, { email: "b@x" }]);
  const some = db.select({ id: authors.id }).from(authors);
  const union = await some
    .where(eq(authors.id, 1))
    .union(db.select({ id: authors.id }).from(authors).where(eq(authors.id, 3)));
  expect(union.map(({ id }) => id).toSorted((a, b) => a - b)).toEqual([1, 3]);
});

testOnEachDialect("query reads relations, filtered, sorted and limited", async ({ driver }) => {
  const { db, authors, articles } = await createBlog(driver);
  await db.insert(authors).values([{ email: "a@x" }, { email: "b@x" }]);
  await db.insert(articles).values(
    [1, 2, 3, 4].map((number) => ({
      author_id: 1,
      slug: String(number),
      title: `T${number}`,
      views: 10 - number,
    })),
  );
  const all = await db.query.authors.findMany({
    orderBy: asc(authors.id),
    columns: { email: true },
    with: {
      articles: {
        columns: { title: true },
        where: gt(articles.views, 6),
        orderBy: desc(articles.slug),
        limit: 2,
        with: { author: { columns: { id: true } } },
      },
    },
  });
  expect(all).toEqual([
    {
      email: "a@x",
      articles: [
        { title: "T3", author: { id: 1 } },
        { title: "T2", author: { id: 1 } },
      ],
    },
    { email: "b@x", articles: [] },
  ]);
  const one = await db.query.articles.findFirst({
    where: eq(articles.slug, "2"),
    columns: { title: true },
    with: {
      author: {
        with: { articles: { columns: { slug: true }, orderBy: asc(articles.slug), offset: 3, limit: 5 } },
      },
    },
  });
  expect(one).toEqual({
    title: "T2",
    author: { id: 1, email: "a@x", name: null, articles: [{ slug: "4" }] },
  });
  expect(await db.query.authors.findFirst({ where: eq(authors.id, 9) })).toBeUndefined();
});

testOnEachDialect("prepared queries run with other values each time", async ({ driver }) => {
  const { db, authors } = await createBlog(driver);
  const insert = db
    .insert(authors)
    .values({ email: sql.placeholder("email") })
    .returning()
    .prepare("insert_author");
  expect(await insert.execute({ email: "a@x" })).toEqual([{ id: 1, email: "a@x", name: null }]);
  expect(await insert.execute({ email: "b@x" })).toEqual([{ id: 2, email: "b@x", name: null }]);
  const select = db
    .select()
    .from(authors)
    .where(eq(authors.id, sql.placeholder("id")))
    .prepare("author");
  expect(await select.execute({ id: 2 })).toEqual([{ id: 2, email: "b@x", name: null }]);
  expect(await select.execute({ id: 3 })).toEqual([]);
  const update = db
    .update(authors)
    .set({ name: sql`${sql.placeholder("name")}` })
    .where(eq(authors.id, sql.placeholder("id")))
    .returning({ name: authors.name })
    .prepare("rename");
  expect(await update.execute({ id: 1, name: "N" })).toEqual([{ name: "N" }]);
  const remove = db
    .delete(authors)
    .where(eq(authors.id, sql.placeholder("id")))
    .returning({ id: authors.id })
    .prepare("remove");
  expect(await remove.execute({ id: 1 })).toEqual([{ id: 1 }]);
  const find = db.query.authors.findFirst({ where: eq(authors.id, sql.placeholder("id")) }).prepare("find");
  expect(await find.execute({ id: 2 })).toEqual({ id: 2, email: "b@x", name: null });
  const failure = await failureOf(insert.execute({ email: "b@x" }));
  expect(failure).toBeInstanceOf(ConstraintError);
  expect(Bun.inspect(failure)).not.toContain("b@x");
});

testOnEachDialect("execute() returns rows by column name, and binds values", async ({ driver }) => {
  const { db, authors } = await createBlog(driver);
  await db.insert(authors).values({ email: "a@x", name: 'it\'s \\ "quoted" ? $1' });
  const name = 'it\'s \\ "quoted" ? $1';
  const rows = await db.execute<{ id: number; n: number }>(
    sql`select ${authors.id}, 7 as n from ${authors} where ${authors.name} = ${name} and "email" = ${"a@x"}`,
  );
  expect(rows).toEqual([{ id: 1, n: 7 }]);
  expect(Array.isArray(rows)).toBe(true);
  expect(await db.execute(sql`select count(*) as n from ${authors}`)).toEqual([{ n: 1 }]);
  expect(await db.execute(sql`update ${authors} set name = 'x'`)).toEqual([]);
  const hostile = "x' or '1'='1";
  expect(await db.execute(sql`select 1 as one from ${authors} where ${authors.name} = ${hostile}`)).toEqual(
    [],
  );
});

testOnEachDialect("transaction() commits all writes, or none when its work throws", async ({ driver }) => {
  const { db, authors } = await createBlog(driver);
  const result = await db.transaction(async (tx) => {
    const [row] = await tx.insert(authors).values({ email: "a@x" }).returning();
    await Bun.sleep(0);
    expect(await tx.$count(authors)).toBe(1);
    expect(await db.$count(authors)).toBe(0);
    return row?.email;
  });
  expect(result).toBe("a@x");
  const reason = new Error("no");
  const failed = db.transaction(async (tx) => {
    await tx.insert(authors).values({ email: "b@x" });
    await Bun.sleep(0);
    throw reason;
  });
  expect(await failureOf(failed)).toBe(reason);
  const rolledBack = db.transaction(async (tx) => {
    await tx.insert(authors).values({ email: "c@x" });
    tx.rollback();
  });
  expect(await failureOf(rolledBack)).toBeInstanceOf(TransactionRollbackError);
  const refused = db.transaction(async (tx) => {
    await tx.insert(authors).values({ email: "d@x" });
    await tx.insert(authors).values({ email: "d@x" });
  });
  expect(await failureOf(refused)).toBeInstanceOf(ConstraintError);
  expect(await db.select({ email: authors.email }).from(authors)).toEqual([{ email: "a@x" }]);
});

testOnEachDialect("nested transactions are savepoints, at every level", async ({ driver }) => {
  const { db, authors } = await createBlog(driver);
  await db.transaction(async (tx) => {
    await tx.insert(authors).values({ email: "1" });
    const refused = tx.transaction(async (inner) => {
      await inner.insert(authors).values({ email: "2" });
      await inner.insert(authors).values({ email: "1" });
    });
    expect(await failureOf(refused)).toBeInstanceOf(ConstraintError);
    await tx.transaction(async (inner) => {
      await inner.insert(authors).values({ email: "3" });
      const deeper = inner.transaction(async (deep) => {
        await deep.insert(authors).values({ email: "4" });
        deep.rollback();
      });
      expect(await failureOf(deeper)).toBeInstanceOf(TransactionRollbackError);
      await inner.transaction((deep) => deep.insert(authors).values({ email: "5" }));
    });
    await tx.insert(authors).values({ email: "6" });
  });
  const rows = await db.select({ email: authors.email }).from(authors).orderBy(authors.email);
  expect(rows.map(({ email }) => email)).toEqual(["1", "3", "5", "6"]);
});

testOnEachDialect("a transaction refuses wrong use with a TypeError", async ({ driver }) => {
  const { db, authors } = await createBlog(driver);
  let leaked: Parameters<Parameters<typeof db.transaction>[0]>[0] | null = null;
  await db.transaction(async (tx) => {
    leaked = tx;
    await tx.insert(authors).values({ email: "a@x" });
    expect(await failureOf(db.insert(authors).values({ email: "b@x" }))).toBeInstanceOf(TypeError);
    expect(await failureOf(db.transaction(async () => {}))).toBeInstanceOf(TypeError);
    const both = await Promise.allSettled([
      tx.transaction(async (inner) => {
        await inner.insert(authors).values({ email: "c@x" });
      }),
      tx.transaction(async (inner) => {
        await inner.insert(authors).values({ email: "d@x" });
      }),
    ]);
    expect(both.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
  });
  const after = leaked as unknown as typeof db;
  expect(await failureOf(after.insert(authors).values({ email: "e@x" }))).toBeInstanceOf(TypeError);
  expect(await failureOf(after.select().from(authors))).toBeInstanceOf(TypeError);
  const rows = await db.select({ email: authors.email }).from(authors).orderBy(authors.email);
  expect(rows.map(({ email }) => email)).toEqual(["a@x", "c@x"]);
});

testOnEachDialect("transactions that collide are run again, and none is lost", async ({ driver }) => {
  const { db, articles, authors } = await createBlog(driver);
  await db.insert(authors).values({ email: "a@x" });
  await db.insert(articles).values({ author_id: 1, slug: "s", title: "t" });
  const add = () =>
    db.transaction(
      async (tx) => {
        const [row] = await tx.select({ views: articles.views }).from(articles);
        await tx.update(articles).set({ views: (row?.views ?? 0) + 1 });
      },
      { isolation: "serializable", retries: 100 },
    );
  await Promise.all(Array.from({ length: 12 }, add));
  expect(await db.select({ views: articles.views }).from(articles)).toEqual([{ views: 12 }]);
});

testOnEachDialect("a write of nothing is the client's mistake", async ({ driver }) => {
  const { db, authors } = await createBlog(driver);
  await db.insert(authors).values({ email: "a@x" });
  const nothing = [{}, { name: undefined }, { nope: 1 }] as { name?: string }[];
  const upsert = (set: { name?: string }) =>
    db.insert(authors).values({ email: "a@x" }).onConflictDoUpdate({ target: authors.email, set });
  const writes: ((set: { name?: string }) => unknown)[] = [
    (set) => db.update(authors).set(set),
    (set) => db.update(authors).set(set).where(eq(authors.id, 1)).returning(),
    upsert,
    () => db.insert(authors).values([]),
    (set) =>
      db
        .with(db.$with("w").as(db.select().from(authors)))
        .update(authors)
        .set(set),
  ];
  for (const set of nothing) {
    for (const write of writes) {
      expect(() => write(set)).toThrow(
        expect.objectContaining({ code: "validation_error", status: 422, errors: [expect.anything()] }),
      );
    }
  }
  await db.transaction(async (tx) => {
    expect(() => tx.update(authors).set({})).toThrow("there is nothing to change");
    await tx.update(authors).set({ name: null });
  });
  expect(await db.select().from(authors)).toEqual([{ id: 1, email: "a@x", name: null }]);
});

testOnEachDialect("what the database refuses is told by its kind, without values", async ({ driver }) => {
  const { db, articles, authors, notes } = await createBlog(driver);
  const secret = "s3cret-value";
  await db.insert(authors).values({ email: secret });
  const article = { author_id: 1, slug: "s", title: "t" };
  await db.insert(articles).values(article);
  const faults: [() => PromiseLike<unknown>, object][] = [
    [
      () => db.insert(authors).values({ email: secret }),
      { constraint: "unique", table: "authors", columns: ["email"] },
    ],
    [
      () => db.insert(authors).values({ email: secret }).returning(),
      { constraint: "unique", table: "authors", columns: ["email"] },
    ],
    [
      () => db.insert(authors).values({ id: 1, email: "x" }),
      { constraint: "unique", table: "authors", columns: ["id"] },
    ],
    [() => db.insert(articles).values(article), { constraint: "unique", columns: ["section", "slug"] }],
    [
      () => db.insert(articles).values({ ...article, slug: "x", author_id: 99 }),
      { constraint: "foreign_key", table: "articles" },
    ],
    [() => db.delete(authors), { constraint: "foreign_key" }],
    [() => db.update(articles).set({ views: -1 }), { fault: "check" }],
    [
      () => db.insert(articles).values({ ...article, title: null as never }),
      { fault: "not_null", table: "articles" },
    ],
    [
      () => db.execute(sql`select * from nowhere where x = ${secret}`),
      { fault: "missing_table", table: "nowhere" },
    ],
    [
      () => db.execute(sql`select no_column from ${notes} where label = ${secret}`),
      { fault: "missing_column" },
    ],
    [() => db.execute(sql`selec ${secret}`), { fault: "syntax" }],
    [() => db.execute(sql`select ${secret} from from ${notes}`), { fault: "syntax" }],
  ];
  for (const [query, expected] of faults) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const error = await failureOf(query());
    expect(error).toMatchObject(expected);
    expect(error instanceof DatabaseError || error instanceof ConstraintError).toBe(true);
    expect(Bun.inspect(error, { depth: 20 })).not.toContain(secret);
    expect((error as Error).cause).toBeUndefined();
  }
  const missing = await failureOf(db.execute(sql`select * from nowhere`));
  expect((missing as Error).message).toBe(
    'Cannot query table "nowhere": it isn\'t in the database; create its migration with "xcore db generate <plugin>" and apply it with "xcore db migrate"',
  );
});

testOnEachDialect("errors inside of a transaction hold no values either", async ({ driver }) => {
  const { db, authors } = await createBlog(driver);
  const secret = "s3cret-value";
  await db.insert(authors).values({ email: secret });
  const failed = await failureOf(
    db.transaction((tx) => tx.transaction((inner) => inner.insert(authors).values({ email: secret }))),
  );
  expect(failed).toMatchObject({ constraint: "unique", columns: ["email"] });
  expect(Bun.inspect(failed, { depth: 20 })).not.toContain(secret);
});

testOnEachDialect(
  "migrate() gives a connection with the lock, and releases it when its work throws",
  async ({ driver }) => {
    const order: string[] = [];
    const begun = Promise.withResolvers<void>();
    const first = driver.migrate(async (connection) => {
      order.push("first");
      begun.resolve();
      await connection.run("create table t (id integer primary key, label varchar(20))");
      await connection.run("insert into t (id, label) values (?, ?), (?, 'is it?')", [1, "one", 2]);
      expect(await connection.all("select label from t where id = ?", [2])).toEqual([{ label: "is it?" }]);
      const failed = connection.transaction(async () => {
        await connection.run("insert into t (id) values (3)");
        await connection.run("insert into t (id) values (3)");
      });
      expect(await failureOf(failed)).toBeInstanceOf(ConstraintError);
      expect(await connection.all("select count(*) as n from t")).toEqual([{ n: 2 }]);
      await connection.transaction(() => connection.run("insert into t (id) values (4)"));
      order.push("first ends");
      throw new Error("no");
    });
    const outcome = failureOf(first);
    await begun.promise;
    const second = driver.migrate((connection) => {
      order.push("second");
      return connection.all("select count(*) as n from t");
    });
    expect(await outcome).toMatchObject({ message: "no" });
    expect(await second).toEqual([{ n: 3 }]);
    expect(order).toEqual(["first", "first ends", "second"]);
  },
);

testOnEachDialect("close() lets a transaction under way end, and takes no more", async ({ driver }) => {
  const { db, authors } = await createBlog(driver);
  const begun = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const transaction = db.transaction(async (tx) => {
    await tx.insert(authors).values({ email: "a@x" });
    begun.resolve();
    await go.promise;
    return tx.$count(authors);
  });
  await begun.promise;
  const closed = driver.close();
  go.resolve();
  expect(await transaction).toBe(1);
  await closed;
  expect(await failureOf(db.select().from(authors))).toMatchObject({ fault: "unavailable" });
});

testOnDialect("mysql", "what MySQL can't do throws a TypeError", async ({ driver }) => {
  const { db, articles, authors, notes } = await createBlog(driver);
  const refused: (() => unknown)[] = [
    () => db.insert(notes).values({ label: "x" }).returning(),
    () =>
      db
        .insert(notes)
        .select(db.select({ label: authors.name }).from(authors))
        .returning(),
    () => db.update(authors).set({ id: 7 }).returning(),
    () => db.update(authors).set({ name: "x" }).from(articles),
    () => db.select().from(authors).fullJoin(articles, eq(articles.author_id, authors.id)),
    () => db.select().from(authors).for("no key update"),
    () => db.select().from(authors).for("update", { of: authors }),
    () =>
      db
        .insert(authors)
        .values({ email: "x" })
        .onConflictDoUpdate({ target: authors.name, set: { name: "x" } }),
    () =>
      db
        .insert(authors)
        .values({ email: "x" })
        .onConflictDoUpdate({ target: authors.email, set: { name: "x" }, setWhere: eq(authors.name, "y") }),
  ];
  for (const run of refused) expect(run).toThrow(TypeError);
  const moved = db
    .insert(authors)
    .values({ email: "x" })
    .onConflictDoUpdate({ target: authors.email, set: { email: "y" } })
    .returning();
  expect(await failureOf(moved)).toBeInstanceOf(TypeError);
  const unknown = db
    .insert(authors)
    .values({ id: sql`7`, email: "x" })
    .returning();
  expect(await failureOf(unknown)).toBeInstanceOf(TypeError);
  expect(await db.$count(authors)).toBe(0);
});

for (const dialect of ["postgres", "mysql"] as const) {
  testOnDialect(dialect, "an object or an array can't slip into a query as SQL", async ({ driver }) => {
    const { db, authors } = await createBlog(driver);
    await db.insert(authors).values({ email: "a@x", name: "n" });
    const hostile = [{ name: 1 }, ["n", 1]] as unknown as string[];
    for (const value of hostile) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      expect(await failureOf(db.select().from(authors).where(eq(authors.name, value)))).toMatchObject({
        fault: "value",
      });
      // oxlint-disable-next-line no-await-in-loop
      expect(await failureOf(db.insert(authors).values({ email: value }))).toMatchObject({ fault: "value" });
    }
    expect(await db.$count(authors, and(eq(authors.name, "n")))).toBe(1);
  });

  testOnDialect(dialect, "for() locks rows until the transaction ends", async ({ driver }) => {
    const { db, authors } = await createBlog(driver);
    await db.insert(authors).values({ email: "a@x" });
    await db.transaction(async (tx) => {
      await tx.select().from(authors).where(eq(authors.id, 1)).for("update");
      const other = db.select().from(authors).where(eq(authors.id, 1)).for("update", { noWait: true });
      expect(await failureOf(other)).toMatchObject({ fault: "busy" });
      expect(await db.select().from(authors).for("update", { skipLocked: true })).toEqual([]);
    });
    expect(await db.select({ id: authors.id }).from(authors).for("share")).toEqual([{ id: 1 }]);
  });
}
