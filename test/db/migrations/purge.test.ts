import { expect } from "bun:test";
import { purgeTables } from "../../../src/db/migrations/purge.ts";
import { testOnEachDialect } from "../../database-servers.ts";
import { type Declare, MigrationProject, failureOf } from "./migration-project.ts";

/** Two tables that refer to each other, and one that refers to the core. */
const declareBlog: Declare = ({ table, id, bigint, references, foreignKey }) => {
  const authors: { id: never } = table("authors", { id: id(), best_id: bigint() }, (self) => [
    foreignKey({ columns: [self.best_id], foreignColumns: [articles.id] }),
  ]) as never;
  const articles = table("articles", { id: id(), author_id: references(() => authors.id) });
  return { articles, authors };
};

const declareShop: Declare = (schema) => {
  const { articles } = declareBlog(schema) as { articles: { id: never } };
  const { table, id, references } = schema;
  return { orders: table("orders", { id: id(), article_id: references(() => articles.id) }) };
};

testOnEachDialect(
  "purgeTables() lists and drops what an owner has made, and nothing else",
  async (context) => {
    const blog = new MigrationProject(context, "blog");
    await blog.change(declareBlog);
    const other = new MigrationProject(context, "other");
    await other.change(({ table, id }) => ({ notes: table("notes", { id: id() }) }));
    await blog.run("insert into authors (id) values (1)");
    await blog.run("insert into articles (author_id) values (1), (1)");
    await blog.run("update authors set best_id = 1");

    const purge = purgeTables(context.driver, "blog");
    expect(await purge.list()).toEqual([
      { name: "articles", rows: 2 },
      { name: "authors", rows: 1 },
    ]);
    await purge.drop();
    expect(await purge.list()).toEqual([]);
    await blog.refusal("select * from articles");
    await other.run("select * from notes");
    expect(await other.apply()).toEqual([]);
    expect(await blog.apply()).toEqual(["0000_create_articles_and_more"]);
  },
);

testOnEachDialect(
  "purgeTables() drops nothing while another owner's table refers to one",
  async (context) => {
    const blog = new MigrationProject(context, "blog");
    await blog.change(declareBlog);
    const shop = new MigrationProject(context, "shop");
    await shop.change(declareShop);
    const purge = purgeTables(context.driver, "blog");
    expect(await failureOf(purge.drop())).toContain(
      'Cannot drop table "articles" of "blog": table "orders" of "shop" refers to it; drop that one first',
    );
    expect(await purge.list()).toHaveLength(2);
    await purgeTables(context.driver, "shop").drop();
    await purge.drop();
    expect(await purge.list()).toEqual([]);
  },
);

testOnEachDialect("purgeTables() bears an empty database, and tables that are gone", async (context) => {
  const purge = purgeTables(context.driver, "blog");
  expect(await purge.list()).toEqual([]);
  await purge.drop();
  const blog = new MigrationProject(context, "blog");
  await blog.change(({ table, id }) => ({ notes: table("notes", { id: id() }) }));
  await blog.run("drop table notes");
  expect(await purge.list()).toEqual([{ name: "notes", rows: null }]);
  await purge.drop();
  expect(await purge.list()).toEqual([]);
});
