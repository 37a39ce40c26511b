import { join } from "node:path";
import { relations, type SQL } from "drizzle-orm";
import { type BaseSQLiteDatabase, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import pino from "pino";
import type { WriteResult } from "../../../src/db/contract/database.ts";
import type { Driver } from "../../../src/db/contract/driver.ts";
import { openSqlite } from "../../../src/db/sqlite/driver.ts";
import { TestFolder } from "../../setup.ts";

export const authors = sqliteTable("authors", {
  id: integer().primaryKey(),
  name: text().notNull().unique(),
});
export const articles = sqliteTable("articles", {
  id: integer().primaryKey(),
  authorId: integer("author_id").references(() => authors.id),
  title: text(),
  isPublished: integer("is_published", { mode: "boolean" }).notNull().default(false),
  createdAt: integer("created_at", { mode: "timestamp_ms" }),
});
export const articlesOfAuthor = relations(authors, ({ many }) => ({ articles: many(articles) }));
export const authorOfArticle = relations(articles, ({ one }) => ({
  author: one(authors, { fields: [articles.authorId], references: [authors.id] }),
}));
export const tables = { authors, articles, articlesOfAuthor, authorOfArticle };

const createTables = [
  "create table authors (id integer primary key, name text not null unique)",
  `create table articles (id integer primary key, author_id integer references authors(id) deferrable initially immediate,
    title text check (title <> ''), is_published integer not null default false, created_at integer)`,
];

/** `db` as code sees it, under the types of tables that are SQLite's own. */
export interface SqliteDb extends Omit<
  BaseSQLiteDatabase<"async", WriteResult, typeof tables>,
  "transaction" | "run" | "all" | "get" | "values"
> {
  execute<Row = Record<string, unknown>>(query: SQL): Promise<Row[]>;
  transaction<T>(work: (tx: SqliteDb & { rollback(): never }) => Promise<T>): Promise<T>;
}

export interface ArticlesOptions {
  readonly waitMs?: number;
  readonly echo?: boolean;
  readonly durability?: "full" | "normal";
}

/** A database with authors and articles, both empty, in a folder of its own. */
export class Articles implements AsyncDisposable {
  readonly folder: TestFolder;
  readonly file: string;
  readonly driver: Driver;
  readonly db: SqliteDb;
  /** What was logged. */
  readonly lines: Record<string, unknown>[];

  private constructor(folder: TestFolder, file: string, driver: Driver, lines: Record<string, unknown>[]) {
    this.folder = folder;
    this.file = file;
    this.driver = driver;
    this.lines = lines;
    this.db = toDb(driver);
  }

  static async open(options: ArticlesOptions = {}): Promise<Articles> {
    const folder = await TestFolder.create();
    const file = join(folder.path, "data/app.db");
    const lines: Record<string, unknown>[] = [];
    const log = pino({}, { write: (line) => void lines.push(JSON.parse(line)) });
    const driver = await openSqlite({ file, log, echo: false, ...options });
    await driver.migrate(async (connection) => {
      for (const statement of createTables) await connection.run(statement);
    });
    return new Articles(folder, file, driver, lines);
  }

  /** The numbers of the articles, in order, as another connection sees them. */
  async ids(): Promise<number[]> {
    const rows = await this.db.select({ id: articles.id }).from(articles).orderBy(articles.id);
    return rows.map(({ id }) => id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.driver.close();
    await this.folder[Symbol.asyncDispose]();
  }
}

/** The database of a driver under the types of tables that are SQLite's own. */
export function toDb(driver: Driver): SqliteDb {
  return driver.toDatabase(tables) as unknown as SqliteDb;
}

/** What a promise is rejected with. */
export async function failureOf(promise: PromiseLike<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it didn't fail");
}
