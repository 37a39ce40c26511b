import { mkdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { expect, test } from "bun:test";
import pino from "pino";
import { openSqlite } from "../../../src/db/sqlite/driver.ts";
import { TestFolder } from "../../setup.ts";
import { Articles, articles, authors, failureOf } from "./articles.ts";

const log = pino({ level: "silent" });
const open = (file: string) => openSqlite({ file, log, echo: false });

test("a missing file and its folder are made, for their owner and group alone", async () => {
  await using folder = await TestFolder.create();
  const file = join(folder.path, "a/b/app.db");
  const driver = await open(file);
  await driver.ping();
  expect((await stat(file)).mode & 0o007).toBe(0);
  expect((await stat(`${file}-wal`)).mode & 0o007).toBe(0);
  expect((await stat(join(folder.path, "a"))).mode & 0o007).toBe(0);
  await driver.close();
});

test("it is opened with WAL, foreign keys and synchronous = full, and reads can't write", async () => {
  await using opened = await Articles.open();
  const { db } = opened;
  const settings = sql`select (select * from pragma_journal_mode) as journal, (select * from pragma_foreign_keys) as keys, (select * from pragma_synchronous) as synchronous, (select * from pragma_query_only) as query_only`;
  expect(await db.execute(settings)).toEqual([{ journal: "wal", keys: 1, synchronous: 2, query_only: 1 }]);
  await db.transaction(async (tx) => {
    expect(await tx.execute(settings)).toEqual([{ journal: "wal", keys: 1, synchronous: 2, query_only: 0 }]);
  });
});

test("a file that is no database is refused and left as it is", async () => {
  await using folder = await TestFolder.create();
  for (const [name, content] of [
    ["notes.txt", "dear diary ".repeat(1000)],
    ["short.db", "SQLite format 3\0"],
  ] as const) {
    const file = join(folder.path, name);
    await writeFile(file, content);
    const error = await failureOf(open(file));
    expect(error).toMatchObject({ name: "DatabaseError", fault: "corrupt" });
    expect(String(error)).toContain(`Cannot open the database "${file}"`);
    expect(String(error)).toContain("xcore db restore");
    expect(await readFile(file, "utf8")).toBe(content);
  }
});

test("a damaged database is refused at the start, or where the damage is read", async () => {
  await using opened = await Articles.open();
  await opened.db.insert(authors).values({ name: "a".repeat(100_000) });
  await opened.driver.close();
  const whole = await readFile(opened.file);

  await truncate(opened.file, 8192);
  expect(await failureOf(open(opened.file))).toMatchObject({ fault: "corrupt" });

  const damaged = Buffer.from(whole);
  damaged.fill(0xab, 4096, 5 * 4096);
  await writeFile(opened.file, damaged);
  const reading = open(opened.file).then(async (driver) => {
    const db = driver.toDatabase({});
    try {
      return await db.execute(sql`select * from authors`);
    } finally {
      await driver.close();
    }
  });
  expect(await failureOf(reading)).toMatchObject({ fault: "corrupt" });
  expect((await readFile(opened.file)).equals(damaged)).toBeTrue();
});

test("a path that can't be opened is an error that names it", async () => {
  await using folder = await TestFolder.create({ "a-file": "x" });
  const below = join(folder.path, "a-file/app.db");
  const error = await failureOf(open(below));
  expect(error).toMatchObject({ name: "DatabaseError", fault: "unavailable" });
  expect(String(error)).toContain(`Cannot open the database "${below}"`);
  const isFolder = join(folder.path, "folder.db");
  await mkdir(isFolder);
  expect(await failureOf(open(isFolder))).toMatchObject({ fault: "unavailable" });
});

test("on a full disk writes fail, nothing is lost, and it goes on when there is room", async () => {
  await using opened = await Articles.open();
  const { db } = opened;
  await db.execute(sql`pragma max_page_count = 30`);
  const title = "x".repeat(1000);
  let written = 0;
  const fill = async () => {
    for (; written < 1000; written += 1) await db.insert(articles).values({ title });
  };
  const error = await failureOf(fill());
  expect(error).toMatchObject({ name: "DatabaseError", fault: "full" });
  expect(String(error)).toContain("no space is left");
  const transaction = db.transaction(async (tx) => {
    await tx.update(articles).set({ isPublished: true });
    await tx.insert(articles).values({ title: title.repeat(100) });
  });
  expect(await failureOf(transaction)).toMatchObject({ fault: "full" });
  expect(await db.select({ is: articles.isPublished, n: sql<number>`count(*)` }).from(articles)).toEqual([
    { is: false, n: written },
  ]);
  await db.execute(sql`pragma max_page_count = 100000`);
  await db.insert(articles).values({ title });
  expect(await db.$count(articles)).toBe(written + 1);
  expect(await db.execute(sql`select * from pragma_integrity_check`)).toEqual([{ integrity_check: "ok" }]);
});

test("close() waits for the transaction under way and leaves one file", async () => {
  await using opened = await Articles.open();
  const { db, driver, file } = opened;
  const end = Promise.withResolvers<void>();
  const transaction = db.transaction(async (tx) => {
    await tx.insert(articles).values({ id: 1 });
    await end.promise;
  });
  const closed = driver.close();
  const closedToo = driver.close();
  const late = failureOf(db.insert(articles).values({ id: 2 }));
  end.resolve();
  await transaction;
  await Promise.all([closed, closedToo]);
  expect(await late).toMatchObject({ fault: "unavailable" });
  expect(await failureOf(driver.ping())).toMatchObject({ fault: "unavailable" });
  expect(await failureOf(db.transaction(async () => 1))).toMatchObject({ fault: "unavailable" });
  await failureOf(stat(`${file}-wal`));
  const again = await open(file);
  expect(await again.toDatabase({}).execute(sql`select id from articles`)).toEqual([{ id: 1 }]);
  await again.close();
});
