import type { Database, SchemaTables } from "../contract/database.ts";
import type { Driver, ServerDriverOptions } from "../contract/driver.ts";
import { createQueryLog, PROBE, type QueryWatch } from "../contract/statements.ts";
import { watchChannel } from "../transactions/watched-channel.ts";
import { toRelationalSchema } from "../drizzle/session-parts.ts";
import { keepValuesInRelations } from "../schema/relational-json.ts";
import { type Channel, openChannel } from "../server/channel.ts";
import { createAfterCommit } from "../transactions/commits.ts";
import { PostgresConnection, POSTGRES_TRANSACTIONS } from "./connection.ts";
import { PostgresDatabase } from "./database.ts";
import { PostgresDialect } from "./dialect.ts";
import { migrateOnPostgres } from "./migration-connection.ts";
import { PostgresSession } from "./session.ts";
import { toSettings } from "./settings.ts";
import { WriteFeed } from "../writes/feed.ts";
import { postgresTableMakers } from "./table-makers.ts";

/** Makes a driver for a PostgreSQL server. It connects with the first query. */
export function createPostgresDriver(options: ServerDriverOptions): Driver {
  const { url, echo, log, migrationTimeoutMs: timeoutMs } = options;
  const settings = toSettings(options);
  const dialect = keepValuesInRelations(new PostgresDialect());
  const prepare = url.options["prepare"] !== "false";
  const onQuery = createQueryLog(echo, log);
  const feed = new WriteFeed();
  const { channel, connections, close } = openChannel(
    { ...options, feed },
    POSTGRES_TRANSACTIONS,
    (limits) => {
      return new PostgresConnection({ settings, server: url, prepare, onQuery, limits });
    },
  );
  const shared: Channel<PostgresConnection> = channel;
  const session = new PostgresSession(dialect, shared);
  return {
    dialect: "postgres",
    tableMakers: postgresTableMakers,
    toDatabase<Schema extends SchemaTables>(schema: Schema, watch?: QueryWatch): Database<Schema> {
      // The same at run time; drizzle's types don't know the result of our session.
      const own = watch ? new PostgresSession(dialect, watchChannel(shared, watch)) : session;
      return new PostgresDatabase(dialect, own, toRelationalSchema(schema)) as unknown as Database<Schema>;
    },
    migrate: (work) => feed.around(() => migrateOnPostgres({ settings, server: url, log, timeoutMs }, work)),
    ping: () => channel.probe((connection) => connection.ping()),
    probe: () => channel.probe((connection) => connection.all(PROBE, [])),
    changeToken: () => null,
    connections,
    afterCommit: createAfterCommit(channel),
    gather: (write) => channel.gather(write),
    onTablesWritten: (listener) => feed.listen(listener),
    close,
  };
}
