/** A path as OpenAPI writes it: "/files/{id}". */
export interface PathTemplate {
  readonly path: string;
  /** Names of its parameters by those that the route has for them. */
  readonly names: ReadonlyMap<string, string>;
  /** Whether the route has it only because one of its parameters may be left out. */
  readonly isShortened: boolean;
}

const OPTIONAL = /\/:\w+\?(?=\/|$)/;

/**
 * Writes the paths of one app as templates. Paths that differ in the names of their parameters alone are the same to
 * OpenAPI: they get the names of the first.
 */
export class PathTemplates {
  /** Names that parameters are shown with, by the path without them. */
  readonly #shown = new Map<string, readonly string[]>();

  /** Every path that a route of Elysia serves: those without each of its optional parameters too. */
  of(path: string): PathTemplate[] {
    return [...new Set(toVariants(path))].map((variant, index) => this.#toTemplate(variant, index > 0));
  }

  #toTemplate(path: string, isShortened: boolean): PathTemplate {
    const names: string[] = [];
    const parts = path.split("/").map((segment) => {
      const start = segment === "*" ? 0 : segment.indexOf(":");
      if (start === -1) return { fixed: toFixed(segment), isNamed: false };
      names.push(segment === "*" ? "*" : segment.slice(start + 1));
      return { fixed: toFixed(segment.slice(0, start)), isNamed: true };
    });
    const blank = parts.map(({ fixed, isNamed }) => (isNamed ? `${fixed}{}` : fixed)).join("/");
    const shown = this.#shown.get(blank) ?? toShown(names);
    this.#shown.set(blank, shown);
    return {
      path: fill(blank, shown),
      names: new Map(names.map((name, index) => [name, shown[index] ?? name])),
      isShortened,
    };
  }
}

function toVariants(path: string): string[] {
  const optional = OPTIONAL.exec(path);
  if (optional === null) return [path];
  const [found] = optional;
  const shorter = path.slice(0, optional.index) + path.slice(optional.index + found.length);
  const whole =
    path.slice(0, optional.index) + found.slice(0, -1) + path.slice(optional.index + found.length);
  return [...toVariants(whole), ...toVariants(shorter === "" ? "/" : shorter)];
}

/** Braces are of templates, and what follows "?" or "#" would be no path. */
function toFixed(segment: string): string {
  return segment.replaceAll(/[{}?#]/g, encodeURIComponent);
}

/** What a wildcard matches has no name in Elysia. */
function toShown(names: readonly string[]): string[] {
  const shown: string[] = [];
  for (const name of names) {
    const plain = name === "*" ? "path" : name.replaceAll(/[{}?#]/g, "_");
    let unique = plain;
    for (let times = 2; shown.includes(unique); times += 1) unique = `${plain}_${times}`;
    shown.push(unique);
  }
  return shown;
}

function fill(blank: string, names: readonly string[]): string {
  const left = [...names];
  return blank.replaceAll("{}", () => `{${left.shift() ?? ""}}`);
}
