import { Elysia, t } from "elysia";
import type { Guards } from "../../accounts/identity/guards.ts";
import { fail } from "../../errors/codes.ts";
import type { Book } from "../../guide/book.ts";
import type { Templates } from "../../templates/templates.ts";
import { pathOf } from "../../web/request-path.ts";

export interface GuideRoutesOptions {
  readonly guards: Guards;
  readonly templates: Pick<Templates, "render">;
}

/** Serves the documents below `/docs/guide`, to everybody as `/docs` is. They are read when one is first asked for. */
export function guideRoutes({ guards, templates }: GuideRoutesOptions) {
  let opening: Promise<Book> | null = null;
  const open = (): Promise<Book> =>
    (opening ??= import("../../guide/book.ts").then((made) => made.openBook()));
  const show = async (name: string, base: string) => {
    const book = await open();
    const document = book.find(name, base);
    if (document === null) throw fail("not_found", `There is no document "${name}": see /docs/guide`);
    return templates.render("guide/document.html", { parts: book.parts, document, name, base, q: "" });
  };
  return new Elysia({ name: "xcore/guide", prefix: "/docs/guide", detail: { hide: true } })
    .use(guards)
    .get(
      "",
      ({ request }) => {
        // Links are relative, so that they work below any path of a proxy; "/docs/guide/" would break them.
        if (!pathOf(request.url).endsWith("/")) return show("", "guide/");
        return new Response(null, { status: 308, headers: { location: "../guide" } });
      },
      { optionalAuth: true },
    )
    .get(
      "/search",
      async ({ query: { q } }) => {
        const book = await open();
        const found = await book.search(q);
        return templates.render("guide/search.html", {
          parts: book.parts,
          found,
          q,
          name: "search",
          base: "",
        });
      },
      { optionalAuth: true, query: t.Object({ q: t.String({ default: "", maxLength: 200 }) }) },
    )
    .get("/:name", ({ params: { name } }) => show(name, ""), {
      optionalAuth: true,
      params: t.Object({ name: t.String({ minLength: 1, maxLength: 100 }) }),
    });
}
