import { type AddressInfo, createServer } from "node:net";
import pino from "pino";
import { expect, test } from "bun:test";
import { DatabaseError } from "../../src/db/contract/database-error.ts";
import { parseDatabaseUrl } from "../../src/db/contract/database-url.ts";
import type { Driver } from "../../src/db/contract/driver.ts";
import { openDatabase, type OpenOptions } from "../../src/db/open.ts";
import { createTestDatabase, testWithServer } from "../database-servers.ts";
import { TestFolder } from "../setup.ts";
import { failureOf } from "./failures.ts";
import { TcpProxy } from "../faults/tcp-proxy.ts";

/** Opens a URL, keeping what is logged. */
function open(url: string, options: Partial<OpenOptions> & { onLine?: (line: string) => void } = {}) {
  const { onLine, ...rest } = options;
  const lines: string[] = [];
  const write = (line: string): void => {
    lines.push(line);
    onLine?.(line);
  };
  const log = pino({ level: "trace" }, { write });
  const database = openDatabase({ url: parseDatabaseUrl(url, "/"), poolSize: 2, echo: false, log, ...rest });
  return { lines, database };
}

function edit(url: string, change: (url: URL) => void): string {
  const edited = new URL(url);
  change(edited);
  return edited.href;
}

async function close(opening: Promise<Driver>): Promise<void> {
  const driver = await opening;
  await driver.close();
}

test("openDatabase() opens an SQLite file", async () => {
  await using folder = await TestFolder.create();
  const { database, lines } = open(`sqlite:${folder.path}/data/app.db`);
  const driver = await database;
  await driver.ping();
  await driver.close();
  expect(driver.dialect).toBe("sqlite");
  expect(lines).toEqual([]);
});

for (const dialect of ["postgres", "mysql"] as const) {
  testWithServer(
    dialect,
    `openDatabase() refuses wrong credentials at once (${dialect})`,
    120_000,
    async () => {
      await using database = await createTestDatabase(dialect);
      const wrong = edit(database.url, (url) => (url.password = "wr0ng-secret"));
      const { database: opening, lines } = open(wrong);
      const error = await failureOf(opening);
      expect(error).toBeInstanceOf(DatabaseError);
      expect(error).toMatchObject({ fault: "credentials" });
      const { port } = new URL(wrong);
      expect((error as Error).message).toBe(
        `Cannot log in to the database at "127.0.0.1:${port}" as "xcore": wrong user or password; check "database.url"`,
      );
      expect(Bun.inspect(error, { depth: 20 })).not.toContain("wr0ng-secret");
      expect(lines).toEqual([]);
    },
  );

  testWithServer(
    dialect,
    `openDatabase() refuses a missing database at once (${dialect})`,
    120_000,
    async () => {
      await using database = await createTestDatabase(dialect);
      const { database: opening, lines } = open(edit(database.url, (url) => (url.pathname = "/nowhere")));
      const error = await failureOf(opening);
      expect(error).toMatchObject({ fault: "other" });
      expect((error as Error).message).toContain('Cannot open the database "nowhere"');
      expect((error as Error).message).toContain('create it with "CREATE DATABASE nowhere"');
      expect(lines).toEqual([]);
    },
  );

  testWithServer(
    dialect,
    `openDatabase() waits for a server that comes up (${dialect})`,
    120_000,
    async () => {
      await using database = await createTestDatabase(dialect);
      await using proxy = await TcpProxy.before(database.url);
      await proxy.cut();
      const seen = Promise.withResolvers<void>();
      const { database: opening, lines } = open(proxy.through(database.url), {
        onLine: () => seen.resolve(),
      });
      await seen.promise;
      await proxy.listen();
      await close(opening);
      const entry = JSON.parse(lines[0] ?? "") as { level: number; msg: string };
      expect(entry.level).toBe(40);
      expect(entry.msg).toBe(
        `Cannot connect to the database at "127.0.0.1:${proxy.port}": connection refused; trying again in 250 ms, for 30 s more`,
      );
      expect(lines.join("")).not.toContain("s3cret");
    },
  );

  testWithServer(
    dialect,
    `openDatabase() gives up on a server that isn't there (${dialect})`,
    120_000,
    async () => {
      await using proxy = await TcpProxy.start(1);
      await proxy.cut();
      const url = `${dialect}://me:t0psecret@127.0.0.1:${proxy.port}/shop`;
      const start = performance.now();
      const { database, lines } = open(url, { connectTimeoutMs: 1000 });
      const error = await failureOf(database);
      expect(performance.now() - start).toBeLessThan(3000);
      expect(error).toMatchObject({ fault: "unavailable" });
      expect((error as Error).message).toBe(
        `Cannot reach the database at "127.0.0.1:${proxy.port}" within 1 s: check that it runs, and "database.url"; Cannot connect to the database at "127.0.0.1:${proxy.port}": connection refused`,
      );
      expect(lines).toHaveLength(2);
      expect(lines.join("") + Bun.inspect(error, { depth: 20 })).not.toContain("t0psecret");
    },
  );

  testWithServer(
    dialect,
    `openDatabase() gives up on a server that never answers (${dialect})`,
    120_000,
    async () => {
      const silent = createServer(() => {});
      const { promise, resolve } = Promise.withResolvers<void>();
      silent.listen(0, "127.0.0.1", resolve);
      await promise;
      const { port } = silent.address() as AddressInfo;
      const start = performance.now();
      const { database } = open(`${dialect}://me:t0psecret@127.0.0.1:${port}/shop`, {
        connectTimeoutMs: 700,
      });
      expect(await failureOf(database)).toMatchObject({ fault: "unavailable" });
      expect(performance.now() - start).toBeLessThan(3000);
      silent.close();
    },
  );

  testWithServer(
    dialect,
    `openDatabase() stops waiting when it is told to (${dialect})`,
    120_000,
    async () => {
      await using proxy = await TcpProxy.start(1);
      await proxy.cut();
      const stop = new AbortController();
      const reason = new Error("stopped");
      const { database } = open(`${dialect}://me:t0psecret@127.0.0.1:${proxy.port}/shop`, {
        signal: stop.signal,
        onLine: () => stop.abort(reason),
      });
      expect(await failureOf(database)).toBe(reason);
    },
  );

  testWithServer(dialect, `openDatabase() names an unknown host (${dialect})`, 120_000, async () => {
    const { database } = open(`${dialect}://me:t0psecret@nowhere.invalid/shop`, { connectTimeoutMs: 300 });
    const error = await failureOf(database);
    expect(error).toMatchObject({ fault: "unavailable" });
    expect((error as Error).message).toContain("nowhere.invalid");
  });

  testWithServer(dialect, `echo logs statements without values (${dialect})`, 120_000, async () => {
    await using database = await createTestDatabase(dialect);
    const { database: opening, lines } = open(database.url, { echo: true });
    const driver = await opening;
    await driver.ping();
    await driver.close();
    const entry = JSON.parse(lines.at(-1) ?? "") as { sql: string; duration_ms: number };
    expect(entry.sql).toStartWith("select ");
    expect(entry.duration_ms).toBeNumber();
    expect(lines.join("")).not.toContain("s3cret");
  });
}
