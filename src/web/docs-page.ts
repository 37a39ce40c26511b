import { Elysia } from "elysia";
import swaggerUiScript from "swagger-ui-dist/swagger-ui-bundle.js" with { type: "file" };
import swaggerUiStyle from "swagger-ui-dist/swagger-ui.css" with { type: "file" };
import { DOCS_PAGE, fillPage, toPageResponse } from "./pages.ts";
import { pathOf } from "./request-path.ts";

const START_SCRIPT = `SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: true,
  validatorUrl: null,
});
`;

const ASSET_HEADERS = { "cache-control": "public, max-age=3600" };

/** Serves Swagger UI at `/docs` from files inside the executable: the page asks no other host for anything. */
export function docsRoutes(options: { appName: string }) {
  const page = fillPage(DOCS_PAGE, { app_name: options.appName });
  return new Elysia({ name: "xcore/docs", detail: { hide: true } })
    .get("/docs", ({ request }) => {
      // The page's links are relative, so that it works below any path of a proxy; "/docs/" would break them.
      return pathOf(request.url).endsWith("/") ? toRedirect("../docs") : toPageResponse(page);
    })
    .get(
      "/docs/swagger-ui.css",
      () => new Response(Bun.file(swaggerUiStyle), typed("text/css;charset=utf-8")),
    )
    .get(
      "/docs/swagger-ui.js",
      () => new Response(Bun.file(swaggerUiScript), typed("text/javascript;charset=utf-8")),
    )
    .get("/docs/start.js", () => new Response(START_SCRIPT, typed("text/javascript;charset=utf-8")));
}

function toRedirect(location: string): Response {
  return new Response(null, { status: 308, headers: { location } });
}

function typed(contentType: string): ResponseInit {
  return { headers: { ...ASSET_HEADERS, "content-type": contentType } };
}
