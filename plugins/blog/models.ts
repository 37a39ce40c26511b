import { type Static, t } from "elysia";
import { page } from "xcore";

export const Author = t.Object({
  id: t.Integer(),
  name: t.String({ minLength: 1, maxLength: 120 }),
  email: t.String({ format: "email", maxLength: 255 }),
});
export const NewAuthor = t.Omit(Author, ["id"]);
export type NewAuthor = Static<typeof NewAuthor>;

const Status = t.Union([t.Literal("draft"), t.Literal("published")]);

export const Article = t.Object({
  id: t.Integer(),
  title: t.String({ minLength: 1, maxLength: 255 }),
  body: t.Nullable(t.String()),
  status: Status,
  author_id: t.Integer(),
  created_at: t.Date(),
});
export const NewArticle = t.Object({
  title: Article.properties.title,
  body: t.Optional(t.String()),
  author_id: t.Integer({ minimum: 1 }),
});
export type NewArticle = Static<typeof NewArticle>;

export const ArticleWithAuthor = t.Object({ ...Article.properties, author: Author });
export const AuthorWithArticles = t.Object({ ...Author.properties, articles: t.Array(Article) });

export const ArticleQuery = t.Object({
  ...page.properties,
  author_id: t.Optional(t.Integer({ description: "Articles of this author only" })),
  status: t.Optional(Status),
});
export type ArticleQuery = Static<typeof ArticleQuery>;

export const ArticlePage = t.Object({
  items: t.Array(Article),
  page: t.Integer(),
  per_page: t.Integer(),
  total: t.Nullable(t.Integer()),
});

export const Id = t.Object({ id: t.Integer({ minimum: 1 }) });
