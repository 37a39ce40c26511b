import { existsSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { expect, test } from "bun:test";

const SRC = join(import.meta.dir, "../src");
const ENTRY = "index.ts";

/** Each folder of src/ may import from those before it. Folders that aren't there yet have their place already. */
const ORDER = (
  "errors files native log metrics config hooks db storage cache cluster web templates " +
  "accounts jobs mail backups resources sdk plugins ui guide app editor testing cli"
).split(" ");
const MAX_FILES = 24; // of a folder, without those of its folders
const MAX_LEVELS = 3; // of folders
const MAX_LINES = 400; // of a file
const MAX_FUNCTION_LINES = 60;
const MIN_DOORS = 8; // that any folder may have, however small

/** Functions that may be longer than others, each with its reason. */
const LONG_FUNCTIONS: Readonly<Record<string, string>> = {};

const CATCH_ALL = /^(utils?|helpers?|common|shared|misc|index|service)$/;

/** What only those may use who know how a library works inside, for it may change with any version of the library. */
const INTERNALS = [
  {
    library: "drizzle",
    uses: /^import (?!type )[^;]*"drizzle-orm\/[^"]+"|\bentityKind\b|\bqueryChunks\b|\bTable\.Symbol\b|\bCasingCache\b|Symbol\.for\("drizzle/m,
    home: /^db\/(drizzle|sqlite|mysql|postgres|schema)\//,
  },
  {
    library: "Elysia",
    uses: /\.router\.\w|\brouter\b[^;\n]* = app\.router|\bpromisedModules\b|\bElysia\.prototype\b/m,
    home: /^(web\/routes|sdk\/router)\.tsx?$/,
  },
];

interface Source {
  readonly text: string;
  /** Files of src/ that it imports, types included. */
  readonly imports: readonly string[];
}

const IMPORT = /\b(?:from|import) ?\(? ?"(\.[^"]+)"/g;
const sources = new Map<string, Source>();
for (const file of [...new Bun.Glob("**/*.{ts,tsx}").scanSync(SRC)].map(toSlashes).toSorted()) {
  const text = await Bun.file(join(SRC, file)).text();
  const imports = [...text.matchAll(IMPORT)].map(([, path = ""]) =>
    toSlashes(normalize(join(file, "..", path))),
  );
  sources.set(file, { text, imports: imports.filter((path) => !path.startsWith("..")) });
}
const files = [...sources.keys()];
const folders = [...new Set(files.flatMap((file) => foldersOf(file)))].toSorted();
const edges = files.flatMap((file) => importsOf(file).map((imported) => ({ file, imported })));

test("no folder imports, over however many others, a folder that imports it", () => {
  const circles = Array.from({ length: MAX_LEVELS }, (_, index) => index + 1).flatMap(findCircles);
  // Whoever imports a folder of a circle, and is imported by it, is in one too: the shortest tell what to mend.
  const shortest = Math.min(...circles.map((steps) => steps.length));
  const told = circles.filter((steps) => steps.length === shortest);
  expect([...new Set(told.map((steps) => steps.toSorted().join(", ")))]).toEqual([]);
});

test("a folder imports only from the folders before it", () => {
  const wrong = edges.filter(({ file, imported }) => file !== ENTRY && placeOf(imported) > placeOf(file));
  expect(wrong.map(toText)).toEqual([]);
});

test("every folder of src/ has its place, and only the entry stands beside them", () => {
  const tops = new Set(files.map((file) => file.split("/")[0] ?? ""));
  expect([...tops].filter((top) => top !== ENTRY && !ORDER.includes(top))).toEqual([]);
});

test("a folder is imported through a third of its files at most, or through 8", () => {
  const wrong = folders.flatMap((folder) => {
    const inside = files.filter((file) => isIn(folder, file));
    const doors = new Set(
      edges
        .filter(({ file, imported }) => isIn(folder, imported) && !isIn(folder, file))
        .map((edge) => edge.imported),
    );
    const limit = Math.max(MIN_DOORS, Math.floor(inside.length / 3));
    return doors.size <= limit
      ? []
      : [`${folder}: ${doors.size} doors, ${limit} allowed: ${[...doors].join(" ")}`];
  });
  expect(wrong).toEqual([]);
});

test("folders, files and functions are small enough to read", () => {
  const wide = folders
    .map((folder) => ({ folder, count: files.filter((file) => dirname(file) === folder).length }))
    .filter(({ count }) => count > MAX_FILES)
    .map(({ folder, count }) => `${folder} has ${count} files`);
  const deep = folders
    .filter((folder) => folder.split("/").length > MAX_LEVELS)
    .map((one) => `${one} is too deep`);
  const long = [...sources]
    .map(([file, { text }]) => ({ file, lines: text.split("\n").length - 1 }))
    .filter(({ lines }) => lines > MAX_LINES)
    .map(({ file, lines }) => `${file} has ${lines} lines`);
  expect([...wide, ...deep, ...long]).toEqual([]);
});

test("a function has 60 lines at most, or a reason for more", () => {
  const long = [...sources].flatMap(([file, { text }]) =>
    findFunctions(text)
      .filter(({ lines }) => lines > MAX_FUNCTION_LINES)
      .map(({ name, lines }) => ({ name: `${file} ${name}`, lines })),
  );
  expect(
    long.filter(({ name }) => !(name in LONG_FUNCTIONS)).map(({ name, lines }) => `${name}: ${lines}`),
  ).toEqual([]);
  // A reason for what has become short is no longer true.
  expect(Object.keys(LONG_FUNCTIONS).filter((name) => !long.some((one) => one.name === name))).toEqual([]);
});

test("a file's name doesn't repeat its folder's, nor a sibling's in another order, and is no catch-all", () => {
  const wrong = files.flatMap((file) => {
    const words = wordsOf(file);
    const siblings = files.filter((one) => one !== file && dirname(one) === dirname(file));
    const folder = wordsOf(dirname(file));
    // A folder's face has its name: accounts/accounts.ts.
    const repeats = words.length > folder.length && folder.every((word) => words.includes(word));
    const isTwin = siblings.some((one) => Bun.deepEquals(nameOf(one).toSorted(), nameOf(file).toSorted()));
    const isCatchAll = file !== ENTRY && CATCH_ALL.test(words.join("-"));
    return repeats || isTwin || isCatchAll ? [file] : [];
  });
  expect(wrong).toEqual([]);
});

for (const { library, uses, home } of INTERNALS) {
  test(`only a few files know how ${library} works inside`, () => {
    const users = files.filter((file) => uses.test(sources.get(file)?.text ?? ""));
    expect(users.filter((file) => !home.test(file))).toEqual([]);
    expect(users).not.toEqual([]);
  });
}

/** The circles that folders are in, as an import for each step. Files below `depth` folders count for the last of them. */
function findCircles(depth: number): string[][] {
  const toFolder = (file: string): string => dirname(file).split("/").slice(0, depth).join("/");
  const graph = new Map<string, Map<string, string>>();
  for (const edge of edges) {
    const [from, to] = [toFolder(edge.file), toFolder(edge.imported)];
    if (from === to || edge.file === ENTRY) continue;
    const targets = graph.get(from) ?? new Map<string, string>();
    graph.set(from, targets.set(to, targets.get(to) ?? toText(edge)));
  }
  return [...graph.keys()].flatMap((folder) => {
    const steps = findWay(graph, folder, folder);
    return steps === null ? [] : [steps];
  });
}

/** The imports that lead from one folder to another, the fewest there are; null when none do. */
function findWay(
  graph: ReadonlyMap<string, ReadonlyMap<string, string>>,
  from: string,
  to: string,
): string[] | null {
  const seen = new Set<string>();
  let reached: { folder: string; steps: string[] }[] = [{ folder: from, steps: [] }];
  while (reached.length > 0) {
    const next: typeof reached = [];
    for (const { folder, steps } of reached) {
      for (const [target, step] of graph.get(folder) ?? []) {
        if (target === to) return [...steps, step];
        if (!seen.has(target)) next.push({ folder: target, steps: [...steps, step] });
        seen.add(target);
      }
    }
    reached = next;
  }
  return null;
}

/** The functions of formatted code, by the lines between their braces: a body ends where its first line is indented. */
function findFunctions(text: string): { name: string; lines: number }[] {
  const lines = text.split("\n");
  return lines.flatMap((line, index) => {
    const opening =
      /^(\s*)(?!\s|if\b|for\b|while\b|switch\b|else\b|\}|try\b|do\b)(.*(?:\)|=>|\): [^=]+|\): .*>) \{)$/.exec(
        line,
      );
    if (opening === null) return [];
    const [, indent = "", head = ""] = opening;
    const length = lines.slice(index + 1).findIndex((one) => one.startsWith(`${indent}}`));
    // Of a signature of several lines, the name stands in the line that opens it.
    const start = head.startsWith(")")
      ? lines.slice(0, index).findLast((one) => one.startsWith(indent) && one[indent.length] !== " ")
      : line;
    const name = /(#?\w+)\s*(?:<.*>)?\(/.exec(start ?? "")?.[1] ?? head;
    return [{ name, lines: length + 2 }];
  });
}

function importsOf(file: string): readonly string[] {
  return (sources.get(file)?.imports ?? []).filter((imported) => sources.has(imported));
}

test("files that documents name are there", async () => {
  const project = join(SRC, "..");
  const documents = ["README.md", "CONTRIBUTING.md", ...new Bun.Glob("docs/*.md").scanSync(project)];
  const named = await Promise.all(
    documents.map(async (document) => {
      const text = await Bun.file(join(project, document)).text();
      return [...text.matchAll(/`((?:src|test|templates)\/[\w./-]+\.(?:ts|html))`/g)].map(
        ([, file = ""]) => [document, file] as const,
      );
    }),
  );
  const missing = named.flat().filter(([, file]) => !existsSync(join(project, file)));
  expect(missing.map(([document, file]) => `${document}: ${file}`)).toEqual([]);
});

function placeOf(file: string): number {
  return ORDER.indexOf(file.split("/")[0] ?? "");
}

function foldersOf(file: string): string[] {
  const parts = dirname(file).split("/");
  return parts[0] === "." ? [] : parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}

function isIn(folder: string, file: string): boolean {
  return file.startsWith(`${folder}/`);
}

/** The words of a file's or a folder's own name. */
function nameOf(path: string): string[] {
  return (path.split("/").at(-1) ?? "").replace(/(\.d)?\.tsx?$/, "").split("-");
}

/** The same in the singular, as far as an "s" tells. */
function wordsOf(path: string): string[] {
  return nameOf(path).map((word) => word.replace(/s$/, ""));
}

function toText({ file, imported }: { file: string; imported: string }): string {
  return `${file} imports ${imported}`;
}

function toSlashes(path: string): string {
  return relative(".", path).replaceAll("\\", "/");
}
