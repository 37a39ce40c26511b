/**
 * A process that applies migrations: `bun migrating-process.ts <url> <folder> [before|after <text>]`. It says
 * "ready" when the database is open, and starts when its standard input ends. With "before" or "after" it is
 * killed where the statement that holds the text runs.
 */
import pino from "pino";
import { parseDatabaseUrl } from "../../../src/db/contract/database-url.ts";
import type { Driver, MigrationConnection } from "../../../src/db/contract/driver.ts";
import { applyMigrations } from "../../../src/db/migrations/apply.ts";
import { readMigrations } from "../../../src/db/migrations/files.ts";
import { openDatabase } from "../../../src/db/open.ts";

const [url = "", folder = "", moment = "", text = ""] = process.argv.slice(2);
const log = pino({ level: "silent" });
const driver = await openDatabase({ url: parseDatabaseUrl(url, folder), poolSize: 2, echo: false, log });
const migrations = await readMigrations(folder, driver.dialect);
process.stdout.write("ready\n");
await Bun.stdin.text();
const { applied } = await applyMigrations(moment === "" ? driver : withDeath(driver), {
  owner: "blog",
  migrations,
  log,
});
process.stdout.write(`${JSON.stringify(applied)}\n`);
await driver.close();

function withDeath(inner: Driver): Driver {
  return {
    dialect: inner.dialect,
    tableMakers: inner.tableMakers,
    toDatabase: (schema) => inner.toDatabase(schema),
    migrate: (work) => inner.migrate((connection) => work(withDeadlyStatement(connection))),
    changeToken: () => inner.changeToken(),
    afterCommit: (listener, tx) => inner.afterCommit(listener, tx),
    onTablesWritten: (listener) => inner.onTablesWritten(listener),
    probe: () => inner.probe(),
    ping: () => inner.ping(),
    close: () => inner.close(),
  };
}

function withDeadlyStatement(connection: MigrationConnection): MigrationConnection {
  return {
    isTransactional: connection.isTransactional,
    all: (statement, parameters) => connection.all(statement, parameters),
    transaction: (work) => connection.transaction(work),
    async run(statement, parameters) {
      if (!statement.includes(text)) return connection.run(statement, parameters);
      if (moment === "after") await connection.run(statement, parameters);
      process.kill(process.pid, "SIGKILL");
      return new Promise(() => {});
    },
  };
}
