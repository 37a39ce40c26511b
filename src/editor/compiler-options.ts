import { JSX_IMPORT_SOURCE } from "../plugins/given/host-modules.ts";

/**
 * Where the declarations of the packages are that plugins get from xcore. They end in what JavaScript would be in:
 * TypeScript takes the declarations beside it, and Bun, which finds nothing there, a package that is installed.
 */
export const EMBEDDED_DECLARATIONS: Readonly<Record<string, string>> = {
  "@elysiajs/html": "./node_modules/@elysiajs/html/dist/index.js",
  "@kitajs/html": "./node_modules/@kitajs/html/index.js",
  "@kitajs/html/jsx-dev-runtime": "./node_modules/@kitajs/html/jsx-dev-runtime.js",
  "@kitajs/html/jsx-runtime": "./node_modules/@kitajs/html/jsx-runtime.js",
  "@sinclair/typebox": "./node_modules/@sinclair/typebox/build/esm/index.mjs",
  "drizzle-orm": "./node_modules/drizzle-orm/index.js",
  elysia: "./node_modules/elysia/dist/index.js",
  typebox: "./node_modules/typebox/build/index.mjs",
};

/**
 * Makes the `compilerOptions` of `.xcore/tsconfig.json`: plugins are checked as they are run, and strictly.
 *
 * @param plugins the plugins directory, seen from `.xcore`
 */
export function toCompilerOptions(plugins: string): object {
  return {
    target: "ESNext",
    lib: ["ESNext", "DOM", "DOM.Iterable"],
    module: "Preserve",
    moduleResolution: "bundler",
    moduleDetection: "force",
    typeRoots: ["./node_modules/@types"],
    types: ["bun"],
    jsx: "react-jsx",
    jsxImportSource: JSX_IMPORT_SOURCE,
    noEmit: true,
    allowImportingTsExtensions: true,
    resolveJsonModule: true,
    verbatimModuleSyntax: true,
    skipLibCheck: true,
    strict: true,
    noUncheckedIndexedAccess: true,
    noImplicitOverride: true,
    paths: {
      xcore: ["./types/sdk/xcore.js"],
      "xcore/schema": ["./types/sdk/schema.js"],
      "xcore/testing": ["./testing.ts"],
      // Plugins that were added after `.xcore` was written are looked for where plugins usually are.
      "plugin:*": ["./plugins/*.js", `${plugins}/*/run.ts`, `${plugins}/*/run.tsx`, `${plugins}/*.ts`],
      ...EMBEDDED_DECLARATIONS_PATHS,
    },
  };
}

const EMBEDDED_DECLARATIONS_PATHS = Object.fromEntries(
  Object.entries(EMBEDDED_DECLARATIONS).map(([specifier, file]) => [specifier, [file]]),
);
