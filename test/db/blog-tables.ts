import { createSchemaModule } from "../../src/db/schema/schema.ts";
import type { Driver } from "../../src/db/contract/driver.ts";
import { createTables } from "./schema/created-tables.ts";

function declareTables(driver: Driver) {
  const schema = createSchemaModule(driver.tableMakers);
  const { check, id, integer, primaryKey, references, relations, sql, table, text, timestamp, unique } =
    schema;
  const { uuid, varchar } = schema;
  const authors = table("authors", {
    id: id(),
    email: varchar(100).notNull().unique(),
    name: text(),
  });
  const articles = table(
    "articles",
    {
      id: id(),
      author_id: references(() => authors.id),
      section: varchar(20).notNull().default("news"),
      slug: varchar(20).notNull(),
      title: text().notNull(),
      views: integer().notNull().default(0),
      created_at: timestamp().notNull().defaultNow(),
    },
    (self) => [
      unique("articles_place").on(self.section, self.slug),
      check("articles_views", sql`${self.views} >= 0`),
    ],
  );
  const members = table(
    "members",
    { group_id: integer().notNull(), user_id: integer().notNull(), role: text() },
    (self) => [primaryKey({ columns: [self.group_id, self.user_id] })],
  );
  const tokens = table("tokens", { id: uuid().primaryKey().defaultRandom(), label: text() });
  const notes = table("notes", { label: text() });
  const authorRelations = relations(authors, ({ many }) => ({ articles: many(articles) }));
  const articleRelations = relations(articles, ({ one }) => ({
    author: one(authors, { fields: [articles.author_id], references: [authors.id] }),
  }));
  return { authors, articles, members, tokens, notes, authorRelations, articleRelations };
}

/** Authors, articles and other tables, empty, and the database that knows them. */
export async function createBlog(driver: Driver) {
  const tables = declareTables(driver);
  await createTables(driver, tables);
  return { ...tables, db: driver.toDatabase(tables) };
}
