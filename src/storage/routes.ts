import { Elysia, t } from "elysia";
import { fail } from "../errors/codes.ts";
import { LINK_PATH } from "./serving/links.ts";
import { THUMBNAIL_SIZES } from "./contract/stored-file.ts";
import type { Storage } from "./storage.ts";

/** What may be asked of a file, in a query. */
export const FileQuery = t.Object({
  thumb: t.Optional(
    t.UnionEnum([...THUMBNAIL_SIZES], { description: "A WebP of the image, as large as fits into this box" }),
  ),
  download: t.Optional(t.Boolean({ description: "Whether browsers save it where they could show it" })),
});

/** How an answer with a file is described. */
export const fileResponses = {
  200: {
    description: "The file, as its type; a part of it is 206",
    content: { "application/octet-stream": { schema: { type: "string", format: "binary" } } },
  },
} as const;

/** Serves files to whoever has a link: there is nobody to know. */
export function fileRoutes(storage: Pick<Storage, "library">) {
  return new Elysia({ name: "xcore/files" }).get(
    `${LINK_PATH}/:id`,
    async ({ params: { id }, query: { expires, signature, ...asked }, request }) => {
      const library = await storage.library();
      const seconds = library.links.check({ id, expires, signature });
      const file = await library.catalogue.findAny(id);
      if (file === null) throw fail("not_found", "This file is gone");
      return library.answer(file, request, { ...asked, maxAge: seconds });
    },
    {
      params: t.Object({ id: t.String({ format: "uuid" }) }),
      query: t.Object({
        ...FileQuery.properties,
        expires: t.Integer({ minimum: 0 }),
        signature: t.String({ maxLength: 100 }),
      }),
      detail: { summary: "Read a file by a link", tags: ["system"], responses: fileResponses },
    },
  );
}
