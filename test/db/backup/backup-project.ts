import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import pino from "pino";
import {
  type Backup,
  backupDatabase,
  type BackupOptions,
  type BackupProject,
} from "../../../src/db/backup/backup.ts";
import { type RestoreOptions, type RestorePlan, restoreDatabase } from "../../../src/db/backup/restore.ts";
import type { Database } from "../../../src/db/contract/database.ts";
import { parseDatabaseUrl, type ServerUrl } from "../../../src/db/contract/database-url.ts";
import type { Dialect, Driver } from "../../../src/db/contract/driver.ts";
import { openDatabase } from "../../../src/db/open.ts";
import { createSchemaModule } from "../../../src/db/schema/schema.ts";
import { createTestDatabase, type TestDatabase } from "../../database-servers.ts";
import { TestFolder } from "../../setup.ts";
import { createTables } from "../schema/created-tables.ts";
import { TABLE_MAKERS } from "../table-makers.ts";

/** Tables whose rows come in pairs: a backup that isn't of one moment would hold halves. */
export function declareTables(dialect: Dialect) {
  const schema = createSchemaModule(TABLE_MAKERS[dialect]);
  const orders = schema.table("orders", { id: schema.id(), note: schema.text(), data: schema.json() });
  const payments = schema.table("payments", {
    id: schema.id(),
    order_id: schema.references(() => orders.id).notNull(),
    amount: schema.decimal(15, 2).notNull(),
    paid_at: schema.timestamp().notNull(),
  });
  return { orders, payments };
}

export type Tables = ReturnType<typeof declareTables>;

const NOTES = [
  "plain",
  "Zoë 日本 😀",
  "'quoted\\' \"; drop table orders; --",
  "two\nlines\r\n\ttab",
  "\\! exit",
  "",
];

/** A project with a database on a real server, that can be backed up and restored. */
export class BackupTest implements AsyncDisposable {
  readonly tables: Tables;
  readonly folder: TestFolder;
  readonly project: BackupProject;
  readonly #database: TestDatabase;
  #driver: Driver | null = null;

  private constructor(database: TestDatabase, folder: TestFolder) {
    this.#database = database;
    this.folder = folder;
    this.tables = declareTables(database.dialect);
    this.project = {
      url: parseDatabaseUrl(database.url, folder.path),
      configFile: join(folder.path, "config.json"),
      pluginsDirectory: join(folder.path, "plugins"),
      dataDirectory: join(folder.path, "data"),
      backupsDirectory: join(folder.path, "data/backups"),
      version: "1.2.3",
      env: process.env,
    };
  }

  /** Makes the project, with its tables and the pairs 1 to 50. */
  static async create(dialect: Dialect): Promise<BackupTest> {
    const folder = await TestFolder.create({
      "config.json": { app: { name: "shop" } },
      "plugins/shop/plugin.json": { name: "shop", version: "1.0.0" },
      "plugins/hello.ts": "export const PLUGIN_INFO = {}",
    });
    const test = new BackupTest(await createTestDatabase(dialect), folder);
    await createTables(await test.open(), test.tables);
    for (let id = 1; id <= 50; id++) {
      // oxlint-disable-next-line no-await-in-loop -- in order
      await test.addPair(id);
    }
    return test;
  }

  get dialect(): Dialect {
    return this.#database.dialect;
  }

  /** The SQLite file. */
  get databaseFile(): string {
    return this.project.url.dialect === "sqlite" ? this.project.url.file : "";
  }

  /** The folder of the SQLite file. */
  get databaseFolder(): string {
    return dirname(this.databaseFile);
  }

  get serverUrl(): ServerUrl {
    const { url } = this.project;
    if (url.dialect === "sqlite") throw new TypeError("SQLite has no server");
    return url;
  }

  async open(): Promise<Driver> {
    const log = pino({ level: "silent" });
    this.#driver ??= await openDatabase({ url: this.project.url, poolSize: 4, echo: false, log });
    return this.#driver;
  }

  async close(): Promise<void> {
    const driver = this.#driver;
    this.#driver = null;
    await driver?.close();
  }

  async db(): Promise<Database<Tables>> {
    return (await this.open()).toDatabase(this.tables);
  }

  async addPair(id: number): Promise<void> {
    const { orders, payments } = this.tables;
    const db = await this.db();
    await db.transaction(async (tx) => {
      await tx
        .insert(orders)
        .values({ id, note: NOTES[id % NOTES.length] ?? "", data: { id, list: [null, "é"] } });
      await tx
        .insert(payments)
        .values({ id, order_id: id, amount: `${id}.10`, paid_at: new Date(id * 1001) });
    });
  }

  /** Every row of both tables. */
  async read() {
    const { orders, payments } = this.tables;
    const db = await this.db();
    return {
      orders: await db.select().from(orders).orderBy(orders.id),
      payments: await db.select().from(payments).orderBy(payments.id),
    };
  }

  backup(options: Partial<BackupOptions> = {}): Promise<Backup> {
    return backupDatabase({ ...this.project, ...options });
  }

  /** Restores without asking; the server isn't running any more. */
  async restore(file: string, options: Partial<RestoreOptions> = {}): Promise<RestorePlan | null> {
    await this.close();
    return restoreDatabase({ ...this.project, file, confirm: () => Promise.resolve(true), ...options });
  }

  /** Names that a backup or a restore has forgotten to remove. */
  async listLeftovers(): Promise<string[]> {
    const { dataDirectory, backupsDirectory } = this.project;
    const folders = [this.folder.path, dataDirectory, backupsDirectory];
    if (this.dialect === "sqlite") folders.push(this.databaseFolder);
    const names = await Promise.all(folders.map((folder) => readdir(folder).catch(() => [])));
    return names.flat().filter((name) => name.startsWith(".") || name.endsWith(".tmp"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    await this.#database[Symbol.asyncDispose]();
    await this.folder[Symbol.asyncDispose]();
  }
}
