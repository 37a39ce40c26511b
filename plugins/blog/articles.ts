import { and, desc, eq, or } from "drizzle-orm";
import { AppError, cached, db, jobs, paginate } from "xcore";
import { TELL_AUTHOR } from "./jobs.ts";
import type { ArticleQuery, NewArticle, NewAuthor } from "./models.ts";
import { articles, authors } from "./schema.ts";

/** Published articles, and those with the status asked for: newest first, one page. */
export function listArticles(query: ArticleQuery) {
  const { author_id, status = "published" } = query;
  const isWanted = and(
    author_id === undefined ? undefined : eq(articles.author_id, author_id),
    or(eq(articles.status, status), eq(articles.status, "published")),
  );
  const matching = db.select().from(articles).where(isWanted).orderBy(desc(articles.created_at));
  return paginate(matching, query, { sort: ["title", "created_at"] });
}

export async function readArticle(id: number) {
  const article = await db.query.articles.findFirst({ where: eq(articles.id, id), with: { author: true } });
  return article ?? missing("article", id);
}

export async function writeArticle(article: NewArticle) {
  const [written] = await db.insert(articles).values(article).returning();
  return written ?? missing("author", article.author_id);
}

/** Publishes an article, and has its author told: both, or neither. */
export function publishArticle(id: number) {
  return db.transaction(async (tx) => {
    const [published] = await tx
      .update(articles)
      .set({ status: "published" })
      .where(eq(articles.id, id))
      .returning();
    await jobs.enqueue(TELL_AUTHOR, { article_id: id }, { tx });
    return published ?? missing("article", id);
  });
}

export async function addAuthor(author: NewAuthor) {
  const [added] = await db.insert(authors).values(author).returning();
  return added ?? missing("author", 0);
}

/** An author with all of their articles: read once, and again after whatever has written one. */
export const readAuthor = cached(
  async (id: number) => {
    const author = await db.query.authors.findFirst({
      where: eq(authors.id, id),
      with: { articles: { orderBy: [desc(articles.created_at), desc(articles.id)] } },
    });
    return author ?? missing("author", id);
  },
  { tables: [authors, articles] },
);

function missing(what: string, id: number): never {
  throw new AppError("not_found", 404, `Cannot read ${what} "${id}": not found`);
}
