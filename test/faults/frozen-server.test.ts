import { expect } from "bun:test";
import { testWithServer } from "../database-servers.ts";
import { Ledger, openLogged, SERVERS } from "./ledger.ts";
import { PrivateServer } from "./private-server.ts";

const CLIENTS = 20;
const STATEMENT_MS = 1500;
const WAIT_MS = 1000;

for (const dialect of SERVERS) {
  const test = (name: string, run: () => Promise<void>): void =>
    testWithServer(dialect, `${name} (${dialect})`, 120_000, run);

  test("a frozen server holds nobody up for longer than a statement may take", async () => {
    await using server = await PrivateServer.start(dialect);
    const { driver } = await openLogged(server.url, {
      statementTimeoutMs: STATEMENT_MS,
      waitTimeoutMs: WAIT_MS,
    });
    const ledger = await Ledger.create(driver);
    await Promise.all(Array.from({ length: CLIENTS }, () => ledger.write()));
    server.freeze();
    await Promise.all(
      Array.from({ length: CLIENTS }, (_, number) =>
        ledger.write(number % 2 === 0 ? "alone" : "transaction"),
      ),
    );
    expect(Math.max(...ledger.tookMs)).toBeLessThan(WAIT_MS + STATEMENT_MS + 500);
    // The pool has found out by now: whoever comes now doesn't wait for longer.
    await Promise.all(Array.from({ length: CLIENTS }, () => ledger.write()));
    expect(Math.max(...ledger.tookMs.slice(-CLIENTS))).toBeLessThan(WAIT_MS + 500);
    server.thaw();
    const startedAt = performance.now();
    expect(await ledger.write()).toBe("acknowledged");
    expect(performance.now() - startedAt).toBeLessThan(1000);
    await Promise.all(Array.from({ length: CLIENTS }, () => ledger.write("transaction")));
    expect([...ledger.outcomes.values()].slice(-CLIENTS)).toEqual(Array(CLIENTS).fill("acknowledged"));
    expect(await ledger.audit(driver)).toEqual([]);
    await driver.close();
  });
}
