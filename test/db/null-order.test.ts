import { asc, count, desc, eq, max, sql } from "drizzle-orm";
import { expect } from "bun:test";
import { paginate } from "../../src/db/paging/paginate.ts";
import { testOnEachDialect } from "../database-servers.ts";
import { createBlog } from "./blog-tables.ts";

async function emails(query: PromiseLike<{ email: string }[]>): Promise<string[]> {
  return (await query).map(({ email }) => email);
}

testOnEachDialect("rows without a value come last, and first downwards", async ({ driver }) => {
  const { db, authors, articles } = await createBlog(driver);
  await db.insert(authors).values([
    { email: "1", name: "b" },
    { email: "2", name: null },
    { email: "3", name: "a" },
    { email: "4", name: null },
  ]);
  await db.insert(articles).values([
    { author_id: 1, slug: "1", title: "x", views: 5 },
    { author_id: null, slug: "2", title: "y", views: 7 },
    { author_id: 1, slug: "3", title: "z", views: 6 },
  ]);
  const up = ["3", "1", "2", "4"];
  const down = ["4", "2", "1", "3"];
  const select = () => db.select().from(authors);
  expect(await emails(select().orderBy(authors.name, authors.id))).toEqual(up);
  expect(await emails(select().orderBy(asc(authors.name), asc(authors.id)))).toEqual(up);
  expect(await emails(select().orderBy(desc(authors.name), desc(authors.id)))).toEqual(down);
  expect(await emails(select().orderBy(asc(sql`lower(${authors.name})`), authors.id))).toEqual(up);
  expect(await emails(select().orderBy(asc(authors.name), authors.id).limit(2).offset(1))).toEqual([
    "1",
    "2",
  ]);
  expect(
    await emails(db.query.authors.findMany({ orderBy: [desc(authors.name), desc(authors.id)] })),
  ).toEqual(down);
  expect(
    await emails(
      db.query.authors.findMany({ orderBy: (one, { asc: upwards }) => [upwards(one.name), upwards(one.id)] }),
    ),
  ).toEqual(up);
  for (const sort of ["name", "-name"]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const { items } = await paginate(select(), { sort });
    expect(items.map(({ email }) => email)).toEqual(sort === "name" ? up : down);
  }
  const own = await paginate(select().orderBy(desc(authors.name)), {});
  expect(own.items.map(({ name }) => name)).toEqual([null, null, "b", "a"]);
  // A column that always has a value has none where an outer join finds no row.
  const joined = db
    .select({ email: authors.email, views: articles.views })
    .from(authors)
    .leftJoin(articles, eq(articles.author_id, authors.id));
  expect(await emails(joined.orderBy(articles.views, authors.id))).toEqual(["1", "1", "2", "3", "4"]);
  const grouped = db
    .select({ email: authors.email, articles: count(articles.id), most: max(articles.views).as("most") })
    .from(authors)
    .leftJoin(articles, eq(articles.author_id, authors.id))
    .groupBy(authors.id, authors.email)
    .orderBy((fields) => [asc(fields.most), desc(count(articles.id)), desc(authors.email)]);
  expect(await emails(grouped)).toEqual(["1", "4", "3", "2"]);
  const names = db.selectDistinct({ name: authors.name }).from(authors);
  expect(await names.orderBy(asc(authors.name))).toEqual([{ name: "a" }, { name: "b" }, { name: null }]);
  const some = () => db.select({ name: authors.name }).from(authors);
  expect(await some().union(some()).orderBy(desc(authors.name))).toEqual([
    { name: null },
    { name: "b" },
    { name: "a" },
  ]);
  const inner = some().as("inner_names");
  expect(await db.select().from(inner).orderBy(inner.name).limit(3)).toEqual([
    { name: "a" },
    { name: "b" },
    { name: null },
  ]);
});

testOnEachDialect("rows of relations are in the same order", async ({ driver }) => {
  const { db, authors, articles } = await createBlog(driver);
  await db.insert(authors).values({ email: "1" });
  await db.insert(articles).values([
    { author_id: 1, slug: "1", title: "x", views: 5 },
    { author_id: 1, slug: "2", title: "y", views: 7 },
  ]);
  const lowest = (direction: "asc" | "desc") =>
    db.query.authors.findMany({
      columns: { email: true },
      with: {
        articles: {
          columns: { slug: true },
          orderBy: [
            (direction === "asc" ? asc : desc)(sql`nullif(${articles.views}, 5)`),
            desc(articles.author_id),
          ],
          limit: 5,
        },
      },
    });
  expect(await lowest("asc")).toEqual([{ email: "1", articles: [{ slug: "2" }, { slug: "1" }] }]);
  expect(await lowest("desc")).toEqual([{ email: "1", articles: [{ slug: "1" }, { slug: "2" }] }]);
});
