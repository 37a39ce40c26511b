import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { sql } from "drizzle-orm";
import { expect, test } from "bun:test";
import pino from "pino";
import { openSqlite } from "../../../src/db/sqlite/driver.ts";
import { Articles, articles, failureOf, toDb } from "./articles.ts";

type Command = "write" | "fill" | "append" | "lock" | "migrate";

/** A process that works on the same file, killed with -9 at the end. */
class OtherProcess implements AsyncDisposable {
  readonly #child: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #lines: AsyncIterator<string>;

  /** @param prelude what a shell runs before it */
  constructor(command: Command, file: string, prelude = "") {
    const program = [process.execPath, join(import.meta.dir, "other-process.ts"), command, file];
    this.#child = Bun.spawn(["sh", "-c", `${prelude} exec "$@"`, "sh", ...program], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const lines = createInterface({ input: Readable.fromWeb(this.#child.stdout as never) });
    this.#lines = lines[Symbol.asyncIterator]();
  }

  get exited(): Promise<number> {
    return this.#child.exited;
  }

  /** The next line, or null at the end. */
  async line(): Promise<string | null> {
    const { value, done } = await this.#lines.next();
    return done === true ? null : value;
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

test("after kill -9 under 100 writers every acknowledged write is there, and nothing is damaged", async () => {
  await using opened = await Articles.open();
  await opened.driver.close();
  const acknowledged = new Set<number>();
  await using child = new OtherProcess("write", opened.file);
  for (let line = await child.line(); line !== null; line = await child.line()) {
    acknowledged.add(Number(line));
    if (acknowledged.size === 3000) void child.kill();
  }
  expect(acknowledged.size).toBeGreaterThanOrEqual(3000);

  const driver = await openSqlite({ file: opened.file, log: pino({ level: "silent" }), echo: false });
  const db = toDb(driver);
  expect(await db.execute(sql`select * from pragma_integrity_check`)).toEqual([{ integrity_check: "ok" }]);
  const rows = await db.select({ id: articles.id }).from(articles);
  const kept = new Set(rows.map(({ id }) => id));
  expect([...acknowledged].filter((id) => !kept.has(id))).toEqual([]);
  // Of a transaction both rows are there or none.
  expect([...kept].filter((id) => id % 2 === 1 && id % 5 === 0 && !kept.has(id + 1))).toEqual([]);
  expect([...kept].filter((id) => id % 2 === 1 && id % 7 === 0 && !kept.has(id + 1))).toEqual([]);
  expect([...kept].filter((id) => id % 2 === 0 && !kept.has(id - 1))).toEqual([]);
  await db.insert(articles).values({});
  await driver.close();
}, 120_000);

test("on a disk that takes no more at a commit, what is acknowledged is there, and nothing else", async () => {
  await using opened = await Articles.open();
  await opened.driver.close();
  // A file of more than 6 MB is refused where it is written, as on a full disk.
  await using child = new OtherProcess("fill", opened.file, "trap '' XFSZ; ulimit -f 12288;");
  const acknowledged: number[] = [];
  for (let line = await child.line(); line !== null; line = await child.line()) {
    acknowledged.push(Number(line));
  }
  expect(acknowledged.length).toBeGreaterThan(200);
  expect(acknowledged.length).toBeLessThan(2000);

  const driver = await openSqlite({ file: opened.file, log: pino({ level: "silent" }), echo: false });
  const db = toDb(driver);
  const rows = await db.select({ id: articles.id }).from(articles).orderBy(articles.id);
  expect(rows.map(({ id }) => id)).toEqual(acknowledged.toSorted((a, b) => a - b));
  expect(await db.execute(sql`select * from pragma_integrity_check`)).toEqual([{ integrity_check: "ok" }]);
  await driver.close();
}, 120_000);

test("processes that write at once wait for each other, and lose nothing", async () => {
  await using opened = await Articles.open();
  await using first = new OtherProcess("append", opened.file);
  await using second = new OtherProcess("append", opened.file);
  await Promise.all([first.line(), second.line()]);
  for (let n = 0; n < 100; n += 1) await opened.db.insert(articles).values({});
  expect(await Promise.all([first.exited, second.exited])).toEqual([0, 0]);
  expect(await opened.ids()).toHaveLength(500);
}, 120_000);

test("a write waits while another process has locked the file, and the event loop goes on", async () => {
  await using opened = await Articles.open();
  await using other = new OtherProcess("lock", opened.file);
  expect(await other.line()).toBe("locked");
  const settled: string[] = [];
  const writes = [
    opened.db
      .insert(articles)
      .values({ id: 1 })
      .run()
      .then(() => settled.push("first")),
    opened.db
      .transaction(async (tx) => tx.insert(articles).values({ id: 2 }))
      .then(() => settled.push("second")),
    opened.db
      .insert(articles)
      .values({ id: 3 })
      .run()
      .then(() => settled.push("third")),
  ];
  expect(await opened.db.$count(articles)).toBe(0);
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
  expect(settled).toEqual([]);
  await other.kill();
  await Promise.all(writes);
  expect(settled).toEqual(["first", "second", "third"]);
}, 120_000);

test("a write fails as busy when another process keeps the file locked", async () => {
  await using opened = await Articles.open({ waitMs: 50 });
  await using other = new OtherProcess("lock", opened.file);
  expect(await other.line()).toBe("locked");
  const writes = [
    () => opened.db.insert(articles).values({ id: 1 }),
    () => opened.db.transaction(async () => 1),
  ];
  for (const write of writes) {
    const error = await failureOf(write());
    expect(error).toMatchObject({ name: "DatabaseError", fault: "busy" });
    expect(String(error)).toContain("another process");
  }
  await other.kill();
  await opened.db.insert(articles).values({ id: 2 });
  expect(await opened.ids()).toEqual([2]);
}, 120_000);

test("migrate() waits for the process that migrates, and its kill -9 leaves no lock", async () => {
  await using opened = await Articles.open();
  await using other = new OtherProcess("migrate", opened.file);
  expect(await other.line()).toBe("migrating");
  let isMigrated = false;
  const told = Promise.withResolvers<void>();
  const push = opened.lines.push.bind(opened.lines);
  opened.lines.push = (line) => {
    if (String(line["msg"]).includes("waiting for another process")) told.resolve();
    return push(line);
  };
  const migration = opened.driver.migrate(async () => void (isMigrated = true));
  await told.promise;
  expect(isMigrated).toBeFalse();
  await other.kill();
  await migration;
  expect(isMigrated).toBeTrue();
}, 120_000);
