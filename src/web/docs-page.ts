import { Elysia } from "elysia";
import swaggerUiScript from "swagger-ui-dist/swagger-ui-bundle.js" with { type: "file" };
import swaggerUiStyle from "swagger-ui-dist/swagger-ui.css" with { type: "file" };
import { DOCS_PAGE, fillPage, toPageResponse } from "./pages.ts";
import { acceptsGzip } from "./encodings.ts";
import { pathOf } from "./request-path.ts";

const START_SCRIPT = `SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
});
// Each of its fields takes the focus: the last one would have it, and what asks for email and password be out of sight.
document.addEventListener("click", ({ target }) => {
  if (target.closest(".auth-wrapper .authorize") === null) return;
  setTimeout(() => document.querySelector(".auth-container input")?.focus());
});
`;

const STYLE_TYPE = "text/css;charset=utf-8";
const SCRIPT_TYPE = "text/javascript;charset=utf-8";
const ASSET_HEADERS = { "cache-control": "public, max-age=3600" };

/** Serves Swagger UI at `/docs` from files inside the executable: the page asks no other host for anything. */
export function docsRoutes(options: { appName: string }) {
  const page = fillPage(DOCS_PAGE, { app_name: options.appName });
  return new Elysia({ name: "xcore/docs", detail: { hide: true } })
    .get("/docs", ({ request }) => {
      // The page's links are relative, so that it works below any path of a proxy; "/docs/" would break them.
      return pathOf(request.url).endsWith("/") ? toRedirect("../docs") : toPageResponse(page);
    })
    .get("/docs/swagger-ui.css", ({ request }) => toAssetResponse(request, swaggerUiStyle, STYLE_TYPE))
    .get("/docs/swagger-ui.js", ({ request }) => toAssetResponse(request, swaggerUiScript, SCRIPT_TYPE))
    .get("/docs/start.js", () => {
      return new Response(START_SCRIPT, { headers: { ...ASSET_HEADERS, "content-type": SCRIPT_TYPE } });
    });
}

/** Answers with a file as the client takes it. build.ts puts it into the executable compressed, as "….gz". */
function toAssetResponse(request: Request, path: string, contentType: string): Response {
  const file = Bun.file(path);
  const isCompressed = path.endsWith(".gz");
  const asksCompressed = acceptsGzip(request);
  const toAsked = asksCompressed ? new CompressionStream("gzip") : new DecompressionStream("gzip");
  return new Response(isCompressed === asksCompressed ? file : file.stream().pipeThrough(toAsked), {
    headers: {
      ...ASSET_HEADERS,
      "content-type": contentType,
      vary: "accept-encoding",
      ...(asksCompressed ? { "content-encoding": "gzip" } : {}),
    },
  });
}

function toRedirect(location: string): Response {
  return new Response(null, { status: 308, headers: { location } });
}
