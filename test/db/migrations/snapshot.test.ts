import { expect, test } from "bun:test";
import type * as Kit from "drizzle-kit/api";
import { type Dialect, DIALECTS } from "../../../src/db/contract/driver.ts";
import { readSchema } from "../../../src/db/migrations/generate/schema-model.ts";
import { readSnapshot, type Snapshot, toSnapshot } from "../../../src/db/migrations/generate/snapshot.ts";
import { createSchemaModule } from "../../../src/db/schema/schema.ts";
import { TABLE_MAKERS } from "../table-makers.ts";

/** Everything that a portable table can have. */
function declare(dialect: Dialect): Record<string, unknown> {
  const schema = createSchemaModule(TABLE_MAKERS[dialect]);
  const { table, id, uuid, text, varchar, integer, bigint, decimal, boolean, timestamp, date, json } = schema;
  const authors = table("authors", { id: id(), name: varchar(100).notNull().unique() });
  const articles = table(
    "articles",
    {
      id: id(),
      key: uuid().defaultRandom(),
      body: text().default("it's \\ a body"),
      count: integer().default(3),
      big: bigint().notNull(),
      price: decimal(10, 2).default("1.50"),
      long: decimal(30, 2),
      published: boolean().notNull().default(false),
      created_at: timestamp().notNull().defaultNow(),
      day: date(),
      data: json().default({ a: ["'"] }),
      state: schema.enumOf(["draft", "it's"]).default("draft"),
      author_id: schema.references(() => authors.id, { onDelete: "cascade" }).notNull(),
    },
    (self) => [
      schema.index("articles_day").on(self.day, self.count),
      schema.uniqueIndex("articles_big").on(self.big),
      schema.unique().on(self.big, self.count),
      schema.check("articles_count", schema.sql`${self.count} > 0`),
      schema.foreignKey({ columns: [self.big], foreignColumns: [authors.id] }).onUpdate("cascade"),
    ],
  );
  const pairs = table("pairs", { a: integer().notNull(), b: integer().notNull() }, (self) => [
    schema.primaryKey({ columns: [self.a, self.b] }),
  ]);
  const articlesRelations = schema.relations(articles, ({ one }) => ({ author: one(authors) }));
  return { authors, articles, articlesRelations, pairs, aFunction: () => 1 };
}

/** drizzle-kit's own, which xcore's executable has no room for. */
async function takeKitSnapshot(dialect: Dialect): Promise<Snapshot> {
  // oxlint-disable-next-line typescript/no-require-imports -- its ES module doesn't load everywhere
  const kit = require("drizzle-kit/api") as typeof Kit;
  const tables = declare(dialect);
  const take = {
    sqlite: () => kit.generateSQLiteDrizzleJson(tables),
    postgres: () => kit.generateDrizzleJson(tables),
    mysql: () => kit.generateMySQLDrizzleJson(tables),
  }[dialect];
  // As it is in a file.
  return JSON.parse(JSON.stringify(await take())) as Snapshot;
}

for (const dialect of DIALECTS) {
  test(`toSnapshot() writes what drizzle-kit would (${dialect})`, async () => {
    const model = readSchema(dialect, declare(dialect));
    const snapshot = toSnapshot(dialect, model, null);
    const { id } = snapshot;
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    expect(JSON.parse(JSON.stringify(snapshot))).toEqual({ ...(await takeKitSnapshot(dialect)), id });
    expect(readSnapshot(snapshot)).toEqual(model);
    expect(toSnapshot(dialect, model, snapshot).prevId).toBe(id);
  });
}
