import { enumOf, id, index, references, relations, table, text, timestamp, varchar } from "xcore/schema";

export const authors = table("blog_authors", {
  id: id(),
  name: varchar(120).notNull(),
  email: varchar(255).notNull().unique(),
});

export const articles = table(
  "blog_articles",
  {
    id: id(),
    title: varchar(255).notNull(),
    body: text(),
    status: enumOf(["draft", "published"]).notNull().default("draft"),
    author_id: references(() => authors.id).notNull(),
    created_at: timestamp().notNull().defaultNow(),
  },
  (article) => [index("blog_articles_author").on(article.author_id, article.created_at)],
);

export const authorRelations = relations(authors, ({ many }) => ({ articles: many(articles) }));

export const articleRelations = relations(articles, ({ one }) => ({
  author: one(authors, { fields: [articles.author_id], references: [authors.id] }),
}));

type Tables = {
  authors: typeof authors;
  articles: typeof articles;
  authorRelations: typeof authorRelations;
  articleRelations: typeof articleRelations;
};

declare module "xcore" {
  interface Schema extends Tables {}
}
