import { realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { join, sep } from "node:path";
import { EXTERNAL_SPECIFIERS } from "../given/host-modules.ts";

/** What a specifier of a package doesn't begin with: a path, or "#", which a package's own package.json resolves. */
const BARE = /^[^./#]/;

/** What Bun reads by its name; of anything else a bundle would hold the path of a copy, which is nowhere. */
const KNOWN_EXTENSION = "\\.(?:[cm]?[jt]sx?|jsonc?|json5|toml|ya?ml|txt|wasm|node)$";

/**
 * Lets a plugin's own files import the packages that are installed in a folder. Those of the host, and whatever isn't
 * in the folder, resolve as usual; so do the imports of the packages themselves.
 *
 * @param folder holds node_modules; see PackageStore
 */
export function createPackageResolver(folder: string): Bun.BunPlugin {
  const root = realpathSync(folder);
  const { resolve: resolveRequired } = createRequire(join(root, "package.json"));
  return {
    name: "xcore/packages",
    setup(builder) {
      builder.onResolve({ filter: BARE }, ({ path: specifier, kind, importer }) => {
        if (isHostSpecifier(specifier) || isOfPackage(importer)) return undefined;
        try {
          // A package may hold one file for `import` and another for `require`.
          const isRequired = kind === "require-call" || kind === "require-resolve";
          const path = isRequired ? resolveRequired(specifier) : Bun.resolveSync(specifier, root);
          return path.startsWith(root + sep) ? { path } : undefined;
        } catch {
          return undefined; // It isn't in the folder.
        }
      });
      // `with { type: "text" }` doesn't get here: Bun forgets it for what a plugin resolves.
      const other = new RegExp(`^${RegExp.escape(root + sep)}(?!.*${KNOWN_EXTENSION}).*\\.\\w+$`, "i");
      builder.onLoad({ filter: other }, async ({ path }) => {
        return { contents: await Bun.file(path).text(), loader: "text" };
      });
    },
  };
}

/** Whether an import is left to the host, as `external` of Bun.build has it: subpaths too. */
function isHostSpecifier(specifier: string): boolean {
  return EXTERNAL_SPECIFIERS.some((external) =>
    external.endsWith("*")
      ? specifier.startsWith(external.slice(0, -1))
      : specifier === external || specifier.startsWith(`${external}/`),
  );
}

function isOfPackage(importer: string): boolean {
  return /[\\/]node_modules[\\/]/.test(importer);
}
