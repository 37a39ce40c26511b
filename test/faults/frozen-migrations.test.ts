import { expect } from "bun:test";
import { DIALECTS } from "../../src/db/contract/driver.ts";
import { createTestDatabase, testWithServer } from "../database-servers.ts";
import { failureOf } from "../db/failures.ts";
import { openLogged, SERVERS } from "./ledger.ts";
import { PrivateServer } from "./private-server.ts";

const TIMEOUT_MS = 1000;

for (const dialect of SERVERS) {
  testWithServer(
    dialect,
    `a migration on a server that freezes is given up, and another succeeds (${dialect})`,
    120_000,
    async () => {
      await using server = await PrivateServer.start(dialect);
      const { driver } = await openLogged(server.url, { migrationTimeoutMs: TIMEOUT_MS });
      const failure = await failureOf(
        driver.migrate(async (connection) => {
          await connection.run("create table notes (id integer primary key)");
          server.freeze();
          await connection.run("create table more_notes (id integer primary key)");
        }),
      );
      expect(failure).toMatchObject({ fault: "timeout" });
      expect(String(failure)).toContain("longer than 1 s");
      server.thaw();
      await driver.migrate((connection) =>
        connection.run("create table other_notes (id integer primary key)"),
      );
      await driver.close();
    },
  );
}

for (const dialect of DIALECTS) {
  testWithServer(
    dialect,
    `another process that migrates without end is waited for within a limit (${dialect})`,
    120_000,
    async () => {
      await using database = await createTestDatabase(dialect);
      const { driver } = await openLogged(database.url);
      const { driver: waiting } = await openLogged(database.url, { migrationTimeoutMs: TIMEOUT_MS });
      const [begun, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      const first = driver.migrate(async () => {
        begun.resolve();
        await goOn.promise;
      });
      await begun.promise;
      const failure = await failureOf(waiting.migrate(() => Promise.resolve()));
      expect(failure).toMatchObject({ fault: "busy" });
      expect(String(failure)).toContain("another process has been migrating it for 1 s");
      goOn.resolve();
      await first;
      await waiting.migrate((connection) => connection.run("create table notes (id integer primary key)"));
      await Promise.all([driver.close(), waiting.close()]);
    },
  );
}
