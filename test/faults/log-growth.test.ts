import { Database as Sqlite } from "bun:sqlite";
import { sql } from "drizzle-orm";
import { expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import pino from "pino";
import type { Database } from "../../src/db/contract/database.ts";
import { openSqlite } from "../../src/db/sqlite/driver.ts";
import { TestFolder } from "../setup.ts";

const LIMITS = { warned: 1_000_000, refused: 4_000_000 };
const WARNED = /the log of the database grows behind a process that reads for long/;
const EMPTIED = /the log of the database was emptied/;

/** A log whose lines can be waited for. */
function createLog() {
  const lines: string[] = [];
  let wake: (() => void) | null = null;
  const log = pino({}, { write: (line: string) => (lines.push(line), wake?.()) });
  const seen = async (pattern: RegExp): Promise<string> => {
    for (;;) {
      const line = lines.find((one) => pattern.test(one));
      if (line !== undefined) return line;
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      // oxlint-disable-next-line no-await-in-loop -- until it is there
      await promise;
    }
  };
  return { log, lines, seen };
}

const write = (db: Database) => db.execute(sql`insert into notes values (zeroblob(100000))`);

/** Writes until that is refused. */
async function writeUntilRefused(db: Database): Promise<unknown> {
  for (;;) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- as a busy server does
      await write(db);
      // oxlint-disable-next-line no-await-in-loop -- timers take their turn
      await new Promise((resolve) => setImmediate(resolve));
    } catch (error) {
      return error;
    }
  }
}

test("the log of an SQLite file is bounded behind a reader that doesn't end, and heals after it", async () => {
  await using folder = await TestFolder.create();
  const file = join(folder.path, "app.db");
  const { log, lines, seen } = createLog();
  const driver = await openSqlite({ file, log, echo: false, durability: "normal", logLimits: LIMITS });
  const db = driver.toDatabase({});
  await db.execute(sql`create table notes (note blob)`);
  const reader = new Sqlite(file, { readonly: true });
  reader.run("begin");
  expect(reader.query("select count(*) as n from notes").get()).toEqual({ n: 0 });

  const refusal = await writeUntilRefused(db);
  expect(refusal).toMatchObject({ fault: "busy" });
  expect(String(refusal)).toContain(`"${file}-wal" has reached 4 MB behind a process that reads`);
  expect(JSON.parse(await seen(WARNED))).toMatchObject({ level: 40, file: `${file}-wal` });
  const { size } = statSync(`${file}-wal`);
  expect(size).toBeGreaterThan(LIMITS.refused);
  expect(db.transaction(async (tx) => tx.execute(sql`delete from notes`))).rejects.toMatchObject({
    fault: "busy",
  });
  expect(driver.probe()).rejects.toMatchObject({ fault: "busy" });
  expect(write(db)).rejects.toMatchObject({ fault: "busy" });
  expect((await db.execute(sql`select count(*) as n from notes`))[0]).not.toEqual({ n: 0 });
  expect(statSync(`${file}-wal`).size).toBe(size);
  expect(lines.filter((line) => WARNED.test(line))).toHaveLength(1);

  reader.run("commit");
  await seen(EMPTIED);
  expect(statSync(`${file}-wal`).size).toBe(0);
  await write(db);
  reader.close();
  await driver.close();
});

test("a large transaction isn't taken for a reader in the way", async () => {
  await using folder = await TestFolder.create();
  const file = join(folder.path, "app.db");
  const { log, lines } = createLog();
  const driver = await openSqlite({ file, log, echo: false, logLimits: LIMITS });
  const db = driver.toDatabase({});
  await db.execute(sql`create table notes (note blob)`);
  await db.transaction(async (tx) => {
    for (let index = 0; index < 100; index += 1) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      await tx.execute(sql`insert into notes values (zeroblob(100000))`);
    }
  });
  await write(db);
  // The event is that the log is emptied, which nobody tells.
  while (statSync(`${file}-wal`).size > 0) {
    // oxlint-disable-next-line no-await-in-loop -- timers take their turn
    await new Promise((resolve) => setImmediate(resolve));
  }
  await driver.close();
  expect(lines.filter((line) => WARNED.test(line))).toEqual([]);
});
