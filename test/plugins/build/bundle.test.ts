import { expect, test } from "bun:test";
import { rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Bundle, bundleFiles } from "../../../src/plugins/build/bundle.ts";
import { PluginError } from "../../../src/plugins/failure/failure.ts";
import type { OpenedSnapshot } from "../../../src/plugins/snapshot/store.ts";
import { TestFolder } from "../../setup.ts";
import { keep, filesOf } from "./pinned-plugin.ts";

const GOOD = {
  "run.ts": 'import { tax } from "./tax";\nexport default tax;\n',
  "tax.ts": "export const tax = 19;\n",
};
const EVIL = "export const tax = 666;\nexport default tax;\n";

async function bundle(opened: OpenedSnapshot): Promise<Bundle> {
  const files = filesOf(opened);
  return bundleFiles(files, { entries: [await files.findEntry("run.ts")], packages: null });
}

test("a plugin from elsewhere is bundled from the bytes that were checked", async () => {
  await using folder = await TestFolder.create();
  const opened = await keep(folder, {
    ...GOOD,
    "run.ts":
      'import { tax } from "./tax";\nimport texts from "./public/texts.json";\nexport default [tax, texts];\n',
    "public/texts.json": '{ "greeting": "hello" }',
  });
  await writeFile(join(opened.root, "tax.ts"), EVIL);
  await writeFile(join(opened.root, "public/texts.json"), '{ "greeting": "EVIL" }');
  const { code } = await bundle(opened);
  expect(code).toContain("tax = 19");
  expect(code).toContain("hello");
  expect(code).not.toContain("EVIL");
});

const TAMPERED: [string, Record<string, string>, (root: string) => Promise<void>][] = [
  ["is found before a file of its own", GOOD, (root) => writeFile(join(root, "tax.tsx"), EVIL)],
  [
    "stands where one was missing",
    { "run.ts": GOOD["run.ts"] },
    (root) => writeFile(join(root, "tax.ts"), EVIL),
  ],
  [
    "its entry leads to by now",
    GOOD,
    async (root) => {
      await writeFile(join(root, "evil.ts"), EVIL);
      await rm(join(root, "run.ts"));
      await symlink("evil.ts", join(root, "run.ts"));
    },
  ],
];

for (const [what, files, tamper] of TAMPERED) {
  test(`a plugin from elsewhere isn't bundled with a file that ${what}`, async () => {
    await using folder = await TestFolder.create();
    const opened = await keep(folder, files);
    await tamper(opened.root);
    const error: unknown = await bundle(opened).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(PluginError);
    expect((error as PluginError).message).toMatch(
      /^Cannot import "(tax\.tsx?|evil\.ts)": it isn't among the files that the pin covers; /,
    );
  });
}

test("what stands in the folders above a plugin from elsewhere has no effect on it", async () => {
  await using folder = await TestFolder.create({
    "package.json": { sideEffects: false, type: "commonjs", imports: { "#tax": "./evil.ts" } },
    "tsconfig.json": {
      compilerOptions: { jsx: "react", jsxImportSource: "evil", baseUrl: ".", paths: { "*": ["./evil.ts"] } },
    },
    "evil.ts": EVIL,
    "data/plugins/node_modules/left/index.js": EVIL,
  });
  const opened = await keep(folder, {
    "run.ts":
      'import "./side.ts";\nimport { Page } from "./page.tsx";\nimport * as xcore from "xcore";\nexport default [Page, xcore];\n',
    "side.ts": "globalThis.isThere = true;\n",
    "page.tsx": "export const Page = () => <main />;\n",
  });
  const { code } = await bundle(opened);
  expect(code).toContain("isThere = true");
  expect(code).toContain('require("@kitajs/html/jsx-runtime")');
  expect(code).toContain('require("xcore")');
  for (const specifier of ["#tax", "left", "lib/tax"]) {
    const other = await keep(folder, { "run.ts": `import tax from "${specifier}";\nexport default tax;\n` });
    expect(bundle(other)).rejects.toThrow(PluginError);
  }
});

test("migrations of a plugin from elsewhere are those that were checked", async () => {
  await using folder = await TestFolder.create();
  const opened = await keep(folder, {
    ...GOOD,
    "drizzle/sqlite/0000_create.sql": "CREATE TABLE a (id integer);",
  });
  await writeFile(join(opened.root, "drizzle/sqlite/0000_create.sql"), "DROP TABLE core_users;");
  await writeFile(join(opened.root, "drizzle/sqlite/0001_more.sql"), "DROP TABLE core_users;");
  const migrations = await filesOf(opened).readMigrations("sqlite");
  expect(migrations.map(({ name, statements }) => [name, statements])).toEqual([
    ["0000_create", ["CREATE TABLE a (id integer);"]],
  ]);
});
