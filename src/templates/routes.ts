import { Elysia, t } from "elysia";
import type { Templates } from "./templates.ts";

/** Serves the stylesheet and the script of pages. */
export function templateRoutes({ templates }: { readonly templates: Templates }) {
  return new Elysia({ name: "xcore/templates", detail: { hide: true } }).get(
    "/static/:file",
    ({ params, request }) => templates.answerAsset(params.file, request),
    { params: t.Object({ file: t.String() }) },
  );
}
