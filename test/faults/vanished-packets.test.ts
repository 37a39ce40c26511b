import { sql } from "drizzle-orm";
import { expect } from "bun:test";
import { createTestDatabase, testWithServer } from "../database-servers.ts";
import { failureOf } from "../db/failures.ts";
import { Ledger, openLogged, SERVERS } from "./ledger.ts";
import { TcpProxy } from "./tcp-proxy.ts";

const CLIENTS = 20;

for (const dialect of SERVERS) {
  const test = (name: string, run: () => Promise<void>): void =>
    testWithServer(dialect, `${name} (${dialect})`, 120_000, run);

  test("statements whose packets vanish are found out, and their connections replaced", async () => {
    await using database = await createTestDatabase(dialect);
    await using proxy = await TcpProxy.before(database.url);
    const { driver, lines } = await openLogged(proxy.through(database.url), { statementTimeoutMs: 30_000 });
    const ledger = await Ledger.create(driver);
    await Promise.all(Array.from({ length: CLIENTS }, () => ledger.write()));
    // Each client's statement is on its way when everything vanishes.
    const slow = dialect === "postgres" ? "select pg_sleep(1)" : "select sleep(1)";
    const isSent = proxy.sees(/sleep/, 3);
    const reads = Array.from({ length: 3 }, () => failureOf(ledger.db.execute(sql.raw(slow))));
    await isSent;
    const writes = Array.from({ length: CLIENTS }, (_, number) =>
      ledger.write(number % 2 === 0 ? "alone" : "transaction"),
    );
    proxy.vanish();
    const startedAt = performance.now();
    for (const error of await Promise.all(reads)) expect(error).toMatchObject({ fault: "unavailable" });
    await Promise.all(writes);
    expect(performance.now() - startedAt).toBeLessThan(8000);
    expect(Math.max(...ledger.tookMs)).toBeLessThan(8000);
    expect(await ledger.write()).toBe("acknowledged");
    expect(ledger.tookMs.at(-1)).toBeLessThan(1000);
    expect(lines.join("")).toContain(
      "a query or its answer was lost on the way; the connection was given up",
    );
    const { driver: other } = await openLogged(database.url);
    expect(await ledger.audit(other)).toEqual([]);
    await driver.close();
    await other.close();
  });

  test("while nothing gets through everybody is told so in time, and the first success follows at once", async () => {
    await using database = await createTestDatabase(dialect);
    await using proxy = await TcpProxy.before(database.url);
    const { driver } = await openLogged(proxy.through(database.url), {
      statementTimeoutMs: 1000,
      waitTimeoutMs: 1500,
      connectTimeoutMs: 2000,
    });
    const ledger = await Ledger.create(driver);
    await Promise.all(Array.from({ length: CLIENTS }, () => ledger.write()));
    proxy.vanish({ alsoNew: true });
    for (const kind of ["alone", "transaction"] as const) {
      // oxlint-disable-next-line no-await-in-loop -- the second finds no connection
      await Promise.all(Array.from({ length: CLIENTS }, () => ledger.write(kind)));
    }
    expect(Math.max(...ledger.tookMs)).toBeLessThan(3000);
    proxy.appear();
    expect(await ledger.write()).toBe("acknowledged");
    expect(ledger.tookMs.at(-1)).toBeLessThan(1000);
    const { driver: other } = await openLogged(database.url);
    expect(await ledger.audit(other)).toEqual([]);
    await driver.close();
    await other.close();
  });

  test("statements that were lost don't hold the pool once new connections come through again", async () => {
    await using database = await createTestDatabase(dialect);
    await using proxy = await TcpProxy.before(database.url);
    const { driver } = await openLogged(proxy.through(database.url), { statementTimeoutMs: 30_000 });
    const ledger = await Ledger.create(driver);
    await Promise.all(Array.from({ length: CLIENTS }, () => ledger.write()));
    proxy.vanish({ alsoNew: true });
    const stuck = Array.from({ length: 4 }, () => ledger.write());
    // Those who look for them, beside a pool that is full.
    await proxy.connected(2);
    proxy.appear();
    expect(await ledger.write()).toBe("acknowledged");
    expect(ledger.tookMs.at(-1)).toBeLessThan(2000);
    const outcomes = (await Promise.all(stuck)).join("\n"); // one may have waited for a connection
    expect(outcomes).toContain("unknown: ");
    expect(outcomes).not.toContain("refused: ");
    expect(await ledger.audit(driver)).toEqual([]);
    await driver.close();
  });

  test("an idle connection is checked before it is handed out, and replaced", async () => {
    await using database = await createTestDatabase(dialect);
    await using proxy = await TcpProxy.before(database.url);
    const { driver } = await openLogged(proxy.through(database.url), { trustedMs: 0, waitTimeoutMs: 30_000 });
    const ledger = await Ledger.create(driver);
    await Promise.all(Array.from({ length: CLIENTS }, () => ledger.write()));
    await ledger.settle(); // one that was about to be handed out would be lost with what it was given
    proxy.vanish();
    await Promise.all(Array.from({ length: CLIENTS }, () => ledger.write("transaction")));
    expect([...new Set(ledger.outcomes.values())]).toEqual(["acknowledged"]);
    expect(await ledger.audit(driver)).toEqual([]);
    await driver.close();
  });
}
