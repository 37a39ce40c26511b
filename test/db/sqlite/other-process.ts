/** Run by tests in a process of its own: `bun other-process.ts <command> <file>`. */
import { writeSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { Database } from "bun:sqlite";
import pino from "pino";
import { openSqlite } from "../../../src/db/sqlite/driver.ts";
import { articles, toDb } from "./articles.ts";

const [command, file = ""] = process.argv.slice(2);
const log = pino({ level: "silent" });

/** Tells the test in one write, which no buffer of this process can lose, once its pipe has room. */
async function tell(line: string | number): Promise<void> {
  for (;;) {
    try {
      writeSync(1, `${line}\n`);
      return;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error;
      await setImmediate();
    }
  }
}

/**
 * 100 writers at once, each with one row after another; every fifth row comes with another in a transaction, every seventh
 * in one statement.
 */
async function write(): Promise<void> {
  const db = toDb(await openSqlite({ file, log, echo: false }));
  let next = 1;
  const writer = async (): Promise<void> => {
    for (;;) {
      const id = next;
      next += 2;
      if (id % 5 !== 0 && id % 7 !== 0) await db.insert(articles).values({ id });
      else if (id % 5 !== 0) {
        await db.insert(articles).values([{ id }, { id: id + 1 }]);
        await tell(id + 1);
      } else {
        await db.transaction(async (tx) => {
          await tx.insert(articles).values({ id });
          await setImmediate();
          await tx.insert(articles).values({ id: id + 1 });
        });
        await tell(id + 1);
      }
      await tell(id);
    }
  };
  await Promise.all(Array.from({ length: 100 }, writer));
}

/** 100 rows of 10 KB at a time until none of them fits on the disk any more, and tells of those that do. */
async function fill(): Promise<void> {
  const driver = await openSqlite({ file, log, echo: false });
  const db = toDb(driver);
  const title = "x".repeat(10_000);
  for (let from = 1, kept = 1; kept > 0; from += 100) {
    const ids = Array.from({ length: 100 }, (_, n) => from + n);
    const writes = ids.map(async (id) => {
      await db.insert(articles).values({ id, title });
      return id;
    });
    const written = (await Promise.allSettled(writes)).filter(({ status }) => status === "fulfilled");
    kept = written.length;
    for (const one of written) if (one.status === "fulfilled") await tell(one.value);
  }
}

/** 200 rows, whatever the others do. */
async function append(): Promise<void> {
  const driver = await openSqlite({ file, log, echo: false });
  const db = toDb(driver);
  await tell("open");
  for (let n = 0; n < 100; n += 1) {
    await db.insert(articles).values({});
    await db.transaction(async (tx) => {
      await tx.insert(articles).values({});
      await setImmediate();
    });
  }
  await driver.close();
}

/** Holds the lock of writers until it is killed. */
async function lock(): Promise<void> {
  const database = new Database(file);
  database.run("begin immediate");
  await tell("locked");
  await forever();
  database.close(); // one that nothing refers to any more is collected, and its lock is gone
}

/** Holds the lock of migrations until it is killed. */
async function migrate(): Promise<void> {
  const driver = await openSqlite({ file, log, echo: false });
  await driver.migrate(async () => {
    await tell("migrating");
    await forever();
  });
}

async function forever(): Promise<void> {
  for await (const _ of process.stdin);
}

const commands: Record<string, () => Promise<void>> = { write, fill, append, lock, migrate };
await commands[command ?? ""]?.();
