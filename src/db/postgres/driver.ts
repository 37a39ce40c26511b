import type postgres from "postgres";
import type { Database, SchemaTables } from "../contract/database.ts";
import type { Driver, ServerDriverOptions } from "../contract/driver.ts";
import { createQueryLog } from "../contract/statements.ts";
import { toRelationalSchema } from "../drizzle/session-parts.ts";
import { keepValuesInRelations } from "../schema/relational-json.ts";
import { PoolChannel } from "../server/channel.ts";
import { TransactionScope } from "../server/transaction-state.ts";
import { PostgresConnection } from "./connection.ts";
import { PostgresDatabase } from "./database.ts";
import { PostgresDialect } from "./dialect.ts";
import { migrateOnPostgres } from "./migration-connection.ts";
import { PostgresPool, toSettings } from "./pool.ts";
import { PostgresSession } from "./session.ts";
import { OpenTransaction } from "./transaction.ts";
import { postgresTableMakers } from "./table-makers.ts";

const CLOSE_MS = 30_000;

/** Makes a driver for a PostgreSQL server. It connects with the first query. */
export function createPostgresDriver(options: ServerDriverOptions): Driver {
  const { url, poolSize, echo, log } = options;
  const settings = toSettings(options);
  const pool = new PostgresPool(settings, poolSize);
  const dialect = keepValuesInRelations(new PostgresDialect());
  const scope = new TransactionScope();
  const prepare = url.options["prepare"] !== "false";
  const statements = { server: url, prepare, onQuery: createQueryLog(echo, log) };
  const channel = new PoolChannel({
    pool,
    scope,
    connect: (client: postgres.Sql) => new PostgresConnection(client, statements),
    begin: (client, isolationLevel, work) =>
      OpenTransaction.run(client, { ...statements, scope, isolationLevel }, work),
  });
  const session = new PostgresSession(dialect, channel);
  return {
    dialect: "postgres",
    tableMakers: postgresTableMakers,
    toDatabase<Schema extends SchemaTables>(schema: Schema): Database<Schema> {
      // The same at run time; drizzle's types don't know the result of our session.
      return new PostgresDatabase(
        dialect,
        session,
        toRelationalSchema(schema),
      ) as unknown as Database<Schema>;
    },
    migrate: (work) => migrateOnPostgres({ settings, server: url, log }, work),
    async ping() {
      await channel.read((connection) => connection.all("select 1", []));
    },
    changeToken: () => null,
    close: () => pool.close(CLOSE_MS),
  };
}
