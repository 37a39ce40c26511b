import { CodeModules } from "./modules.ts";
import type { CodeRoute, CodeRouter } from "./values.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";

const MAX_ROUTES = 5000;
const MAX_DEPTH = 50; // routers within routers
const MAX_PATH = 500; // characters

/** The routes that a plugin seems to have. */
export interface CodeRoutes {
  /** In order of path, without repetitions. */
  readonly routes: readonly CodeRoute[];
  /** Whether all of the code could be read. Even then it may have routes that only running it would show. */
  readonly isComplete: boolean;
}

/**
 * Finds the routes in the code of a plugin without running any of it, and never throws.
 *
 * @param prefix path below which the plugin is served
 */
export function findCodeRoutes(
  snapshot: Pick<Snapshot, "files" | "redirects">,
  { prefix }: { readonly prefix: string },
): CodeRoutes {
  const modules = new CodeModules(snapshot);
  const found = new Map<string, CodeRoute>();
  const seen = new Set<CodeRouter>();
  let visits = 0;
  const collect = (router: CodeRouter, above: string, depth: number): void => {
    visits += 1;
    seen.add(router);
    if (visits > MAX_ROUTES || depth > MAX_DEPTH) return;
    const path = above + toPath(router.prefix);
    for (const { method, path: below } of router.routes) {
      const route = { method, path: (path + toPath(below)).slice(0, MAX_PATH) };
      if (found.size < MAX_ROUTES) found.set(`${route.path} ${route.method}`, route);
    }
    for (const child of router.children) collect(child, path, depth + 1);
  };
  const routers = modules.read();
  for (const router of routers) if (!router.isUsed) collect(router, prefix, 0);
  // Those that use each other.
  for (const router of routers) if (!seen.has(router)) collect(router, prefix, 0);
  const routes = [...found.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, route]) => route);
  return { routes, isComplete: modules.isComplete && found.size < MAX_ROUTES && visits <= MAX_ROUTES };
}

/** As Elysia joins them: with a slash before each. */
function toPath(text: string): string {
  return text === "" || text.startsWith("/") ? text : `/${text}`;
}
