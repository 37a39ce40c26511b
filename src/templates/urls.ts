/** Named arguments, as templates pass them. */
interface Named {
  readonly values?: Readonly<Record<string, unknown>>;
}

/**
 * Returns the functions by which templates of one owner name addresses: `url_for("items/:id", id=3)` of its own routes,
 * `url_for("/auth/login")` of any, `static("logo.png")` of its own files.
 */
export function createUrls(basePath: () => string, prefix: string) {
  const toPath = (path: string): string => (path.startsWith("/") ? path : `${prefix}/${path}`);
  return {
    url_for: (path: unknown, named?: Named) =>
      `${basePath()}${fillPath(toPath(String(path)), named?.values ?? {})}`,
    static: (file: unknown) =>
      `${basePath()}${prefix}/static/${String(file).split("/").map(encodeURIComponent).join("/")}`,
  };
}

/** Fills the `:places` of a path, each of which is a part of it; what is left over is added to its query. */
function fillPath(path: string, values: Readonly<Record<string, unknown>>): string {
  const left = new Map(Object.entries(values));
  const [place = "", ...asked] = path.split(/(?=\?)/);
  const filled = place.replace(/\/:(\w+)/g, (_, name: string) => {
    if (!left.has(name)) throw new TypeError(`Cannot make the address ${path}: "${name}" is missing`);
    const value = left.get(name);
    left.delete(name);
    return `/${encodeURIComponent(String(value))}`;
  });
  const query = new URLSearchParams();
  for (const [name, value] of left)
    if (value !== undefined && value !== null)
      query.append(name, (value as { toString(): string }).toString());
  const whole = filled + asked.join("");
  return query.size === 0 ? whole : `${whole}${asked.length === 0 ? "?" : "&"}${query}`;
}
