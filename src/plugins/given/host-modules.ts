import * as elysiaHtml from "@elysiajs/html";
import * as kitaHtml from "@kitajs/html";
import * as kitaJsxRuntime from "@kitajs/html/jsx-runtime";
import * as sinclairTypebox from "@sinclair/typebox";
import * as drizzle from "drizzle-orm";
import * as elysia from "elysia";
import * as typebox from "typebox";
import { PluginElysia } from "../../sdk/router.ts";

/** Exports of a module, as `require` gives them to a bundle. */
export type ModuleExports = Readonly<Record<string, unknown>>;

// `__esModule` makes a bundle's `import x from` take the default export rather than all of them. Frozen: what one
// plugin does to them, all the others would get.
const HOST_MODULES: ReadonlyMap<string, ModuleExports> = new Map(
  Object.entries({
    elysia: { ...elysia, Elysia: PluginElysia, default: PluginElysia },
    "drizzle-orm": drizzle,
    typebox,
    "@elysiajs/html": elysiaHtml,
    "@kitajs/html": kitaHtml,
    "@kitajs/html/jsx-runtime": kitaJsxRuntime,
    "@kitajs/html/jsx-dev-runtime": kitaJsxRuntime,
    "@sinclair/typebox": sinclairTypebox,
  }).map(([name, exports]) => [name, Object.freeze({ ...exports, __esModule: true })]),
);

/** What a plugin's bundle leaves to the host: the packages that xcore embeds, xcore itself, other plugins. */
export const EXTERNAL_SPECIFIERS: readonly string[] = [
  ...HOST_MODULES.keys(),
  "xcore",
  "xcore/schema",
  "plugin:*",
];

/** Where TSX of plugins gets its elements from. */
export const JSX_IMPORT_SOURCE = "@kitajs/html";

/** Returns the host's own instance of an embedded package, undefined when xcore doesn't embed it. */
export function findHostModule(specifier: string): ModuleExports | undefined {
  return HOST_MODULES.get(specifier);
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
