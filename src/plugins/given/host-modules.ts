import * as elysia from "elysia";
import { PluginElysia } from "../../sdk/router.ts";

/** Exports of a module, as `require` gives them to a bundle. */
export type ModuleExports = Readonly<Record<string, unknown>>;

/** The host's own instances of embedded packages, by what plugins import. */
export type HostModules = ReadonlyMap<string, ModuleExports>;

/** The packages that xcore embeds. Most plugins need few of them: the others aren't loaded. */
const LOADERS: Readonly<Record<string, () => object | Promise<object>>> = {
  elysia: () => ({ ...elysia, Elysia: PluginElysia, default: PluginElysia }),
  "drizzle-orm": () => import("drizzle-orm"),
  typebox: () => import("typebox"),
  "@elysiajs/html": () => import("@elysiajs/html"),
  "@kitajs/html": () => import("@kitajs/html"),
  "@kitajs/html/jsx-runtime": () => import("@kitajs/html/jsx-runtime"),
  "@kitajs/html/jsx-dev-runtime": () => import("@kitajs/html/jsx-runtime"),
  "@sinclair/typebox": () => import("@sinclair/typebox"),
};

const loaded = new Map<string, ModuleExports>();

/** What a plugin's bundle leaves to the host: the packages that xcore embeds, xcore itself, other plugins. */
export const EXTERNAL_SPECIFIERS: readonly string[] = [
  ...Object.keys(LOADERS),
  "xcore",
  "xcore/schema",
  "plugin:*",
];

/** Where TSX of plugins gets its elements from. */
export const JSX_IMPORT_SOURCE = "@kitajs/html";

/** Loads the embedded packages that a bundle asks for. */
export async function loadHostModules(code: string): Promise<HostModules> {
  for (const [specifier, load] of Object.entries(LOADERS)) {
    if (loaded.has(specifier) || !code.includes(`require("${specifier}")`)) continue;
    // `__esModule` makes a bundle's `import x from` take the default export rather than all of them. Frozen: what one
    // plugin does to them, all the others would get.
    // oxlint-disable-next-line no-await-in-loop -- once each
    const exports = await load();
    if (!loaded.has(specifier)) loaded.set(specifier, Object.freeze({ ...exports, __esModule: true }));
  }
  return loaded;
}

/**
 * Makes the use of a name that one of xcore's own modules doesn't export fail with those that it does, instead of
 * being undefined.
 */
export function withKnownExports(
  specifier: string,
  exports: Readonly<Record<string, unknown>>,
): ModuleExports {
  const names = Object.keys(exports);
  const unknown = new Proxy(Object.prototype, {
    get(prototype, key, receiver) {
      // A bundle asks for the default export, and awaiting a module for `then`.
      if (typeof key === "symbol" || key in prototype || key === "default" || key === "then") {
        return Reflect.get(prototype, key, receiver) as unknown;
      }
      throw new TypeError(`${specifier} doesn't export "${key}": it exports ${names.join(", ")}`);
    },
  });
  return Object.setPrototypeOf({ ...exports, __esModule: true }, unknown) as ModuleExports;
}
