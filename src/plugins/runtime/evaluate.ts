import { createRequire, isBuiltin } from "node:module";
import vm from "node:vm";
import type { Globals } from "../given/globals.ts";
import { type HostModules, loadHostModules, type ModuleExports } from "../given/host-modules.ts";
import { StackTraces } from "../failure/stack-traces.ts";

type BundleFunction = (
  exports: ModuleExports,
  require: (specifier: string) => unknown,
  module: { exports: ModuleExports },
  filename: string,
  dirname: string,
) => void;

export interface EvaluateOptions {
  /** "blog@3": names the bundle in stack traces. */
  readonly generation: string;
  /** The plugin's folder, its `__dirname`. */
  readonly root: string;
  /** Is given the module before its code runs: what it exports by then is read from it. @default nobody is */
  readonly onModule?: (module: { readonly exports: ModuleExports }) => void;
  /** Waits until the code may run. @default it runs at once */
  readonly pause?: () => Promise<void>;
  /** What its code finds under global names, and gets of Node.js and Bun, in the place of the host's own. */
  readonly globals: Pick<Globals, "names" | "findBuiltin">;
  /** What `import … from "xcore"` gives this plugin. */
  readonly xcore: ModuleExports;
  /** Makes what `import … from "xcore/schema"` gives this plugin, when it is imported. */
  readonly createSchema: () => ModuleExports;
  /** Exports of a plugin that the manifest names as a dependency, undefined for any other. */
  readonly findPlugin: (name: string) => ModuleExports | undefined;
}

const hostRequire = createRequire(import.meta.url);

/**
 * Runs a bundle and returns what its entry exports. The bundle is a CommonJS function that gets its imports
 * from here, so nothing of it stays behind in a module registry once it is dropped.
 *
 * @throws whatever the plugin's top level throws
 */
export async function evaluateBundle(code: string, options: EvaluateOptions): Promise<ModuleExports> {
  const packages = await loadHostModules(code);
  await options.pause?.();
  const require = (specifier: string): unknown => requireFor(specifier, packages, options);
  const { names } = options.globals;
  // On the line of the bundle's first comment: no line of the code moves.
  const script = new vm.Script(`(${Object.keys(names).join(", ")}) => ${code}`, {
    filename: StackTraces.scriptName(options.generation),
    // For `import("node:…")`. A callback of our own here would keep every generation in memory for ever.
    importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  const bind = script.runInThisContext() as (...values: unknown[]) => BundleFunction;
  const run = bind(...Object.values(names));
  const module = { exports: {} };
  options.onModule?.(module);
  run(module.exports, require, module, `${options.root}/bundle.js`, options.root);
  return module.exports;
}

function requireFor(specifier: string, packages: HostModules, options: EvaluateOptions): unknown {
  if (specifier === "xcore") return options.xcore;
  if (specifier === "xcore/schema") return options.createSchema();
  if (specifier.startsWith("plugin:")) {
    const name = specifier.slice("plugin:".length);
    const exports = options.findPlugin(name);
    if (exports !== undefined) return exports;
    throw new Error(`Cannot import "${specifier}": add "${name}" to "dependencies" of plugin.json`);
  }
  const host = packages.get(specifier);
  if (host !== undefined) return host;
  const builtin = options.globals.findBuiltin(specifier);
  if (builtin !== undefined) return builtin;
  if (isBuiltin(specifier) || specifier.startsWith("bun:")) return hostRequire(specifier);
  throw new Error(
    `Cannot import "${specifier}": xcore doesn't embed it, and it isn't in the plugin's folder`,
  );
}
