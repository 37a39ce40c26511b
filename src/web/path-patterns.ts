/** Elysia serves a path with and without its last slash, but its router knows one of them. */
export function slashForms(path: string): string[] {
  return [path, path.endsWith("/") ? path.slice(0, -1) : `${path}/`];
}

/** Of those that a path matches, finds the one that Elysia's router takes: in each segment text, then a parameter. */
export function closestPattern<Route extends { readonly path: string }>(
  routes: readonly Route[],
  path: string,
): Route | undefined {
  const parts = path.split("/");
  let closest: Route | undefined;
  let best = "";
  for (const route of routes) {
    for (const form of toForms(route.path)) {
      const rank = rankOf(form.replace(/\/$/, "").split("/"), parts);
      if (rank === null || (closest !== undefined && rank >= best)) continue;
      [closest, best] = [route, rank];
    }
  }
  return closest;
}

/** A pattern with an optional parameter stands for two, or for more. */
function toForms(pattern: string): string[] {
  const [whole, name = ""] = /\/:([^/?]+)\?/.exec(pattern) ?? [];
  if (whole === undefined) return [pattern];
  return [pattern.replace(whole, ""), pattern.replace(whole, `/:${name}`)].flatMap(toForms);
}

/** Says how close a path is to a pattern, the closer the lower; null when it doesn't match. */
function rankOf(names: readonly string[], parts: readonly string[]): string | null {
  let rank = "";
  for (const [index, name] of names.entries()) {
    const part = parts[index];
    if (part === undefined) return null;
    if (name === "*") return `${rank}2`; // also of nothing, behind a slash
    const isParameter = name.startsWith(":");
    if (isParameter ? part === "" : name !== part) return null;
    rank += isParameter ? "1" : "0";
  }
  const isWhole = names.length === parts.length || (names.length === parts.length - 1 && parts.at(-1) === "");
  return isWhole ? rank : null;
}
