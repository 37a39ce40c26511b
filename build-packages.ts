import { isBuiltin } from "node:module";
import { join } from "node:path";

/**
 * Packages that few servers use, or seldom. In the executable they would be code, bytecode and part of its source map:
 * compressed they take a tenth of that, and are compiled when they are first imported, some milliseconds longer.
 */
const PACKED = [
  "@peculiar/x509",
  "acme-client",
  "@simplewebauthn/server",
  "@opentelemetry/api",
  "@opentelemetry/exporter-trace-otlp-http",
  "@opentelemetry/resources",
  "@opentelemetry/sdk-trace-base",
  "daisyui",
  "memcache",
  "nodemailer/lib/mail-composer",
  "nodemailer/lib/smtp-connection",
  "openid-client",
  "papaparse",
  "redis",
  "saxes",
  "tailwindcss",
  "yauzl",
];

/** What acme-client offers beside its own way, for those who have used it once: nobody here. */
const withoutForge: Bun.BunPlugin = {
  name: "without-forge",
  setup(builder) {
    builder.onLoad({ filter: /acme-client[/\\]src[/\\]crypto[/\\]forge\.js$/ }, () => ({
      contents: "",
      loader: "js",
    }));
  },
};

/**
 * Compresses these packages; returns what makes a build take them so.
 *
 * @param folder where they are kept for as long as the build takes
 * @param options `level` of zstd; `plugins` of the build, which see what they are bundled from
 */
export async function packPackages(
  folder: string,
  { level, plugins }: { readonly level: number; readonly plugins: readonly Bun.BunPlugin[] },
): Promise<Bun.BunPlugin> {
  const modules = new Map<string, string>();
  for (const name of PACKED) {
    const file = join(folder, `${name}.js.zst`);
    const source = await bundle(name, { folder, plugins });
    await Bun.write(file, Bun.zstdCompressSync(source, { level }));
    modules.set(name, await toModule(name, { file, source }));
  }
  return {
    name: "packed-packages",
    setup(builder) {
      const names = new RegExp(`^(?:${PACKED.join("|")})$`);
      builder.onResolve({ filter: names }, ({ path }) => ({ path, namespace: "packed" }));
      builder.onLoad({ filter: names, namespace: "packed" }, ({ path }) => ({
        contents: modules.get(path) ?? "",
        loader: "js",
      }));
    },
  };
}

/** Returns a package as one function of `exports`, `require` and `module`. */
async function bundle(
  name: string,
  { folder, plugins }: { readonly folder: string; readonly plugins: readonly Bun.BunPlugin[] },
): Promise<string> {
  const entry = join(folder, `${name}.js`);
  const path = JSON.stringify(Bun.resolveSync(name, import.meta.dir));
  await Bun.write(entry, `import * as all from ${path}; export { all };`);
  const { outputs } = await Bun.build({
    entrypoints: [entry],
    plugins: [...plugins, withoutForge],
    external: PACKED.filter((one) => one !== name),
    target: "bun",
    format: "cjs",
    minify: { whitespace: true, syntax: true, identifiers: false },
    define: { "process.env.NODE_ENV": JSON.stringify("production") },
  });
  const [output] = outputs;
  if (output === undefined) throw new Error(`Cannot bundle ${name}`);
  const text = await output.text();
  // What a Script runs can't import; what is left to be imported are modules of Node's, which `require` gives here.
  return text.replace(/\bimport\("([\w:/]+)"\)/g, (call, module: string) =>
    isBuiltin(module) ? `Promise.resolve(require("${module}"))` : call,
  );
}

/** Returns the module that stands for a package; others that are packed it takes from those. */
async function toModule(
  name: string,
  { file, source }: { readonly file: string; readonly source: string },
): Promise<string> {
  const names = Object.keys((await import(name)) as object).filter((one) =>
    /^(?!default$)[A-Za-z_$][\w$]*$/.test(one),
  );
  const packed = PACKED.filter((one) => source.includes(`require("${one}")`));
  const imports = packed.map((one, index) => `import * as packed${index} from ${JSON.stringify(one)};\n`);
  const cases = packed.map((one, index) => `name === ${JSON.stringify(one)} ? packed${index} : `);
  return `${imports.join("")}import { readFileSync } from "node:fs";
import { Script } from "node:vm";
import file from ${JSON.stringify(file)} with { type: "file" };
const source = new TextDecoder().decode(Bun.zstdDecompressSync(readFileSync(file)));
const made = { exports: {} };
const make = new Script(source, { filename: ${JSON.stringify(name)} }).runInThisContext();
make(made.exports, (name) => ${cases.join("")}process.getBuiltinModule(name), made);
const { all } = made.exports;
export default all.default;
export const { ${names.join(", ")} } = all;
`;
}
