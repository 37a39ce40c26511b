import { Elysia } from "elysia";
import swaggerUiScript from "swagger-ui-dist/swagger-ui-bundle.js" with { type: "file" };
import swaggerUiStyle from "swagger-ui-dist/swagger-ui.css" with { type: "file" };
import { DOCS_PAGE, fillPage, PAGE_HEADERS } from "./pages.ts";
import { isFresh } from "../storage/serving/byte-ranges.ts";
import { chooseCoding, toTag } from "./content/codings.ts";
import { Content } from "./content/content.ts";
import { pathOf } from "./request-path.ts";

// Swagger UI has cleaned with DOMPurify what it writes as HTML: Markdown of descriptions. Nothing becomes a script.
const START_SCRIPT = `globalThis.trustedTypes?.createPolicy("default", { createHTML: (html) => html });
SwaggerUIBundle({
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

/** A file that is read from where it is each time: it is large, and seldom asked for. */
interface Asset {
  readonly path: string;
  readonly contentType: string;
  /** What is in it, in a few characters. */
  readonly version: () => Promise<string>;
}

/** Serves Swagger UI at `/docs` from files inside the executable: the page asks no other host for anything. */
export function docsRoutes(options: { appName: string }) {
  const page = new Content(fillPage(DOCS_PAGE, { app_name: options.appName }), PAGE_HEADERS);
  const script = new Content(START_SCRIPT, { ...ASSET_HEADERS, "content-type": SCRIPT_TYPE });
  const style = createAsset(swaggerUiStyle, STYLE_TYPE);
  const bundle = createAsset(swaggerUiScript, SCRIPT_TYPE);
  return new Elysia({ name: "xcore/docs", detail: { hide: true } })
    .get("/docs", ({ request }) => {
      // The page's links are relative, so that it works below any path of a proxy; "/docs/" would break them.
      return pathOf(request.url).endsWith("/") ? toRedirect("../docs") : page.answer(request);
    })
    .get("/docs/swagger-ui.css", ({ request }) => toAssetResponse(request, style))
    .get("/docs/swagger-ui.js", ({ request }) => toAssetResponse(request, bundle))
    .get("/docs/start.js", ({ request }) => script.answer(request));
}

function createAsset(path: string, contentType: string): Asset {
  let version: Promise<string> | null = null;
  const read = async (): Promise<string> => Bun.hash(await Bun.file(path).bytes()).toString(36);
  return { path, contentType, version: () => (version ??= read()) };
}

/** Answers with a file as the client takes it. build.ts puts it into the executable compressed, as "….gz". */
async function toAssetResponse(request: Request, { path, contentType, version }: Asset): Promise<Response> {
  const file = Bun.file(path);
  const isCompressed = path.endsWith(".gz");
  const coding = chooseCoding(request, ["gzip"]);
  const etag = toTag(await version(), coding);
  const headers = { ...ASSET_HEADERS, etag, vary: "accept-encoding" };
  if (isFresh(request.headers, { etag, "last-modified": "" }))
    return new Response(null, { status: 304, headers });
  const toAsked = coding === null ? new DecompressionStream("gzip") : new CompressionStream("gzip");
  return new Response(isCompressed === (coding !== null) ? file : file.stream().pipeThrough(toAsked), {
    headers: {
      ...headers,
      "content-type": contentType,
      ...(coding !== null && { "content-encoding": coding }),
    },
  });
}

function toRedirect(location: string): Response {
  return new Response(null, { status: 308, headers: { location } });
}
