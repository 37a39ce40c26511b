/** A route by its method, or "ALL" or "WS", and its template. */
export interface TemplateRoute {
  readonly method: string;
  readonly path: string;
}

/** What may follow behind the same segments. */
interface Node {
  readonly texts: Map<string, Node>;
  /** Parameters behind a text, such as "v:number". */
  readonly prefixed: [text: string, node: Node][];
  parameter: Node | null;
  /** Of a route that ends here. */
  template: string | null;
  /** Of a route with any number of segments more. */
  rest: string | null;
}

/**
 * Returns what finds the template of the route that a path is served by, such as "/blog/:id", as Elysia's router does: in
 * each segment text before parameters; null for none. Which routes there are is asked for until there are any.
 */
export function createTemplateFinder(
  list: () => readonly TemplateRoute[],
): (method: string, path: string) => string | null {
  let byMethod: Map<string, Node> | null = null;
  const find = (method: string, path: string): string | null => {
    const root = byMethod?.get(method);
    return root === undefined ? null : match(root, path, 1);
  };
  return (method, path) => {
    if (byMethod === null) {
      const routes = list();
      if (routes.length > 0) byMethod = toTrees(routes); // what is built with its first request has none before
    }
    return (
      find(method, path) ??
      (method === "HEAD" ? find("GET", path) : null) ??
      find("ALL", path) ??
      (method === "GET" ? find("WS", path) : null)
    );
  };
}

function toTrees(routes: readonly TemplateRoute[]): Map<string, Node> {
  const roots = new Map<string, Node>();
  for (const { method, path } of routes) {
    const root = roots.get(method) ?? createNode();
    roots.set(method, root);
    // Elysia serves a path with and without its last slash.
    add(root, path.split("/").slice(1), path.replace(/(?<=.)\/$/, ""));
  }
  return roots;
}

function createNode(): Node {
  return { texts: new Map(), prefixed: [], parameter: null, template: null, rest: null };
}

function add(node: Node, [segment, ...more]: readonly string[], template: string): void {
  if (segment === undefined || (segment === "" && more.length === 0)) {
    node.template ??= template;
    return;
  }
  if (segment === "*") {
    node.rest ??= template;
    return;
  }
  // Such a parameter may be left out.
  if (segment.startsWith(":") && segment.endsWith("?")) add(node, more, template);
  add(next(node, segment), more, template);
}

function next(node: Node, segment: string): Node {
  const colon = segment.indexOf(":");
  if (colon === 0) return (node.parameter ??= createNode());
  if (colon > 0) {
    const text = segment.slice(0, colon);
    const known = node.prefixed.find(([prefix]) => prefix === text)?.[1];
    const child = known ?? createNode();
    if (known === undefined) node.prefixed.push([text, child]);
    return child;
  }
  const known = node.texts.get(segment) ?? createNode();
  node.texts.set(segment, known);
  return known;
}

function match(node: Node, path: string, start: number): string | null {
  if (start >= path.length) return node.template ?? node.rest;
  const slash = path.indexOf("/", start);
  const end = slash === -1 ? path.length : slash;
  const segment = path.slice(start, end);
  const behind = end + 1;
  const text = node.texts.get(segment);
  const found = text === undefined ? null : match(text, path, behind);
  if (found !== null) return found;
  for (const [prefix, child] of node.prefixed) {
    if (segment.length <= prefix.length || !segment.startsWith(prefix)) continue;
    const template = match(child, path, behind);
    if (template !== null) return template;
  }
  const parameter = node.parameter === null || segment === "" ? null : match(node.parameter, path, behind);
  return parameter ?? node.rest;
}
