import { desc, eq } from "drizzle-orm";
import { cached, createRouter, db, hooks, resource, type RowUpdated } from "xcore";
import { tellAuthor } from "./jobs.ts";
import { articles, authors } from "./schema.ts";

declare module "xcore" {
  interface HookEvents {
    "blog.article.publish": RowUpdated<typeof articles.$inferSelect>;
  }
}

hooks.on("blog.article.publish", ({ data: { after } }) => tellAuthor(after.id));

/** The latest articles with their authors: read once, and again after whatever has written one. */
const readFront = cached(
  () =>
    db.query.articles.findMany({
      where: eq(articles.status, "published"),
      with: { author: { columns: { id: true, name: true } } },
      orderBy: [desc(articles.created_at), desc(articles.id)],
      limit: 10,
    }),
  { tables: [authors, articles] },
);

export default createRouter()
  .get("/front", () => readFront())
  .use(
    resource(authors, {
      permission: "articles",
      public: true,
      search: ["name"],
      relations: { articles: articles.author_id },
      expand: ["articles"],
      fields: { email: { read: "articles:write" } },
    }),
  )
  .use(
    resource(articles, {
      permission: "articles",
      public: true,
      search: ["title", "body", "author.name"],
      expand: ["author"],
      rows: ({ can }) => (can("articles:write") ? undefined : eq(articles.status, "published")),
      fields: { created_at: { write: false } },
      workflow: { field: "status", transitions: { publish: { from: "draft", to: "published" } } },
    }),
  );
