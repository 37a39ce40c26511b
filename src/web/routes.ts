import type { AnyElysia, InternalRoute } from "elysia";
import { pathOf } from "./request-path.ts";

/** Lists the methods that an app serves a path for, in the order of their names. */
export function methodsOf(app: AnyElysia, path: string): string[] {
  const { http, static: fixed } = app.router;
  const methods = new Set<string>();
  for (const form of slashForms(path)) {
    for (const method of Object.keys(fixed[form] ?? {})) methods.add(method);
    for (const method of Object.keys(http.root)) if (http.find(method, form) !== null) methods.add(method);
  }
  methods.delete("WS"); // not a method: a WebSocket's path
  if (methods.has("GET")) methods.add("HEAD");
  return [...methods].toSorted();
}

/** Finds the route that an app serves a request with, and the values in its path. */
export function findRoute(
  app: AnyElysia,
  request: Request,
): { route: InternalRoute; params: Readonly<Record<string, string>> } | null {
  const { http, static: fixed, history } = app.router;
  const path = pathOf(request.url);
  for (const form of slashForms(path)) {
    const index = fixed[form]?.[request.method] ?? fixed[form]?.["ALL"];
    if (index !== undefined && history[index] !== undefined) return { route: history[index], params: {} };
  }
  const method = http.find(request.method, path) === null ? "ALL" : request.method;
  const found = http.find(method, path);
  const route = history.find((candidate) => candidate.method === method && matches(candidate.path, path));
  return found === null || route === undefined ? null : { route, params: found.params };
}

/** Elysia serves a path with and without its last slash, but its router knows one of them. */
function slashForms(path: string): string[] {
  return [path, path.endsWith("/") ? path.slice(0, -1) : `${path}/`];
}

function matches(pattern: string, path: string): boolean {
  const parts = path.replace(/\/$/, "").split("/");
  const names = pattern.replace(/\/$/, "").split("/");
  const rest = names.indexOf("*");
  const isLongEnough = rest === -1 ? names.length === parts.length : parts.length >= rest;
  const compared = rest === -1 ? names : names.slice(0, rest);
  return isLongEnough && compared.every((name, index) => name.startsWith(":") || name === parts[index]);
}
