import { eq } from "drizzle-orm";
import { t } from "elysia";
import { db, jobs } from "xcore";
import { articles } from "./schema.ts";

jobs.define(
  "tell_author",
  async ({ payload, log }) => {
    const article = await db.query.articles.findFirst({
      where: eq(articles.id, payload.article_id),
      with: { author: true },
    });
    if (article === undefined) return; // deleted meanwhile
    log.info({ article: article.id }, "told its author that it is published"); // stands for a mail
  },
  { payload: t.Object({ article_id: t.Integer() }), attempts: 5 },
);

/** Tells the author of an article that it is published: apart from the request, and again where it fails. */
export function tellAuthor(articleId: number) {
  return jobs.enqueue("tell_author", { article_id: articleId });
}
