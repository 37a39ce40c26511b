import * as elysiaHtml from "@elysiajs/html";
import * as kitaHtml from "@kitajs/html";
import * as kitaJsxRuntime from "@kitajs/html/jsx-runtime";
import * as sinclairTypebox from "@sinclair/typebox";
import * as elysia from "elysia";
import * as typebox from "typebox";

/** Exports of a module, as `require` gives them to a bundle. */
export type ModuleExports = Readonly<Record<string, unknown>>;

// `__esModule` makes a bundle's `import x from` take the default export rather than all of them. Frozen: what one
// plugin does to them, all the others would get.
const HOST_MODULES: ReadonlyMap<string, ModuleExports> = new Map(
  Object.entries({
    elysia,
    typebox,
    "@elysiajs/html": elysiaHtml,
    "@kitajs/html": kitaHtml,
    "@kitajs/html/jsx-runtime": kitaJsxRuntime,
    "@kitajs/html/jsx-dev-runtime": kitaJsxRuntime,
    "@sinclair/typebox": sinclairTypebox,
  }).map(([name, exports]) => [name, Object.freeze({ ...exports, __esModule: true })]),
);

/** What a plugin's bundle leaves to the host: the packages that xcore embeds, xcore itself, other plugins. */
export const EXTERNAL_SPECIFIERS: readonly string[] = [...HOST_MODULES.keys(), "xcore", "plugin:*"];

/** Where TSX of plugins gets its elements from. */
export const JSX_IMPORT_SOURCE = "@kitajs/html";

/** Returns the host's own instance of an embedded package, undefined when xcore doesn't embed it. */
export function findHostModule(specifier: string): ModuleExports | undefined {
  return HOST_MODULES.get(specifier);
}
