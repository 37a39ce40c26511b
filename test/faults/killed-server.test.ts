import { expect } from "bun:test";
import { createTestDatabase, testWithServer } from "../database-servers.ts";
import { Ledger, openLogged, SERVERS } from "./ledger.ts";
import { PrivateServer } from "./private-server.ts";
import { TcpProxy } from "./tcp-proxy.ts";

const CLIENTS = 20;

for (const dialect of SERVERS) {
  const test = (name: string, run: () => Promise<void>): void =>
    testWithServer(dialect, `${name} (${dialect})`, 120_000, run);

  test("a killed server loses nothing that was acknowledged, and is found again within a second", async () => {
    await using server = await PrivateServer.start(dialect);
    await using proxy = await TcpProxy.before(server.url);
    const { driver } = await openLogged(proxy.through(server.url), { waitTimeoutMs: 1000 });
    const ledger = await Ledger.create(driver);
    let isKilled = false;
    const clients = Array.from({ length: CLIENTS }, async (_, number) => {
      // oxlint-disable-next-line no-await-in-loop -- one write after another
      while (!isKilled) await ledger.write(number % 2 === 0 ? "alone" : "transaction");
    });
    await proxy.sees(/1000@x/);
    await server.kill();
    isKilled = true;
    await Promise.all(clients);
    const acknowledged = [...ledger.outcomes.values()].filter((outcome) => outcome === "acknowledged");
    expect(acknowledged.length).toBeGreaterThan(900);
    expect(await ledger.write()).toStartWith("refused: unavailable: ");
    expect(Math.max(...ledger.tookMs)).toBeLessThan(2000);
    await server.restart();
    expect(await ledger.write()).toBe("acknowledged");
    expect(ledger.tookMs.at(-1)).toBeLessThan(1000);
    expect(await ledger.audit(driver)).toEqual([]);
    await driver.close();
  });

  test("connections that are reset, and slow ones, lose nothing either", async () => {
    await using database = await createTestDatabase(dialect);
    await using proxy = await TcpProxy.before(database.url);
    const { driver } = await openLogged(proxy.through(database.url));
    const ledger = await Ledger.create(driver);
    proxy.delay(5);
    let isOver = false;
    const clients = Array.from({ length: CLIENTS }, async (_, number) => {
      // oxlint-disable-next-line no-await-in-loop -- one write after another
      while (!isOver) await ledger.write(number % 2 === 0 ? "alone" : "transaction");
    });
    for (const count of [50, 100, 150, 200]) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      await proxy.sees(new RegExp(`${count}@x`));
      proxy.reset();
    }
    await proxy.sees(/250@x/);
    isOver = true;
    await Promise.all(clients);
    expect(await ledger.audit(driver)).toEqual([]);
    await driver.close();
  });
}
