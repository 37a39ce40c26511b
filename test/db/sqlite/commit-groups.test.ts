import { Database } from "bun:sqlite";
import { sql } from "drizzle-orm";
import { expect, test } from "bun:test";
import { Articles, articles, authors, failureOf } from "./articles.ts";

/** Opened with every statement in its log. */
const openEchoing = () => Articles.open({ echo: true });

/** What was run on the writing connection since `from`, by its first word. */
function verbsSince({ lines }: Articles, from: number): string[] {
  return lines.slice(from).flatMap(({ sql: text }) => {
    if (String(text).includes("sqlite_schema")) return [];
    const [verb = ""] = String(text).split(" ");
    return /^(?:begin|commit|rollback|insert|update|delete|select)$/.test(verb) ? [verb] : [];
  });
}

test("writes that come in one turn share a commit, each in its place", async () => {
  await using opened = await openEchoing();
  const { db, lines } = opened;
  const from = lines.length;
  const [first, second, third] = await Promise.all([
    db.insert(articles).values({ id: 1, title: "one" }).returning({ id: articles.id }),
    db.update(articles).set({ title: "uno" }),
    db.delete(articles).returning({ title: articles.title }),
  ]);
  expect([first, second, third]).toEqual([[{ id: 1 }], { rowsAffected: 1 }, [{ title: "uno" }]]);
  expect(verbsSince(opened, from)).toEqual(["begin", "insert", "update", "delete", "commit"]);
});

test("a write alone in its turn has no transaction around it", async () => {
  await using opened = await openEchoing();
  const from = opened.lines.length;
  await opened.db.insert(articles).values({ id: 1 });
  expect(verbsSince(opened, from)).toEqual(["insert"]);
});

test("a write is acknowledged when another connection sees it", async () => {
  await using opened = await Articles.open();
  const { db, file } = opened;
  using other = new Database(file, { readonly: true });
  const count = other.prepare<{ n: number }, []>("select count(*) as n from articles");
  const seen: (number | undefined)[] = [];
  const writes = [1, 2, 3].map((id) =>
    db
      .insert(articles)
      .values({ id })
      .then(() => seen.push(count.get()?.n)),
  );
  expect(count.get()?.n).toBe(0);
  await Promise.all(writes);
  expect(seen).toEqual([3, 3, 3]);
});

test("a write that fails undoes itself alone", async () => {
  await using opened = await Articles.open();
  const { db } = opened;
  const results = await Promise.allSettled([
    db.insert(authors).values({ id: 1, name: "Ada" }),
    db.insert(authors).values([
      { id: 2, name: "Bob" },
      { id: 3, name: "Ada" },
    ]),
    db.insert(articles).values({ id: 1, authorId: 99 }),
    db.insert(articles).values({ id: 2, title: "" }),
    db.insert(articles).values({ id: 3, authorId: 1 }),
  ]);
  expect(results.map(({ status }) => status)).toEqual([
    "fulfilled",
    "rejected",
    "rejected",
    "rejected",
    "fulfilled",
  ]);
  expect(results[1]).toMatchObject({ reason: { constraint: "unique" } });
  expect(results[2]).toMatchObject({ reason: { constraint: "foreign_key" } });
  expect(results[3]).toMatchObject({ reason: { fault: "check" } });
  expect(await db.select().from(authors)).toEqual([{ id: 1, name: "Ada" }]);
  expect(await opened.ids()).toEqual([3]);
});

test("a write that rolls its transaction back takes none of the others with it", async () => {
  await using opened = await Articles.open();
  const { db } = opened;
  await db.execute(
    sql`create trigger refusing before insert on articles when new.title = 'refused' begin select raise(rollback, 'no'); end`,
  );
  await db.insert(authors).values({ id: 1, name: "Ada" });
  const results = await Promise.allSettled([
    db.insert(articles).values({ id: 1 }).run(),
    db.execute(sql`insert or rollback into authors (name) values ('Ada')`),
    db.insert(articles).values({ id: 2 }).run(),
    db.insert(articles).values({ id: 3, title: "refused" }).run(),
    db.insert(articles).values({ id: 4 }).run(),
  ]);
  expect(results.map(({ status }) => status === "fulfilled")).toEqual([true, false, true, false, true]);
  expect(await opened.ids()).toEqual([1, 2, 4]);
});

test("what a deferred key refuses isn't healed by the next write", async () => {
  await using opened = await Articles.open();
  const { db } = opened;
  const write = () =>
    Promise.allSettled([
      db.execute(sql`insert into notes (author_id) values (7)`),
      db.insert(authors).values({ id: 7, name: "Ada" }).run(),
      db.execute(sql`insert into notes (author_id) values (7)`),
    ]);
  await db.execute(
    sql`create table notes (author_id integer references authors (id) deferrable initially /* late */ deferred)`,
  );
  const results = await write();
  expect(results.map(({ status }) => status === "fulfilled")).toEqual([false, true, true]);
  expect(results[0]).toMatchObject({ reason: { constraint: "foreign_key" } });

  await db.execute(sql`drop table notes`);
  await db.execute(sql`create table notes (author_id integer references authors (id))`);
  await db.delete(authors);
  await db.execute(sql`pragma defer_foreign_keys = on`);
  expect((await write()).map(({ status }) => status === "fulfilled")).toEqual([false, true, true]);
});

test("a read sees the writes before it, awaited or not, and none that come after it", async () => {
  await using opened = await Articles.open();
  const { db } = opened;
  const count = () => db.$count(articles);
  const insert = (id: number) => db.insert(articles).values({ id });
  const seen = await Promise.all([count(), insert(1), count(), insert(2), insert(3), count()]);
  expect([seen[0], seen[2], seen[5]]).toEqual([0, 1, 3]);
});

test("transactions and other statements come after the writes before them", async () => {
  await using opened = await Articles.open();
  const { db } = opened;
  const seen = await Promise.all([
    db.insert(articles).values({ id: 1 }).run(),
    db.transaction(async (tx) => {
      const before = await tx.$count(articles);
      await tx.insert(articles).values({ id: 2 });
      return before;
    }),
    db.insert(articles).values({ id: 3 }).run(),
    db.execute(sql`create table counted as select count(*) as n from articles`),
    db.insert(articles).values({ id: 4 }).run(),
    opened.driver.migrate((connection) => connection.all("select id from articles")),
  ]);
  expect([seen[1], seen[5]]).toEqual([1, [{ id: 1 }, { id: 2 }, { id: 3 }, { id: 4 }]]);
  expect(await db.execute(sql`select n from counted`)).toEqual([{ n: 3 }]);
});

test("a text of several statements is no part of a commit of others", async () => {
  await using opened = await openEchoing();
  const { db, lines } = opened;
  const from = lines.length;
  await Promise.allSettled([
    db.insert(articles).values({ id: 1 }).run(),
    db.insert(articles).values({ id: 2 }).run(),
    db.execute(sql`insert into articles (id) values (3); commit`),
    db.insert(articles).values({ id: 4 }).run(),
  ]);
  expect(verbsSince(opened, from)).toEqual(["begin", "insert", "insert", "commit", "insert", "insert"]);
});

test("writes that wait for the end of their turn leave the file to others", async () => {
  await using opened = await Articles.open();
  const { db, file } = opened;
  using other = new Database(file);
  const writes = [db.insert(articles).values({ id: 1 }).run(), db.insert(articles).values({ id: 2 }).run()];
  other.run("begin immediate");
  other.run("insert into articles (id) values (3)");
  const reading = db.$count(articles);
  // It doesn't wait until the other has let go of the file.
  expect(await reading).toBe(0);
  other.run("commit");
  await Promise.all(writes);
  expect(await opened.ids()).toEqual([1, 2, 3]);
});

test("writes fail as busy together while another process keeps the file locked, and work again after it", async () => {
  await using opened = await Articles.open({ waitMs: 20 });
  const { db, file } = opened;
  using other = new Database(file);
  other.run("begin immediate");
  const results = await Promise.allSettled([1, 2, 3].map((id) => db.insert(articles).values({ id })));
  for (const result of results) expect(result).toMatchObject({ reason: { fault: "busy" } });
  other.run("rollback");
  await Promise.all([1, 2].map((id) => db.insert(articles).values({ id })));
  expect(await opened.ids()).toEqual([1, 2]);
});

test("writes through db inside its own transaction are refused, together too", async () => {
  await using opened = await Articles.open();
  const { db } = opened;
  await db.transaction(async (tx) => {
    await tx.insert(articles).values({ id: 1 });
    const wrong = [2, 3].map((id) => failureOf(db.insert(articles).values({ id })));
    for (const error of await Promise.all(wrong)) expect(error).toBeInstanceOf(TypeError);
  });
  expect(await opened.ids()).toEqual([1]);
});

/** Counts the turns of the event loop until something is done. */
async function countTurns(work: Promise<unknown>): Promise<number> {
  let turns = 0;
  let isDone = false;
  const turn = (): void => {
    turns += 1;
    if (!isDone) setImmediate(turn);
  };
  turn();
  await work;
  isDone = true;
  return turns;
}

test("thousands of writes at once are as many commits as turns of the event loop, which goes on", async () => {
  await using opened = await openEchoing();
  const { db, lines } = opened;
  const from = lines.length;
  const ids = Array.from({ length: 2000 }, (_, n) => n + 1);
  const turns = await countTurns(Promise.all(ids.map((id) => db.insert(articles).values({ id }))));
  expect(await opened.ids()).toEqual(ids);
  const commits = verbsSince(opened, from).filter((verb) => verb === "commit").length;
  expect(commits).toBeGreaterThanOrEqual(2000 / 256);
  expect(commits).toBeLessThanOrEqual(2000 / 256 + turns);
});

test("with durability normal, writes one after another don't wait for others; those at once share a commit", async () => {
  await using opened = await Articles.open({ echo: true, durability: "normal" });
  const { db, lines } = opened;
  expect(await db.execute(sql`pragma synchronous`)).toEqual([{ synchronous: 1 }]);
  for (let n = 0; n < 20; n += 1) await db.insert(articles).values({});
  await Promise.all(Array.from({ length: 200 }, () => db.insert(articles).values({})));
  const from = lines.length;
  const writes = Array.from({ length: 50 }, () => db.insert(articles).values({}));
  const turns = await countTurns(Promise.all(writes));
  const verbs = verbsSince(opened, from);
  expect(verbs.filter((verb) => verb === "insert")).toHaveLength(50);
  expect(verbs.filter((verb) => verb === "commit").length).toBeLessThanOrEqual(turns);
});
