import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { EMBEDDED_DECLARATIONS } from "./compiler-options.ts";

const PROJECT = join(import.meta.dir, "../..");
const SDK = ["src/sdk/xcore.ts", "src/sdk/schema.ts"];
const TESTING = "src/sdk/testing.ts";
/** What of a package.json says where its declarations are, and whose they are. */
const PACKAGE_KEYS = ["name", "version", "license", "author", "type", "main", "types", "typings", "exports"];

/**
 * Collects the files that an editor needs to know what plugins import: declarations of xcore, made by TypeScript from
 * its sources, and those of every package that they or a plugin can reach. Works in a clone of the repository only.
 *
 * @returns texts by path, in order of path
 * @throws Error with what the compiler says
 */
export async function collectDeclarations(): Promise<Map<string, string>> {
  const cache = join(PROJECT, "node_modules/.cache");
  await mkdir(cache, { recursive: true });
  // Below node_modules, where the compiler finds the packages that the declarations import.
  const work = await mkdtemp(join(cache, "xcore-types-"));
  try {
    const emitted = join(work, "types");
    await compile(
      work,
      SDK.map((file) => join(PROJECT, file)),
      {
        rootDir: join(PROJECT, "src"),
        outDir: emitted,
        noEmit: false,
        noCheck: true,
        declaration: true,
        emitDeclarationOnly: true,
      },
    );
    const roots = join(work, "roots.ts");
    const imports = ["./types/sdk/xcore.ts", "./types/sdk/schema.ts", ...Object.keys(EMBEDDED_DECLARATIONS)];
    await Bun.write(roots, imports.map((specifier) => `import ${JSON.stringify(specifier)};\n`).join(""));
    const reached = await compile(work, [roots], { listFilesOnly: true });
    return await readFiles(reached.split(/\r?\n/), emitted);
  } finally {
    await rm(work, { recursive: true });
  }
}

/** Runs TypeScript over some files with the project's own options and others; returns what it prints. */
async function compile(work: string, files: string[], options: Record<string, unknown>): Promise<string> {
  const { listFilesOnly = false, ...compilerOptions } = options;
  const config = join(work, "tsconfig.json");
  const root = join(PROJECT, "tsconfig.json");
  await Bun.write(config, JSON.stringify({ extends: root, compilerOptions, files, include: [] }));
  const tsc = join(PROJECT, "node_modules/typescript/bin/tsc");
  const args = listFilesOnly === true ? ["--listFilesOnly"] : [];
  const child = Bun.spawn([process.execPath, tsc, "-p", config, ...args], {
    cwd: work,
    env: { ...process.env, BUN_BE_BUN: "1" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const output = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) throw new Error(`Cannot make the declarations of xcore:\n${output}`);
  return output;
}

/** Reads the listed files that a project needs: the editor has TypeScript's own libraries. */
async function readFiles(listed: readonly string[], emitted: string): Promise<Map<string, string>> {
  const modules = join(PROJECT, "node_modules") + sep;
  const places = new Map([["testing.ts", join(PROJECT, TESTING)]]);
  for (const line of listed) {
    const file = join(line.trim());
    if (file.startsWith(emitted + sep)) places.set(`types/${toSlashes(relative(emitted, file))}`, file);
    else if (file.startsWith(modules) && !/[/\\]@typescript[/\\]|[/\\]roots\.ts$/.test(file)) {
      const path = toSlashes(relative(modules, file));
      places.set(`node_modules/${path}`, file);
      const [folder = ""] = /^(?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/]+/.exec(path) ?? [];
      places.set(`node_modules/${folder}/package.json`, join(modules, folder, "package.json"));
    }
  }
  const missing = ["types/sdk/xcore.d.ts", "node_modules/elysia/package.json"].find(
    (name) => !places.has(name),
  );
  // As where node_modules is a link to that of another folder.
  if (missing !== undefined)
    throw new Error(`Cannot make the declarations of xcore: "${missing}" is missing`);
  const names = [...places.keys()].toSorted();
  const texts = await Promise.all(names.map((name) => readText(places.get(name) ?? "")));
  return new Map(names.map((name, index) => [name, texts[index] ?? ""]));
}

async function readText(file: string): Promise<string> {
  const text = await Bun.file(file).text();
  if (!file.endsWith("package.json")) return text;
  const all = JSON.parse(text) as Record<string, unknown>;
  return `${JSON.stringify(Object.fromEntries(PACKAGE_KEYS.flatMap((key) => (key in all ? [[key, all[key]]] : []))))}\n`;
}

function toSlashes(path: string): string {
  return path.replaceAll("\\", "/");
}
