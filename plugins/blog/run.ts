import { createRouter } from "xcore";
import {
  addAuthor,
  listArticles,
  publishArticle,
  readArticle,
  readAuthor,
  writeArticle,
} from "./articles.ts";
import {
  Article,
  ArticlePage,
  ArticleQuery,
  ArticleWithAuthor,
  Author,
  AuthorWithArticles,
  Id,
  NewArticle,
  NewAuthor,
} from "./models.ts";

export default createRouter()
  .get("/articles", ({ query }) => listArticles(query), { query: ArticleQuery, response: ArticlePage })
  .post("/articles", ({ body }) => writeArticle(body), {
    permission: "articles:write",
    body: NewArticle,
    response: Article,
  })
  .get("/articles/:id", ({ params }) => readArticle(params.id), { params: Id, response: ArticleWithAuthor })
  .post("/articles/:id/publish", ({ params }) => publishArticle(params.id), {
    permission: "articles:write",
    params: Id,
    response: Article,
  })
  .post("/authors", ({ body }) => addAuthor(body), {
    permission: "articles:write",
    body: NewAuthor,
    response: Author,
  })
  .get("/authors/:id", ({ params }) => readAuthor(params.id), { params: Id, response: AuthorWithArticles });
