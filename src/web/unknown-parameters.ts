import { type AnyElysia, t } from "elysia";
import { invalidRequest } from "../errors/codes.ts";
import { findPartProblems } from "../errors/input-problems.ts";
import { isTypeBoxSchema, type JsonSchema } from "../errors/plain-schema.ts";
import { createQueryReader } from "./input/queries.ts";
import { listRoutes } from "./routes.ts";

type Check = (context: { readonly request: Request }) => void;

/**
 * Lets the documented routes of an app refuse parameters of the query that they don't know, once it is clear that who asks
 * may: what a misspelt one was meant to do, such as to filter, would be left out in silence. For an app that has all of
 * its routes and isn't compiled yet.
 *
 * @param except paths of routes that take any
 */
export function refuseUnknownParameters(
  app: AnyElysia,
  { except }: { readonly except: readonly string[] },
): void {
  for (const { method, path, hooks } of listRoutes(app)) {
    const { detail, query } = hooks as { detail?: { readonly hide?: boolean }; query?: unknown };
    if (method === "WS" || detail?.hide === true || except.includes(path)) continue;
    const fn = createCheck(isTypeBoxSchema(query) ? query : null);
    Object.assign(hooks, { beforeHandle: [{ fn, isAsync: false }, hooks.beforeHandle ?? []].flat() });
  }
}

function createCheck(schema: JsonSchema | null): Check {
  const closed: JsonSchema = { ...(schema ?? t.Object({})), additionalProperties: false };
  const read = createQueryReader(closed);
  return ({ request: { url } }) => {
    const start = url.indexOf("?");
    if (start === -1) return;
    const problems = findPartProblems("query", closed, read(url, start + 1));
    // It shows who asks for a stream: see accounts/browser/tickets.ts.
    const errors = problems.filter(({ code, path }) => code === "unknown" && path !== "/query/ticket");
    if (errors.length > 0) throw invalidRequest(errors);
  };
}
