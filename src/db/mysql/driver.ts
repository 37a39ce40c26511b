import type { Database, SchemaTables } from "../contract/database.ts";
import type { Driver, ServerDriverOptions } from "../contract/driver.ts";
import { createQueryLog, PROBE, type QueryWatch } from "../contract/statements.ts";
import { watchChannel } from "../transactions/watched-channel.ts";
import { toRelationalSchema } from "../drizzle/session-parts.ts";
import { keepValuesInRelations } from "../schema/relational-json.ts";
import { type Channel, openChannel } from "../server/channel.ts";
import { createAfterCommit } from "../transactions/commits.ts";
import { MYSQL_TRANSACTIONS, MysqlConnection } from "./connection.ts";
import { MysqlDatabase } from "./database.ts";
import { MysqlDialect } from "./dialect.ts";
import { migrateOnMysql } from "./migration-connection.ts";
import { MysqlSession } from "./session.ts";
import { toSettings } from "./settings.ts";
import { WriteFeed } from "../writes/feed.ts";
import { mysqlTableMakers } from "./table-makers.ts";

/**
 * Makes a driver for a MySQL or MariaDB server. It connects with the first query; `ping()` finds out which of both
 * it is.
 */
export function createMysqlDriver(options: ServerDriverOptions): Driver {
  const { url, echo, log, migrationTimeoutMs: timeoutMs } = options;
  const settings = toSettings(options);
  const dialect = keepValuesInRelations(new MysqlDialect());
  const onQuery = createQueryLog(echo, log);
  const feed = new WriteFeed();
  const { channel, connections, close } = openChannel({ ...options, feed }, MYSQL_TRANSACTIONS, (limits) => {
    return new MysqlConnection({ settings, server: url, onQuery, limits });
  });
  const shared: Channel<MysqlConnection> = channel;
  const session = new MysqlSession(dialect, shared);
  return {
    dialect: "mysql",
    tableMakers: mysqlTableMakers,
    toDatabase<Schema extends SchemaTables>(schema: Schema, watch?: QueryWatch): Database<Schema> {
      // Made to behave as what it is typed as; drizzle's types of MySQL are others.
      const own = watch ? new MysqlSession(dialect, watchChannel(shared, watch)) : session;
      return new MysqlDatabase(dialect, own, toRelationalSchema(schema)) as unknown as Database<Schema>;
    },
    migrate: (work) => feed.around(() => migrateOnMysql({ settings, server: url, log, timeoutMs }, work)),
    async ping() {
      await channel.probe(async (connection) => {
        const [row] = await connection.all("select version() as version");
        dialect.isMariaDb = /mariadb/i.test(String(row?.["version"]));
      });
    },
    probe: () => channel.probe((connection) => connection.all(PROBE)),
    changeToken: () => null,
    connections,
    afterCommit: createAfterCommit(channel),
    gather: (write) => channel.gather(write),
    onTablesWritten: (listener) => feed.listen(listener),
    close,
  };
}
