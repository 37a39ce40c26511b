import type { Pool } from "mysql2/promise";
import type { Database, SchemaTables } from "../contract/database.ts";
import type { Driver, ServerDriverOptions } from "../contract/driver.ts";
import { createQueryLog } from "../contract/statements.ts";
import { toRelationalSchema } from "../drizzle/session-parts.ts";
import { keepValuesInRelations } from "../schema/relational-json.ts";
import { PoolChannel } from "../server/channel.ts";
import { TransactionScope } from "../server/transaction-state.ts";
import { MysqlConnection } from "./connection.ts";
import { MysqlDatabase } from "./database.ts";
import { MysqlDialect } from "./dialect.ts";
import { migrateOnMysql } from "./migration-connection.ts";
import { MysqlPool, toSettings } from "./pool.ts";
import { MysqlSession } from "./session.ts";
import { OpenTransaction } from "./transaction.ts";
import { mysqlTableMakers } from "./table-makers.ts";

const CLOSE_MS = 30_000;

/**
 * Makes a driver for a MySQL or MariaDB server. It connects with the first query; `ping()` finds out which of both
 * it is.
 */
export function createMysqlDriver(options: ServerDriverOptions): Driver {
  const { url, poolSize, echo, log } = options;
  const settings = toSettings(options);
  const pool = new MysqlPool(settings, poolSize);
  const dialect = keepValuesInRelations(new MysqlDialect());
  const scope = new TransactionScope();
  const statements = { server: url, onQuery: createQueryLog(echo, log) };
  const channel = new PoolChannel({
    pool,
    scope,
    connect: (client: Pool) => new MysqlConnection(client, statements),
    begin: (client, isolationLevel, work) =>
      OpenTransaction.run(client, { ...statements, scope, isolationLevel }, work),
  });
  const session = new MysqlSession(dialect, channel);
  return {
    dialect: "mysql",
    tableMakers: mysqlTableMakers,
    toDatabase<Schema extends SchemaTables>(schema: Schema): Database<Schema> {
      // Made to behave as what it is typed as; drizzle's types of MySQL are others.
      return new MysqlDatabase(dialect, session, toRelationalSchema(schema)) as unknown as Database<Schema>;
    },
    migrate: (work) => migrateOnMysql({ settings, server: url, log }, work),
    async ping() {
      const [row] = await channel.read((connection) => connection.all("select version() as version"));
      dialect.isMariaDb = /mariadb/i.test(String(row?.["version"]));
    },
    changeToken: () => null,
    close: () => pool.close(CLOSE_MS),
  };
}
