import { expect, expectTypeOf, test } from "bun:test";
import type { AnyColumn, enum as Enum } from "xcore/schema";
import type { Database } from "../../../src/db/contract/database.ts";
import { createSchemaModule } from "../../../src/db/schema/schema.ts";
import { TABLE_MAKERS } from "../table-makers.ts";

const schema = createSchemaModule(TABLE_MAKERS.sqlite);
const { bigint, boolean, date, decimal, enumOf, id, integer, json, references } = schema;
const { relations, sql, table, text, timestamp, users, uuid, varchar } = schema;

// As in the contract.
const articles = table(
  "blog_articles",
  {
    id: id(),
    title: varchar(255).notNull(),
    body: text(),
    price: decimal(15, 2),
    published: boolean().notNull().default(false),
    author_id: references(() => users.id).notNull(),
    created_at: timestamp().notNull().defaultNow(),
  },
  (t) => [schema.index("blog_articles_author").on(t.author_id)],
);

const everything = table("types_everything", {
  id: uuid().defaultRandom().primaryKey(),
  count: integer(),
  big: bigint().notNull(),
  day: date(),
  data: json<{ tags: string[] }>(),
  unknown_data: json(),
  status: enumOf(["draft", "published"]).notNull().default("draft"),
  branded: varchar(10).$type<"a" | "b">().notNull(),
  token: text()
    .notNull()
    .$defaultFn(() => "x"),
  changed_at: timestamp()
    .notNull()
    .$onUpdate(() => new Date()),
});

const categories = table("types_categories", {
  id: id(),
  parent_id: references((): AnyColumn => categories.id, { onDelete: "set null" }),
});

const articleRelations = relations(articles, ({ one }) => ({
  author: one(users, { fields: [articles.author_id], references: [users.id] }),
}));

const query = async (
  db: Database<{ articles: typeof articles; users: typeof users; articleRelations: typeof articleRelations }>,
) => ({
  selected: await db.select({ title: articles.title, price: articles.price }).from(articles),
  related: await db.query.articles.findMany({ with: { author: true } }),
  inserted: await db.insert(articles).values({ title: "x", author_id: 1 }).returning(),
});

test("table() infers what rows are selected and inserted", () => {
  expectTypeOf<typeof articles.$inferSelect>().toEqualTypeOf<{
    id: number;
    title: string;
    body: string | null;
    price: string | null;
    published: boolean;
    author_id: number;
    created_at: Date;
  }>();
  expectTypeOf<typeof articles.$inferInsert>().toEqualTypeOf<{
    id?: number | undefined;
    title: string;
    body?: string | null | undefined;
    price?: string | null | undefined;
    published?: boolean | undefined;
    author_id: number;
    created_at?: Date | undefined;
  }>();
  expectTypeOf<typeof everything.$inferSelect>().toEqualTypeOf<{
    id: string;
    count: number | null;
    big: number;
    day: string | null;
    data: { tags: string[] } | null;
    unknown_data: unknown;
    status: "draft" | "published";
    branded: "a" | "b";
    token: string;
    changed_at: Date;
  }>();
  expectTypeOf<typeof everything.$inferInsert>().toEqualTypeOf<{
    id?: string | undefined;
    count?: number | null | undefined;
    big: number;
    day?: string | null | undefined;
    data?: { tags: string[] } | null | undefined;
    unknown_data?: unknown;
    status?: "draft" | "published" | undefined;
    branded: "a" | "b";
    token?: string | undefined;
    changed_at?: Date | undefined;
  }>();
  expectTypeOf<typeof categories.$inferSelect>().toEqualTypeOf<{ id: number; parent_id: number | null }>();
  expectTypeOf<typeof users.$inferInsert>().toEqualTypeOf<{
    id?: number | undefined;
    email: string;
    full_name?: string | null | undefined;
    is_active?: boolean | undefined;
    created_at?: Date | undefined;
    updated_at?: Date | undefined;
  }>();
  expectTypeOf<typeof Enum>().toEqualTypeOf<typeof enumOf>();
  expect(schema.enum).toBe(enumOf);
});

test("queries of the database are typed by the tables", () => {
  type Results = Awaited<ReturnType<typeof query>>;
  expectTypeOf<Results["selected"]>().toEqualTypeOf<{ title: string; price: string | null }[]>();
  expectTypeOf<Results["related"][number]["author"]>().toEqualTypeOf<typeof users.$inferSelect>();
  expectTypeOf<Results["inserted"]>().toEqualTypeOf<(typeof articles.$inferSelect)[]>();
  expect(query).toBeFunction();
});

const queryUndeclared = async (db: Database) => ({
  many: await db.query["articles"]?.findMany({ with: { author: true } }),
  first: await db.query["articles"]?.findFirst(),
  executed: await db.execute(sql`select 1`),
});

test("tables that weren't declared can be queried with relations, and have rows of unknown values", () => {
  type Results = Awaited<ReturnType<typeof queryUndeclared>>;
  expectTypeOf<NonNullable<Results["many"]>[number]["title"]>().toEqualTypeOf<unknown>();
  expectTypeOf<NonNullable<Results["first"]>["title"]>().toEqualTypeOf<unknown>();
  expectTypeOf<Results["executed"][number]["title"]>().toEqualTypeOf<unknown>();
  expect(queryUndeclared).toBeFunction();
});

/** Never run: tsc tells whether each is a mistake. */
function makeMistakes(): void {
  // @ts-expect-error a default of another type
  integer().default("1");
  // @ts-expect-error not one of the enum's values
  enumOf(["a", "b"]).default("c");
  // @ts-expect-error an enum has values
  enumOf([]);
  // @ts-expect-error a varchar has a length
  varchar();
  // @ts-expect-error arrays are PostgreSQL's alone
  text().array();
  // @ts-expect-error MySQL has no "set default"
  references(() => users.id, { onDelete: "set default" });
  const index = schema.index("types_index").on(articles.title);
  // @ts-expect-error partial indexes aren't MySQL's
  index.where(sql`true`);
  // @ts-expect-error a column of xcore/schema
  table("types_wrong", { id: 1 });
  // @ts-expect-error a list of constraints
  table("types_wrong", { id: id() }, () => [sql`x`]);
}

test("what isn't portable, or doesn't fit the type of the column, is a mistake of types", () => {
  expect(makeMistakes).toBeFunction();
});
