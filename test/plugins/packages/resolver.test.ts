import { expect, test } from "bun:test";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Script } from "node:vm";
import { EXTERNAL_SPECIFIERS } from "../../../src/plugins/given/host-modules.ts";
import { createPackageResolver } from "../../../src/plugins/packages/resolver.ts";
import { PackagesProject } from "./packages-project.ts";
import { type PackageFiles, TestRegistry } from "./registry.ts";

const PACKAGES: Readonly<Record<string, PackageFiles>> = {
  "dual@1.0.0": {
    "package.json": {
      exports: {
        ".": { import: "./index.mjs", require: "./index.cjs" },
        "./sub": { import: "./sub.mjs", require: "./sub.cjs" },
        "./data.json": "./data.json",
        "./query.sql": "./query.sql",
      },
    },
    "index.mjs": "export const kind = 'module';",
    "index.cjs": "exports.kind = 'CommonJS';",
    "sub.mjs": "export const kind = 'module of sub';",
    "sub.cjs": "exports.kind = 'CommonJS of sub';",
    "data.json": { answer: 42 },
    "query.sql": "select 1",
  },
  "main@1.0.0": {
    "package.json": { main: "./lib/main.js", module: "./lib/module.js", browser: "./lib/browser.js" },
    "lib/main.js": "exports.kind = 'main';",
    "lib/module.js": "export const kind = 'module';",
    "lib/browser.js": "export const kind = 'browser';",
  },
  "conditions@1.0.0": {
    "package.json": {
      exports: { browser: "./browser.js", bun: "./bun.js", node: "./node.js", default: "./default.js" },
    },
    "browser.js": "exports.kind = 'browser';",
    "bun.js": "exports.kind = 'bun';",
    "node.js": "exports.kind = 'node';",
    "default.js": "exports.kind = 'default';",
  },
  "@acme/tax@2.1.0": {
    "package.json": { dependencies: { dual: "1.0.0", elysia: "1.0.0", "drizzle-orm": "1.0.0" } },
    "index.js":
      "exports.kind = require('dual').kind; exports.host = [require('elysia').Elysia, require('drizzle-orm').sql];",
  },
  "pure@1.0.0": {
    "package.json": { type: "module", sideEffects: false },
    "index.js": "export * from './used.js'; export * from './unused.js';",
    "used.js": "export const used = true;",
    "unused.js": "export const unused = true; throw new Error('not asked for');",
  },
  "elysia@1.0.0": { "index.js": "exports.Elysia = 'not the host\\'s';" },
  "drizzle-orm@1.0.0": { "index.js": "exports.sql = 'not the host\\'s';" },
  "events@1.0.0": { "index.js": "module.exports = 'not the built-in one';" },
};

const HOST: Readonly<Record<string, unknown>> = {
  elysia: { Elysia: "the host's Elysia" },
  "drizzle-orm": { sql: "the host's sql" },
  "plugin:crm": { name: "another plugin" },
};

/** Bundles a plugin that consists of one module, as plugins are, and gives what it exports. */
async function load(
  project: PackagesProject,
  code: string,
  folder: string,
): Promise<Record<string, unknown>> {
  const file = join(project.folder.path, "plugins/invoices/run.ts");
  const { success, logs, outputs } = await Bun.build({
    entrypoints: [file],
    files: { [file]: code },
    target: "bun",
    format: "cjs",
    external: [...EXTERNAL_SPECIFIERS],
    plugins: [createPackageResolver(folder)],
    throw: false,
  });
  if (!success) throw new Error(logs.map(({ message }) => message).join("\n"));
  const source = (await outputs[0]?.text()) ?? "";
  const module: { exports: Record<string, unknown> } = { exports: {} };
  const run = new Script(source).runInThisContext() as (...args: unknown[]) => void;
  run(module.exports, requireHost, module);
  return module.exports;
}

function requireHost(name: string): unknown {
  return HOST[name] ?? process.getBuiltinModule(name);
}

async function install(
  project: PackagesProject,
  dependencies: Readonly<Record<string, string>>,
): Promise<string> {
  const needs = await project.needs({ "package.json": { dependencies } });
  return project.store.ensure(needs, { plugin: "invoices" });
}

test("a plugin imports packages that are installed elsewhere, and these their own", async () => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry);
  const folder = await install(project, {
    dual: "1.0.0",
    main: "1.0.0",
    conditions: "1.0.0",
    "@acme/tax": "*",
  });
  const code = `
    import { kind as module } from "dual";
    import { kind as sub } from "dual/sub";
    import { answer } from "dual/data.json";
    import query from "dual/query.sql" with { type: "text" };
    import { kind as main } from "main";
    import { kind as file } from "main/lib/browser.js";
    import { kind as condition } from "conditions";
    import { kind as inner, host } from "@acme/tax";
    const required = [require("dual").kind, require("dual/sub").kind, require("main").kind];
    export const found = { module, sub, answer, query, main, file, condition, inner, host, required };
  `;
  expect(await load(project, code, folder)).toHaveProperty("found", {
    module: "module",
    sub: "module of sub",
    answer: 42,
    query: "select 1",
    main: "main",
    file: "browser",
    condition: "bun",
    inner: "CommonJS",
    host: ["the host's Elysia", "the host's sql"],
    required: ["CommonJS", "CommonJS of sub", "main"],
  });
});

test("the host's modules and the built-in ones are never taken from packages", async () => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry);
  const folder = await install(project, { "@acme/tax": "2.1.0", events: "1.0.0" });
  for (const name of ["elysia", "drizzle-orm"]) {
    expect(await Bun.file(join(folder, "node_modules", name, "index.js")).exists()).toBe(false);
    await Bun.write(
      join(folder, "node_modules", name, "index.js"),
      "exports.Elysia = exports.sql = 'another';",
    );
  }
  const code = `
    import { Elysia } from "elysia";
    import { sql } from "drizzle-orm";
    import { name } from "plugin:crm";
    import { EventEmitter } from "events";
    import { sep } from "node:path";
    export const found = [Elysia, sql, name, typeof EventEmitter, typeof sep];
  `;
  expect(await load(project, code, folder)).toHaveProperty("found", [
    "the host's Elysia",
    "the host's sql",
    "another plugin",
    "function",
    "string",
  ]);
});

test("what a package says has no side effects is left out when nothing uses it", async () => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry);
  const folder = await install(project, { pure: "1.0.0" });
  const code = 'import { used } from "pure"; export const found = used;';
  expect(await load(project, code, folder)).toHaveProperty("found", true);
});

test("a package that isn't installed is looked for beside the plugin", async () => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry, {
    "plugins/invoices/node_modules/own/index.js": "exports.kind = 'the plugin\\'s own';",
  });
  const folder = await install(project, { dual: "1.0.0" });
  const code = 'import { kind } from "own"; export const found = kind;';
  expect(await load(project, code, folder)).toHaveProperty("found", "the plugin's own");
  expect(load(project, 'import "nowhere";', folder)).rejects.toThrow('Could not resolve: "nowhere"');
});

test("packages beside the folder of the installed ones aren't found through it", async () => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry, {
    "data/node_modules/stray/index.js": "exports.kind = 'stray';",
  });
  const folder = await install(project, { dual: "1.0.0" });
  expect(load(project, 'import "stray";', folder)).rejects.toThrow('Could not resolve: "stray"');
});

test("packages are found once they are installed, whatever was bundled before", async () => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry);
  const code = 'import { kind } from "main"; export const found = kind;';
  const other = await install(project, { dual: "1.0.0" });
  expect(load(project, code, other)).rejects.toThrow('Could not resolve: "main"');
  const folder = await install(project, { dual: "1.0.0", main: "1.0.0" });
  expect(await load(project, code, folder)).toHaveProperty("found", "main");

  await rm(join(folder, "node_modules/main/lib"), { recursive: true });
  expect(load(project, code, folder)).rejects.toThrow();
  expect(project.store.assertIntact(folder)).rejects.toThrow("it isn't as it was installed");
  expect(await install(project, { dual: "1.0.0", main: "1.0.0" })).toBe(folder);
  expect(await load(project, code, folder)).toHaveProperty("found", "main");
});

test("what is bundled can be checked against what was installed", async () => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry);
  const folder = await install(project, { main: "1.0.0" });
  const file = join(project.folder.path, "plugins/invoices/run.ts");
  const bundle = async (): Promise<ReadonlyMap<string, string>> => {
    const { outputs } = await Bun.build({
      entrypoints: [file],
      files: { [file]: 'export { kind } from "main";' },
      target: "bun",
      format: "cjs",
      sourcemap: "external",
      plugins: [createPackageResolver(folder)],
    });
    const map = await outputs.find(({ kind }) => kind === "sourcemap")?.text();
    const { sources, sourcesContent } = JSON.parse(map ?? "") as {
      sources: string[];
      sourcesContent: string[];
    };
    return new Map(sources.map((name, index) => [join(process.cwd(), name), sourcesContent[index] ?? ""]));
  };
  await project.store.assertIntact(folder, await bundle());
  await writeFile(join(folder, "node_modules/main/lib/main.js"), "exports.kind = 'evil';");
  expect(project.store.assertIntact(folder, await bundle())).rejects.toThrow("node_modules/main/lib/main.js");
});
