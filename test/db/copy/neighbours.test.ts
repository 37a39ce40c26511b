import pino from "pino";
import { expect } from "bun:test";
import { parseDatabaseUrl } from "../../../src/db/contract/database-url.ts";
import { openMysqlCopy } from "../../../src/db/copy/mysql.ts";
import { createTestDatabase, testOnDialect } from "../../database-servers.ts";
import { makeTables } from "./copied-project.ts";

// On a server of many, each may be dropped while it is looked at, and all of them take their time.
testOnDialect("mysql", "a copy doesn't look at the databases beside its own", async ({ url }) => {
  await makeTables(url);
  await using beside = await createTestDatabase("mysql", { hasCoreTables: true });
  const server = parseDatabaseUrl(url, "/") as Parameters<typeof openMysqlCopy>[0];
  await using copy = await openMysqlCopy(server, {
    log: pino({ level: "silent" }),
    connectTimeoutMs: 10_000,
  });
  /** Rows of the server's own tables that were put together for this connection. */
  const countRows = async (): Promise<number> => {
    const [row] = await copy.all<{ Value: string }>("show session status like 'Handler_tmp_write'");
    return Number(row?.Value);
  };
  const before = await countRows();
  expect(await copy.describe("shop_pairs")).toMatchObject({ key: ["a", "b"] });
  expect((await countRows()) - before).toBeLessThan(50);
  expect(beside.url).not.toBe(url);
});
