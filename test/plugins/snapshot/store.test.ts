import { cp, mkdir, readdir, readFile, rename, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import { describe, expect, test } from "bun:test";
import { refusalOf } from "../remote/refusal.ts";
import { computeIntegrity, integrityToHex } from "../../../src/plugins/snapshot/integrity.ts";
import type { Snapshot } from "../../../src/plugins/snapshot/snapshot.ts";
import { type OpenedSnapshot, SnapshotStore } from "../../../src/plugins/snapshot/store.ts";
import { TestFolder } from "../../setup.ts";

const URL_NAME = "https://example.com/lib/tax.ts?v=1";

/** A store with a folder of its own for the cache and one for the project's. */
class TestStore implements AsyncDisposable {
  readonly store: SnapshotStore;
  readonly folder: TestFolder;
  /** What it has logged. */
  readonly lines: Record<string, unknown>[] = [];

  private constructor(folder: TestFolder) {
    this.folder = folder;
    this.store = this.another();
  }

  static async create(): Promise<TestStore> {
    return new TestStore(await TestFolder.create());
  }

  /** As another process that shares the folders. */
  another({ cache = this.cache } = {}): SnapshotStore {
    const write = (line: string): void => void this.lines.push(JSON.parse(line) as Record<string, unknown>);
    return new SnapshotStore({ cache, vendor: this.vendor, log: pino({ base: null }, { write }) });
  }

  get cache(): string {
    return join(this.folder.path, "data/plugins");
  }

  get vendor(): string {
    return join(this.folder.path, "vendor/plugins");
  }

  /** Everything in the cache or the project's folder, but for what git needs. */
  async list(directory: "cache" | "vendor" = "cache"): Promise<string[]> {
    const names = await readdir(this[directory], { recursive: true }).catch(() => []);
    return names.filter((name) => !name.startsWith(".git")).toSorted();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.folder[Symbol.asyncDispose]();
  }
}

function toSnapshot(contents: Readonly<Record<string, string>>, more: Partial<Snapshot> = {}): Snapshot {
  const files = new Map(
    Object.entries(contents).map(([name, text]) => [name, new TextEncoder().encode(text)] as const),
  );
  return { entry: "plugin.json", files, redirects: new Map(), signatures: null, ...more };
}

const crm = toSnapshot(
  { "plugin.json": "{}", "run.ts": "run", "lib/deep/a.ts": "", [URL_NAME]: "tax" },
  {
    redirects: new Map([
      ["https://example.com/tax", URL_NAME],
      ["__proto__", "run.ts"],
    ]),
    signatures: new TextEncoder().encode("signed"),
  },
);
const CRM = computeIntegrity(crm);

function texts({ snapshot }: OpenedSnapshot): Record<string, string> {
  return Object.fromEntries(
    [...snapshot.files].map(([name, bytes]) => [name, new TextDecoder().decode(bytes)]),
  );
}

test("SnapshotStore finds what was put, every byte of it, in another process too", async () => {
  await using kept = await TestStore.create();
  const put = await kept.store.put(crm, CRM);
  const found = await kept.another().find(CRM);
  expect(found).not.toBeNull();
  for (const opened of [put, found as OpenedSnapshot]) {
    expect(opened.integrity).toBe(CRM);
    expect(opened.isVendored).toBe(false);
    expect(opened.directory).toBe(join(kept.cache, "sources", integrityToHex(CRM)));
    expect(opened.snapshot.entry).toBe("plugin.json");
    expect(opened.snapshot.redirects).toEqual(crm.redirects);
    expect(new TextDecoder().decode(opened.snapshot.signatures ?? undefined)).toBe("signed");
    expect(texts(opened)).toEqual({
      "plugin.json": "{}",
      "run.ts": "run",
      "lib/deep/a.ts": "",
      [URL_NAME]: "tax",
    });
    expect(opened.pathOf("run.ts")).toBe(join(opened.root, "run.ts"));
    // oxlint-disable-next-line no-await-in-loop -- two of them
    expect(await readFile(opened.pathOf("run.ts"), "utf8")).toBe("run");
    // oxlint-disable-next-line no-await-in-loop -- two of them
    expect(await readFile(opened.pathOf(URL_NAME), "utf8")).toBe("tax");
    expect(opened.pathOf(URL_NAME)).toMatch(/[0-9a-f]{64}\.ts$/);
    // Beside the plugin's own files, not among them: public/ and drizzle/ are looked for there.
    expect(opened.pathOf(URL_NAME).startsWith(opened.root)).toBe(false);
  }
  expect(await readdir(join(kept.cache, "tmp"))).toEqual([]);
  expect(kept.lines).toEqual([]);
});

test("SnapshotStore finds single-file plugins", async () => {
  await using kept = await TestStore.create();
  const hello = toSnapshot({ "hello.ts": "hi" }, { entry: "hello.ts" });
  const { integrity } = await kept.store.put(hello);
  expect((await kept.store.find(integrity))?.snapshot).toMatchObject({ entry: "hello.ts", signatures: null });
  expect(integrity).not.toBe(computeIntegrity({ ...hello, entry: "plugin.json" }));
});

test("find() gives null for what isn't there, and makes nothing", async () => {
  await using kept = await TestStore.create();
  expect(await kept.store.find(CRM)).toBeNull();
  expect(await kept.store.find("sha256-../../../etc")).toBeNull();
  expect(await readdir(kept.folder.path)).toEqual([]);
});

describe("find() doesn't take for the plugin, logs and throws away", () => {
  const inGraph = async (directory: string, change: (graph: Graph) => unknown): Promise<void> => {
    const file = join(directory, "graph.json");
    const graph = JSON.parse(await readFile(file, "utf8")) as Graph;
    await writeFile(file, JSON.stringify(change(graph)));
  };
  interface Graph {
    format: number;
    entry: string;
    redirects: Record<string, string>;
    modules: Record<string, string>;
  }
  const cases: Record<string, (opened: OpenedSnapshot) => Promise<unknown>> = {
    "a changed byte": ({ root }) => writeFile(join(root, "run.ts"), "ruN"),
    "a truncated file": ({ root }) => writeFile(join(root, "run.ts"), ""),
    "a changed module of a URL": ({ pathOf }) => writeFile(pathOf(URL_NAME), "taxes"),
    "a missing file": ({ root }) => rm(join(root, "run.ts")),
    "a missing module of a URL": ({ pathOf }) => rm(pathOf(URL_NAME)),
    "missing files": ({ root }) => rm(root, { recursive: true }),
    "a file too many": ({ root }) => writeFile(join(root, "lib/evil.ts"), ""),
    "a hidden file too many": ({ root }) => writeFile(join(root, ".env"), ""),
    "a module too many": ({ directory }) => writeFile(join(directory, "modules/evil.ts"), ""),
    "a file too many beside them": ({ directory }) => writeFile(join(directory, "evil"), ""),
    "node_modules beside the files": ({ root }) => mkdirWith(join(root, "node_modules/left"), "index.js"),
    "a link to a file with the same bytes": async ({ root, directory }) => {
      await cp(join(root, "run.ts"), join(directory, "../../same.ts"));
      await rm(join(root, "run.ts"));
      await symlink(join(directory, "../../same.ts"), join(root, "run.ts"));
    },
    "a link too many": ({ root }) => symlink("/etc/passwd", join(root, "lib/link")),
    "a link to a folder with the same files": async ({ root, directory }) => {
      await cp(root, join(directory, "../../same"), { recursive: true });
      await rm(root, { recursive: true });
      await symlink(join(directory, "../../same"), root);
    },
    "a graph that is no JSON": ({ directory }) => writeFile(join(directory, "graph.json"), "{"),
    "a graph that is null": ({ directory }) => writeFile(join(directory, "graph.json"), "null"),
    "a missing graph": ({ directory }) => rm(join(directory, "graph.json")),
    "a graph that is a folder": async ({ directory }) => {
      await rm(join(directory, "graph.json"));
      await mkdir(join(directory, "graph.json"));
    },
    "another format": ({ directory }) => inGraph(directory, (graph) => ({ ...graph, format: 2 })),
    "another entry": ({ directory }) => inGraph(directory, (graph) => ({ ...graph, entry: "run.ts" })),
    "an entry elsewhere": ({ directory }) => inGraph(directory, (graph) => ({ ...graph, entry: "../../x" })),
    "no redirects": ({ directory }) => inGraph(directory, (graph) => ({ ...graph, redirects: {} })),
    "redirects of another kind": ({ directory }) =>
      inGraph(directory, (graph) => ({ ...graph, redirects: 1 })),
    "a redirect of another kind": ({ directory }) =>
      inGraph(directory, (graph) => ({ ...graph, redirects: { a: { b: 1 } } })),
    "a redirect that passes for two": ({ directory }) =>
      inGraph(directory, (graph) => ({ ...graph, redirects: { "a\tb\nredirect\tc": "run.ts" } })),
    "a module elsewhere": ({ directory }) =>
      inGraph(directory, (graph) => ({ ...graph, modules: { [URL_NAME]: "../files/run.ts" } })),
    "a module that is no URL": ({ directory }) =>
      inGraph(directory, (graph) => ({ ...graph, modules: { "../../x": Object.values(graph.modules)[0] } })),
    "a module left out": ({ directory }) => inGraph(directory, (graph) => ({ ...graph, modules: {} })),
    "an empty folder in its place": async ({ directory }) => {
      await rm(directory, { recursive: true });
      await mkdir(directory);
    },
    "a file in its place": async ({ directory }) => {
      await rm(directory, { recursive: true });
      await writeFile(directory, "");
    },
    "a link to a whole one in its place": async ({ directory }) => {
      await rename(directory, join(directory, "../../same"));
      await symlink(join(directory, "../../same"), directory);
    },
    "a link to nothing in its place": async ({ directory }) => {
      await rm(directory, { recursive: true });
      await symlink(join(directory, "../../nothing"), directory);
    },
  };
  test.each(Object.entries(cases))("%s", async (_what, damage) => {
    await using kept = await TestStore.create();
    const opened = await kept.store.put(crm);
    await damage(opened);
    expect(await kept.store.find(CRM)).toBeNull();
    expect(kept.lines).toHaveLength(1);
    expect(kept.lines[0]).toMatchObject({
      integrity: CRM,
      msg: "kept plugin is damaged; it is fetched again",
    });
    expect(await readdir(join(kept.cache, "sources"))).toEqual([]);
    expect(await readdir(join(kept.cache, "tmp"))).toEqual([]);
    await kept.store.put(crm);
    expect(texts((await kept.store.find(CRM)) as OpenedSnapshot)["run.ts"]).toBe("run");
  });

  test("another plugin under its name", async () => {
    await using kept = await TestStore.create();
    const other = await kept.store.put(toSnapshot({ "plugin.json": "other" }));
    await cp(other.directory, join(kept.cache, "sources", integrityToHex(CRM)), { recursive: true });
    expect(await kept.store.find(CRM)).toBeNull();
    expect(kept.lines[0]?.["reason"]).toBe(`expected ${CRM}, found ${other.integrity}`);
    expect(await kept.store.find(other.integrity)).not.toBeNull();
  });
});

test("put() mends what stands damaged in its place", async () => {
  await using kept = await TestStore.create();
  const { root } = await kept.store.put(crm);
  await writeFile(join(root, "run.ts"), "evil");
  await kept.store.put(crm);
  expect(await readFile(join(root, "run.ts"), "utf8")).toBe("run");
});

describe("put() refuses and keeps nothing of", () => {
  const cases: readonly (readonly [string, Snapshot, string])[] = [
    ["a path that leads out", toSnapshot({ "plugin.json": "", "../x.ts": "" }), '"../x.ts" can\'t be used'],
    ["an absolute path", toSnapshot({ "plugin.json": "", "/etc/cron.d/x": "" }), "can't be used"],
    ["a path with a backslash", toSnapshot({ "plugin.json": "", "..\\x.ts": "" }), "can't be used"],
    ["an odd URL", toSnapshot({ "plugin.json": "", "https://example.com/a/../b.ts": "" }), "can't be used"],
    ["names that differ in case", toSnapshot({ "plugin.json": "", "a.ts": "", "A.ts": "" }), "rename one"],
    [
      "folders that differ in case",
      toSnapshot({ "plugin.json": "", "lib/a.ts": "", "Lib/b.ts": "" }),
      "rename",
    ],
    [
      "names in two encodings",
      toSnapshot({ "plugin.json": "", "\u00E9.ts": "", "e\u0301.ts": "" }),
      "rename",
    ],
    ["a file that is a folder", toSnapshot({ "plugin.json": "", lib: "", "lib/a.ts": "" }), "rename one"],
    ["a folder that is a file", toSnapshot({ "plugin.json": "", "lib/a.ts": "", lib: "" }), "rename one"],
    ["a plugin without its entry", toSnapshot({ "run.ts": "" }), 'doesn\'t hold "plugin.json"'],
    ["its own signatures", toSnapshot({ "plugin.json": "", "plugin.json.sig": "" }), "signature file"],
    [
      "a redirect to nothing",
      toSnapshot({ "plugin.json": "" }, { redirects: new Map([["../a.ts", "a.ts"]]) }),
      'doesn\'t hold "a.ts"',
    ],
    [
      "a name that no disk can hold",
      toSnapshot({ "plugin.json": "", ["x".repeat(300)]: "" }),
      "too long a name",
    ],
  ];
  test.each(cases)("%s", async (_what, snapshot, reason) => {
    await using kept = await TestStore.create();
    expect(await refusalOf(kept.store.put(snapshot))).toContain(reason);
    expect((await kept.list()).filter((name) => name !== "tmp")).toEqual([]);
  });

  test("anything but what was asked for", async () => {
    await using kept = await TestStore.create();
    const other = toSnapshot({ "plugin.json": "other" });
    const message = await refusalOf(kept.store.put(other, CRM));
    expect(message).toBe(`Cannot keep a plugin: expected ${CRM}, found ${computeIntegrity(other)}`);
    expect(await kept.list()).toEqual([]);
  });
});

test("put() says who must be let write when the cache can't be written", async () => {
  await using kept = await TestStore.create();
  await kept.folder.write({ data: "a file" });
  const message = await refusalOf(kept.store.put(crm));
  expect(message).toStartWith(`Cannot keep plugins in ${kept.cache}: `);
  expect(message).toContain("a file stands where the folder should be");
  expect(await kept.store.find(CRM)).toBeNull();
});

test("put() by many processes at once leaves one whole copy", async () => {
  await using kept = await TestStore.create();
  const module = join(import.meta.dir, "../../../src/plugins/snapshot/store.ts");
  const code = `
    import { SnapshotStore } from ${JSON.stringify(module)};
    const store = new SnapshotStore({ cache: "data/plugins", vendor: "vendor/plugins", log: { warn() {} } });
    const files = new Map(Array.from({ length: 40 }, (_, index) => [index + ".ts", Buffer.from("x".repeat(index))]));
    files.set("plugin.json", Buffer.from("{}"));
    const snapshot = { entry: "plugin.json", files, redirects: new Map(), signatures: null };
    const all = await Promise.all(Array.from({ length: 5 }, () => store.put(snapshot)));
    const found = await store.find(all[0].integrity);
    console.log(found.integrity, found.snapshot.files.size);`;
  await kept.folder.write({ "put.ts": code });
  const runs = Array.from({ length: 4 }, () =>
    Bun.$`${process.execPath} put.ts`.cwd(kept.folder.path).text(),
  );
  const printed = await Promise.all(runs);
  expect(new Set(printed).size).toBe(1);
  expect(printed[0]).toEndWith(" 41\n");
  expect(await readdir(join(kept.cache, "sources"))).toHaveLength(1);
  expect(await readdir(join(kept.cache, "tmp"))).toEqual([]);
});

test("put() sweeps what a process left that was killed an hour ago, and nothing younger", async () => {
  await using kept = await TestStore.create();
  await mkdirWith(join(kept.cache, "tmp/old"), "half.ts");
  await mkdirWith(join(kept.cache, "tmp/young"), "half.ts");
  const before = new Date(Date.now() - 3_700_000);
  await utimes(join(kept.cache, "tmp/old"), before, before);
  await kept.store.put(crm);
  expect(await readdir(join(kept.cache, "tmp"))).toEqual(["young"]);
});

test("signatures can come later, and change", async () => {
  await using kept = await TestStore.create();
  const unsigned = { ...crm, signatures: null };
  await kept.store.put(unsigned);
  const signaturesNow = async (): Promise<string | null> => {
    const bytes = (await kept.another().find(CRM))?.snapshot.signatures ?? null;
    return bytes && new TextDecoder().decode(bytes);
  };
  expect(await signaturesNow()).toBeNull();
  const put = await kept.store.put(crm);
  expect(new TextDecoder().decode(put.snapshot.signatures ?? undefined)).toBe("signed");
  expect(await signaturesNow()).toBe("signed");
  await kept.store.put(unsigned);
  expect(await signaturesNow()).toBe("signed");
  await kept.store.setSignatures(CRM, new TextEncoder().encode("by another"));
  expect(await signaturesNow()).toBe("by another");
  const other = computeIntegrity(toSnapshot({ "plugin.json": "not there" }));
  await kept.store.setSignatures(other, new Uint8Array());
  expect(await readdir(join(kept.cache, "sources"))).toHaveLength(1);
});

describe("the project's own copies", () => {
  test("are found first, with an empty cache too, and are left by put()", async () => {
    await using kept = await TestStore.create();
    await kept.store.put(crm);
    const copied = await kept.store.copyToVendor(CRM);
    expect(copied).toMatchObject({ integrity: CRM, isVendored: true });
    expect(copied.root).toBe(join(kept.vendor, "sources", integrityToHex(CRM), "files"));
    await rm(kept.cache, { recursive: true });
    const found = await kept.another().find(CRM);
    expect(found).toMatchObject({ isVendored: true, root: copied.root });
    expect(texts(found as OpenedSnapshot)[URL_NAME]).toBe("tax");
    expect(await kept.list("vendor")).not.toContain("tmp");
    expect((await kept.store.copyToVendor(CRM)).root).toBe(copied.root);
  });

  test("that are damaged are logged and left, and the cache is used", async () => {
    await using kept = await TestStore.create();
    await kept.store.put(crm);
    const { root } = await kept.store.copyToVendor(CRM);
    await writeFile(join(root, "run.ts"), "evil");
    const found = await kept.store.find(CRM);
    expect(found).toMatchObject({ isVendored: false });
    expect(texts(found as OpenedSnapshot)["run.ts"]).toBe("run");
    expect(kept.lines[0]?.["msg"]).toBe("kept plugin is damaged; run `xcore plugin vendor` again");
    expect(await readFile(join(root, "run.ts"), "utf8")).toBe("evil");
    await kept.store.copyToVendor(CRM);
    expect(await kept.store.find(CRM)).toMatchObject({ isVendored: true });
    expect(await readFile(join(root, "run.ts"), "utf8")).toBe("run");
  });

  test("take over new signatures", async () => {
    await using kept = await TestStore.create();
    await kept.store.put({ ...crm, signatures: null });
    await kept.store.copyToVendor(CRM);
    await kept.store.put(crm);
    await kept.store.copyToVendor(CRM);
    const found = await kept.store.find(CRM);
    expect(found?.isVendored).toBe(true);
    expect(new TextDecoder().decode(found?.snapshot.signatures ?? undefined)).toBe("signed");
  });

  test("go when nothing pins them any more", async () => {
    await using kept = await TestStore.create();
    const other = await kept.store.put(toSnapshot({ "plugin.json": "other" }));
    await kept.store.put(crm);
    await kept.store.copyToVendor(CRM);
    await kept.store.copyToVendor(other.integrity);
    expect(await kept.store.pruneVendor([CRM])).toEqual([integrityToHex(other.integrity)]);
    expect(await readdir(join(kept.vendor, "sources"))).toEqual([integrityToHex(CRM)]);
    expect(await kept.store.pruneVendor([CRM])).toEqual([]);
    expect(await kept.store.find(other.integrity)).toMatchObject({ isVendored: false });
  });

  test("can't be made of what isn't there", async () => {
    await using kept = await TestStore.create();
    expect(await refusalOf(kept.store.copyToVendor(CRM))).toContain(`Cannot copy ${CRM}`);
    expect(await kept.list("vendor")).toEqual([]);
  });

  test("survive a repository that ignores and rewrites files of their kinds", async () => {
    await using kept = await TestStore.create();
    const lines = toSnapshot({ "plugin.json": "{\n}\n", "dist/a.sql": "a\r\nb\n", "public/x.log": "x\n" });
    const { integrity } = await kept.store.put(lines);
    await kept.store.copyToVendor(integrity);
    await kept.folder.write({
      ".gitignore": "data\ndist\n*.log\n*.sql\n",
      ".gitattributes": "* text eol=crlf\n",
    });
    const git = (...args: string[]): Promise<unknown> =>
      Bun.$`git -c user.name=t -c user.email=t@example.com -c core.autocrlf=true ${args}`
        .cwd(kept.folder.path)
        .env({ PATH: process.env["PATH"] ?? "", HOME: kept.folder.path })
        .quiet();
    await git("init");
    await git("add", ".");
    await git("commit", "-m", "all");
    await git("clone", ".", "clone");
    const store = new SnapshotStore({
      cache: join(kept.folder.path, "clone/data/plugins"),
      vendor: join(kept.folder.path, "clone/vendor/plugins"),
      log: pino({ level: "silent" }),
    });
    expect(await store.find(integrity)).toMatchObject({ isVendored: true });
  });
});

async function mkdirWith(folder: string, file: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, file), "");
}
