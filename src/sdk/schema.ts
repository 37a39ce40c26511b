import type { SchemaModule } from "../db/schema/schema.ts";

export type { AnyPgColumn as AnyColumn } from "drizzle-orm/pg-core";
export type { ColumnKind } from "../db/schema/column-kind.ts";

/**
 * Declares a table: its name, its columns, and a list of indexes and constraints.
 *
 * @example
 * export const articles = table("blog_articles", {
 *   id: id(),
 *   title: varchar(255).notNull(),
 *   author_id: references(() => users.id).notNull(),
 * }, (t) => [index("blog_articles_author").on(t.author_id)]);
 */
export declare const table: SchemaModule["table"];

/** A number of 64 bits that the database counts up: the primary key of most tables. */
export declare const id: SchemaModule["id"];

/** A UUID, in lower case; `defaultRandom()` makes one (version 7) for rows that have none. */
export declare const uuid: SchemaModule["uuid"];

/** Text of any length; it can't be indexed, as MySQL can't. */
export declare const text: SchemaModule["text"];

/** Text of at most so many characters (Unicode code points). */
export declare const varchar: SchemaModule["varchar"];

/** An integer of 32 bits. */
export declare const integer: SchemaModule["integer"];

/** An integer of up to 2^53 - 1, so that it is exact in JavaScript. */
export declare const bigint: SchemaModule["bigint"];

/**
 * An exact decimal of `precision` digits, `scale` of them after the point, as a string: `decimal(15, 2)` holds
 * "1234.50". What doesn't fit is refused, not rounded. SQLite sorts, compares and sums those of more than 15
 * digits as text.
 */
export declare const decimal: SchemaModule["decimal"];

/** True or false. */
export declare const boolean: SchemaModule["boolean"];

/** A moment, as a Date: to the millisecond, in UTC. */
export declare const timestamp: SchemaModule["timestamp"];

/** A day, as "2024-12-31". */
export declare const date: SchemaModule["date"];

/** Any JSON, parsed: `json<{ tags: string[] }>()`. */
export declare const json: SchemaModule["json"];

/** One of some strings, which the database holds to: `enumOf(["draft", "published"])`. */
export declare const enumOf: SchemaModule["enumOf"];
export { enumOf as enum };

/**
 * A file that belongs to the row, as its id: `file({ types: ["application/pdf"], maxSize: "5mb" })`. Resources take uploads for it,
 * show its name, type and size, and serve it to whoever may see the row; see docs/files.md.
 */
export declare const file: SchemaModule["file"];

/** The id of a row of another table: `references(() => users.id, { onDelete: "cascade" })`. */
export declare const references: SchemaModule["references"];

/** Makes queries by these columns fast: `index("blog_articles_author").on(t.author_id)`. */
export declare const index: SchemaModule["index"];

/** An index that lets no two rows have the same values in these columns. */
export declare const uniqueIndex: SchemaModule["uniqueIndex"];

/**
 * An index of the words of text, for resources with `searchIndex: true`: `searchIndex("deals_search").on(t.title, t.body)`. A
 * table has one, and `id()` as its primary key.
 */
export declare const searchIndex: SchemaModule["searchIndex"];

/** Lets no two rows have the same values in these columns. */
export declare const unique: SchemaModule["unique"];

/** Lets no row in that doesn't meet the condition: check("price_positive", sql`${t.price} >= 0`). */
export declare const check: SchemaModule["check"];

/** A primary key of several columns. */
export declare const primaryKey: SchemaModule["primaryKey"];

/** A reference by several columns; for one column use `references()`. */
export declare const foreignKey: SchemaModule["foreignKey"];

/** How tables belong together, for `with:` of `db.query`: drizzle's own. */
export declare const relations: SchemaModule["relations"];

/** SQL of your own, its values bound: drizzle's own. */
export declare const sql: SchemaModule["sql"];

/** The accounts. */
export declare const users: SchemaModule["users"];

/**
 * What a column was declared as: `kindOf(articles.title)` is `{ type: "varchar", length: 255 }`. Its `name`, `notNull`,
 * `hasDefault` and `primary` are drizzle's.
 *
 * @throws TypeError for a column that isn't of "xcore/schema"
 */
export declare const kindOf: SchemaModule["kindOf"];

/** The column that a column refers to by `references()`; null for one that refers to none. */
export declare const targetOf: SchemaModule["targetOf"];
