import type { Logger } from "pino";
import type { Database, SchemaTables } from "../contract/database.ts";
import { DatabaseError } from "../contract/database-error.ts";
import type { Driver, MigrationConnection } from "../contract/driver.ts";
import { ChangeToken } from "./change-token.ts";
import type { Connection } from "./connection.ts";
import { Dialect } from "./dialect.ts";
import { toRelationalSchema } from "../drizzle/relational-schema.ts";
import { lockMigrations } from "./migration-lock.ts";
import { SqliteMigrationConnection } from "./migration-connection.ts";
import { OpenAccess } from "./open-access.ts";
import { openConnections } from "./open-connections.ts";
import { Queries } from "./queries.ts";

export interface SqliteOptions {
  /** Absolute path; the file and its folder are made when they are missing. */
  readonly file: string;
  readonly log: Logger;
  /** Whether each statement is logged, without values, at level info. */
  readonly echo: boolean;
  /**
   * How long a write waits for its turn, and for other processes, before it fails with "busy", in ms.
   *
   * @default 30_000
   */
  readonly waitMs?: number;
}

/**
 * Opens an SQLite database. A file that is no database, or is damaged, is left as it is.
 *
 * @throws DatabaseError "corrupt", "readonly", "busy" or "unavailable", naming the file
 */
export async function openSqlite(options: SqliteOptions): Promise<Driver> {
  const { waitMs = 30_000 } = options;
  const connections = await openConnections({ ...options, waitMs });
  return new SqliteDriver({ ...options, waitMs }, connections);
}

class SqliteDriver implements Driver {
  readonly dialect = "sqlite";
  readonly #options: Required<SqliteOptions>;
  readonly #reader: Connection;
  readonly #writer: Connection;
  readonly #access: OpenAccess;
  readonly #changes: ChangeToken;
  readonly #drizzle = new Dialect();
  #closed: Promise<void> | null = null;

  constructor(
    options: Required<SqliteOptions>,
    { reader, writer }: { readonly reader: Connection; readonly writer: Connection },
  ) {
    this.#options = options;
    this.#reader = reader;
    this.#writer = writer;
    this.#access = new OpenAccess({ reader, writer, waitMs: options.waitMs });
    this.#changes = new ChangeToken(reader, this.#access);
  }

  toDatabase<Schema extends SchemaTables>(schema: Schema): Database<Schema> {
    const access = this.#access;
    const queries = new Queries({
      access,
      dialect: this.#drizzle,
      schema: toRelationalSchema(schema),
      begin: (work) => access.transaction(work),
    });
    // SQLite's builders do what Postgres's do, under types of their own.
    return queries as unknown as Database<Schema>;
  }

  async migrate<T>(work: (connection: MigrationConnection) => Promise<T>): Promise<T> {
    const { file, log, waitMs } = this.#options;
    this.#access.assertNotHolder();
    const unlock = await lockMigrations(file, log);
    try {
      return await this.#access.withWriter((writer) => work(new SqliteMigrationConnection(writer, waitMs)));
    } finally {
      unlock();
    }
  }

  async ping(): Promise<void> {
    await this.#access.read((connection) => connection.values("select 1", []));
  }

  changeToken(): number | null {
    return this.#changes.read();
  }

  async close(): Promise<void> {
    this.#access.assertNotHolder();
    await (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    try {
      await this.#access.withWriter(async (writer) => {
        writer.execute("pragma wal_checkpoint(truncate)");
        this.#closeConnections();
      });
    } catch (error) {
      this.#closeConnections();
      // What is still in the log of the database is read from there when it is next opened.
      if (!(error instanceof DatabaseError)) throw error;
      this.#options.log.warn({ err: error }, "the database was closed without a checkpoint");
    }
  }

  #closeConnections(): void {
    this.#reader.close();
    this.#writer.close();
  }
}
