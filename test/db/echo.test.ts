import { sql } from "drizzle-orm";
import { expect } from "bun:test";
import pino from "pino";
import { parseDatabaseUrl } from "../../src/db/contract/database-url.ts";
import { openDatabase } from "../../src/db/open.ts";
import { testOnEachDialect } from "../database-servers.ts";
import { failureOf } from "./failures.ts";

testOnEachDialect('"database.echo" logs a query with the same fields on each', async ({ url, folder }) => {
  const lines: Record<string, unknown>[] = [];
  const log = pino({ base: null }, { write: (line) => void lines.push(JSON.parse(line)) });
  const driver = await openDatabase({
    url: parseDatabaseUrl(url, folder.path),
    poolSize: 1,
    echo: true,
    log,
  });
  try {
    lines.length = 0;
    const db = driver.toDatabase({});
    await db.execute(sql`select ${"secret"} as word`);
    await db.transaction((tx) => tx.execute(sql`select 2 as two`));
    await failureOf(db.execute(sql`select nothing from nowhere`));
  } finally {
    await driver.close();
  }
  const queries = lines.filter(({ sql: text }) => /^select/i.test(String(text)));
  expect(queries.map(({ sql: text }) => text)).toEqual([
    expect.stringMatching(/^select (?:\?|\$1) as word$/),
    "select 2 as two",
    "select nothing from nowhere",
  ]);
  for (const { level, time, ...query } of queries) {
    expect([level, time]).toEqual([30, expect.any(Number)]);
    expect(query).toEqual({ sql: query["sql"], duration_ms: expect.any(Number), msg: "query" });
  }
  expect(JSON.stringify(lines)).not.toContain("secret");
});
