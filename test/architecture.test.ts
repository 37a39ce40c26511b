import { join, relative } from "node:path";
import { expect, test } from "bun:test";

const SRC = join(import.meta.dir, "../src");
/** Each folder may import from those before it. */
const ORDER = [
  "errors",
  "files",
  "log",
  "config",
  "hooks",
  "db",
  "web",
  "accounts",
  "sdk",
  "plugins",
  "app",
  "editor",
  "testing",
  "cli",
];
const MAX_LINES = 350;
const FORBIDDEN_NAMES = /(^|\/)(utils?|helpers?|common|shared|misc|index|service)\.tsx?$/;

const files = [...new Bun.Glob("**/*.{ts,tsx}").scanSync(SRC)].map((file) => file.replaceAll("\\", "/"));
const IMPORT = /\b(?:from|import) "(\.[^"]+)"/g;

/** Files of src/ that a file imports, types included. */
async function importsOf(file: string): Promise<string[]> {
  const code = await Bun.file(join(SRC, file)).text();
  return [...code.matchAll(IMPORT)].map(([, path = ""]) =>
    relative(SRC, join(SRC, file, "..", path)).replaceAll("\\", "/"),
  );
}

test("a folder imports only from the folders before it", async () => {
  const wrong: string[] = [];
  for (const file of files) {
    const [folder = ""] = file.split("/");
    if (!ORDER.includes(folder)) continue;
    for (const imported of await importsOf(file)) {
      const [target = ""] = imported.split("/");
      const isOutside = imported.startsWith("..");
      if (isOutside || ORDER.indexOf(target) <= ORDER.indexOf(folder)) continue;
      wrong.push(`${file} imports ${imported}`);
    }
  }
  expect(wrong).toEqual([]);
});

test("every folder has its place, and only the roots stand beside them", () => {
  const places = new Set(files.map((file) => file.split("/")[0]));
  expect(places).toEqual(new Set([...ORDER, "index.ts"]));
});

test("no file is a catch-all, and none is too long to read", async () => {
  expect(files.filter((file) => FORBIDDEN_NAMES.test(`/${file}`) && file !== "index.ts")).toEqual([]);
  const lengths = await Promise.all(
    files.map(async (file) => [file, (await Bun.file(join(SRC, file)).text()).split("\n").length] as const),
  );
  expect(lengths.filter(([, lines]) => lines > MAX_LINES)).toEqual([]);
});
