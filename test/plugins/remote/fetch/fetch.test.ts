import { expect, test } from "bun:test";
import { computeIntegrity } from "../../../../src/plugins/snapshot/integrity.ts";
import { failureOf, fetchFrom, FileHost, namesOf, redirectTo, textsOf, toArchive } from "../file-host.ts";

const MANIFEST = { name: "crm", version: "1.0.0" };

test("fetchPlugin() takes a module with what it imports, each once, cycles included", async () => {
  await using host = new FileHost({
    "/p/hello.ts":
      'import { a } from "./lib/a.ts"; import text from "./notes.txt" with { type: "text" }; a(text);',
    "/p/lib/a.ts": 'import "./b.tsx"; import data from "../data.json"; export const a = () => data;',
    "/p/lib/b.tsx":
      'import "./a.ts"; import "elysia"; import "xcore"; import "node:fs"; import "plugin:other"; <a/>;',
    "/p/data.json": "[1]",
    "/p/notes.txt": "as is",
  });
  const fetched = await fetchFrom(host.url("/p/hello.ts"));
  expect(fetched.snapshot.entry).toBe("hello.ts");
  expect(namesOf(fetched)).toEqual(["data.json", "hello.ts", "lib/a.ts", "lib/b.tsx", "notes.txt"]);
  expect(textsOf(fetched)["notes.txt"]).toBe("as is");
  expect(fetched.snapshot.redirects).toEqual(new Map());
  expect(fetched.snapshot.signatures).toBeNull();
  expect(fetched.integrity).toBe(computeIntegrity(fetched.snapshot));
  expect(fetched.hosts).toEqual([host.host.replace("localhost", "127.0.0.1")]);
  expect(host.requests.toSorted()).toEqual([
    "/p/data.json",
    "/p/hello.ts",
    "/p/hello.ts.sig",
    "/p/lib/a.ts",
    "/p/lib/b.tsx",
    "/p/notes.txt",
  ]);
});

test("fetchPlugin() follows every kind of import that the bundler follows, and no type", async () => {
  const kinds = {
    "star.ts": 'export * from "./star.ts"',
    "named.ts": 'export { x } from "./named.ts"',
    "side.ts": 'import "./side.ts"',
    "dynamic.ts": 'const d = import("./dynamic.ts")',
    "required.cjs": 'const r = require("./required.cjs")',
    "equals.ts": 'import e = require("./equals.ts"); e()',
  };
  await using host = new FileHost({
    "/run.ts": `${Object.values(kinds).join(";\n")};\nimport type { T } from "./types.ts"; export type { U } from "./u.ts";`,
    ...Object.fromEntries(Object.keys(kinds).map((name) => [`/${name}`, "export const x = 1"])),
  });
  const fetched = await fetchFrom(host.url("/run.ts"));
  expect(namesOf(fetched)).toEqual(["run.ts", ...Object.keys(kinds)].toSorted());
});

test("fetchPlugin() takes plugin.json with its entry, what `files` lists, and what the code imports", async () => {
  await using host = new FileHost({
    "/p/plugin.json": {
      ...MANIFEST,
      entry: "src/main.ts",
      files: ["templates/a b.html", "public/app.js", "schema.ts", "odd/50%: what?#[1].sql"],
    },
    "/p/src/main.ts": 'import "../lib/tax.ts";',
    "/p/lib/tax.ts": "",
    "/p/templates/a b.html": "<!doctype html><p>",
    "/p/odd/50%: what?#[1].sql": "--",
    // What browsers load is no part of the graph.
    "/p/public/app.js": 'import "https://cdn.invalid/x.js"; import "/static/y.js";',
    "/p/schema.ts": 'import "./columns.ts"',
    "/p/columns.ts": "",
  });
  const fetched = await fetchFrom(host.url("/p/plugin.json?v=1"));
  expect(fetched.snapshot.entry).toBe("plugin.json");
  expect(namesOf(fetched)).toEqual([
    "columns.ts",
    "lib/tax.ts",
    "odd/50%: what?#[1].sql",
    "plugin.json",
    "public/app.js",
    "schema.ts",
    "src/main.ts",
    "templates/a b.html",
  ]);
});

test("fetchPlugin() gives an archive and a folder of files with the same bytes the same integrity", async () => {
  const manifest = JSON.stringify({ ...MANIFEST, files: ["notes.md", "lib/a.ts"] });
  const files = [
    ["plugin.json", manifest],
    ["run.ts", 'import "./lib/a"; import "./lib/a.js";'],
    ["lib/a.ts", ""],
    ["notes.md", "# Notes"],
  ] as const;
  await using host = new FileHost({
    ...Object.fromEntries(files.map(([name, content]) => [`/p/${name}`, content])),
    "/crm.tgz": await toArchive(files),
  });
  const [folder, archive] = [
    await fetchFrom(host.url("/p/plugin.json")),
    await fetchFrom(host.url("/crm.tgz")),
  ];
  expect(textsOf(archive)).toEqual(Object.fromEntries(files));
  expect(folder.integrity).toBe(archive.integrity);
});

test("fetchPlugin() names modules from elsewhere by their URL, and keeps one copy however it is reached", async () => {
  await using cdn = new FileHost({
    "/lib@1/mod.ts": 'import "./dep.ts"; import "/abs.ts#part";',
    "/lib@1/dep.ts": "export {}",
    "/abs.ts": "export {}",
    "/latest.ts": redirectTo("/lib@1/mod.ts"),
    "/older.ts": redirectTo("/latest.ts", 301),
  });
  await using host = new FileHost({});
  host.files.set(
    "/p/run.ts",
    `import "${cdn.url("/latest.ts")}"; import "${cdn.url("/older.ts")}"; import "${cdn.url("/lib@1/mod.ts")}";
     import "../shared.ts"; import "${host.url("/p/own.ts")}"; import "./own.ts"; import "./moved.ts"; import "./out.ts";`,
  );
  host.files.set("/shared.ts", 'import "./p/own.ts"');
  host.files.set("/p/own.ts", "");
  host.files.set("/p/moved.ts", redirectTo("/p/own.ts"));
  host.files.set("/p/out.ts", redirectTo(cdn.url("/abs.ts")));
  const fetched = await fetchFrom(host.url("/p/run.ts"), {
    limits: { allowHosts: [new URL(cdn.url("/")).host] },
  });
  expect(namesOf(fetched)).toEqual(
    [
      "own.ts",
      "run.ts",
      cdn.url("/abs.ts"),
      cdn.url("/lib@1/dep.ts"),
      cdn.url("/lib@1/mod.ts"),
      host.url("/shared.ts"),
    ].toSorted(),
  );
  expect(Object.fromEntries(fetched.snapshot.redirects)).toEqual({
    [cdn.url("/latest.ts")]: cdn.url("/lib@1/mod.ts"),
    [cdn.url("/older.ts")]: cdn.url("/lib@1/mod.ts"),
    "../shared.ts": host.url("/shared.ts"),
    [host.url("/p/own.ts")]: "own.ts",
    "moved.ts": "own.ts",
    "out.ts": cdn.url("/abs.ts"),
  });
  expect(cdn.requests.toSorted()).toEqual([
    "/abs.ts",
    "/latest.ts",
    "/lib@1/dep.ts",
    "/lib@1/mod.ts",
    "/older.ts",
  ]);
});

test("fetchPlugin() takes the folder of the URL that the entry is redirected to; listed files keep their names", async () => {
  await using host = new FileHost({
    "/latest/plugin.json": redirectTo("/1.2.0/plugin.json"),
    "/1.2.0/plugin.json": { ...MANIFEST, files: ["templates/page.html"] },
    "/1.2.0/run.ts": redirectTo("/store/9f3a.ts"),
    "/1.2.0/templates/page.html": redirectTo("/store/77aa"),
    "/store/9f3a.ts": 'import "./lib.ts"',
    "/store/77aa": "<p>",
    "/1.2.0/lib.ts": "",
  });
  const fetched = await fetchFrom(host.url("/latest/plugin.json"));
  expect(namesOf(fetched)).toEqual(["lib.ts", "plugin.json", "run.ts", "templates/page.html"]);
  expect(fetched.snapshot.redirects.size).toBe(0);
});

test("fetchPlugin() takes the name asked for when its host redirects downloads to one that says nothing", async () => {
  await using host = new FileHost({
    "/releases/crm.tgz": redirectTo("/assets/4711?filename=crm.tgz"),
    "/releases/crm.tgz.sig": redirectTo("/assets/4712"),
    "/assets/4711": await toArchive([["plugin.json", "{}"]]),
    "/assets/4712": "signed",
  });
  const fetched = await fetchFrom(host.url("/releases/crm.tgz"));
  expect(namesOf(fetched)).toEqual(["plugin.json"]);
  expect(Buffer.from(fetched.snapshot.signatures ?? []).toString()).toBe("signed");

  host.files.set("/p/hello.ts", redirectTo("/assets/4713"));
  host.files.set("/assets/4713", 'import "./lib.ts"');
  host.files.set("/p/lib.ts", "");
  const module = await fetchFrom(host.url("/p/hello.ts"));
  expect(module.snapshot.entry).toBe("hello.ts");
  expect(namesOf(module)).toEqual(["hello.ts", "lib.ts"]);
});

test("fetchPlugin() fetches signatures beside the entry, which are no part of the plugin", async () => {
  const { integrity: unsigned } = await (async () => {
    await using host = new FileHost({ "/hello.ts": "export {}" });
    return await fetchFrom(host.url("/hello.ts"));
  })();
  await using host = new FileHost({ "/hello.ts": "export {}", "/hello.ts.sig": '{"signatures":[]}' });
  const fetched = await fetchFrom(host.url("/hello.ts"));
  expect(Buffer.from(fetched.snapshot.signatures ?? []).toString()).toBe('{"signatures":[]}');
  expect(fetched.integrity).toBe(unsigned);

  host.files.set(
    "/hello.ts.sig",
    () => new Response("<p>not found", { headers: { "content-type": "text/html" } }),
  );
  expect((await fetchFrom(host.url("/hello.ts"))).snapshot.signatures).toBeNull();
  host.files.set("/hello.ts.sig", () => new Response("", { status: 503 }));
  const error = await failureOf(fetchFrom(host.url("/hello.ts")));
  expect(error.message).toContain('hello.ts.sig", the file of its signatures: its host answered 503');
  expect(error.isTransient).toBe(true);
  host.files.set("/hello.ts.sig", "x".repeat(70_000));
  expect((await failureOf(fetchFrom(host.url("/hello.ts")))).message).toContain("more than 65536 bytes came");
});

test("fetchPlugin() asks at least 8, and at most 16, times at once for a graph of 200 modules", async () => {
  let running = 0;
  let most = 0;
  const eight = Promise.withResolvers<void>();
  const answer = async (): Promise<Response> => {
    running += 1;
    most = Math.max(most, running);
    if (running === 8) eight.resolve();
    await eight.promise;
    // The others of this turn come in before it leaves.
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
    return new Response("export {}");
  };
  const names = Array.from({ length: 200 }, (_, index) => `m${index}.ts`);
  await using host = new FileHost({
    "/run.ts": names.map((name) => `import "./${name}";`).join("\n"),
    ...Object.fromEntries(names.map((name) => [`/${name}`, answer])),
  });
  const fetched = await fetchFrom(host.url("/run.ts"));
  expect(fetched.snapshot.files.size).toBe(201);
  expect(most).toBeGreaterThanOrEqual(8);
  expect(most).toBeLessThanOrEqual(16);
});

test("fetchPlugin() refuses imports that no file of the plugin can be", async () => {
  const imports = {
    'import "/etc/passwd"':
      'Cannot import "/etc/passwd" in "run.ts": write a path such as "./lib/tax.ts", or a URL',
    'import "file:///etc/passwd"': 'Cannot import "file:///etc/passwd" in "run.ts"',
    'import "./a.ts?v=2"':
      'Cannot import "./a.ts?v=2" in "run.ts": a file of the plugin has no "?" in its name',
    'import "./"': 'Cannot import "./" in "run.ts"',
    'import "https://"': 'Cannot import "https://" in "run.ts"',
  };
  for (const [code, message] of Object.entries(imports)) {
    await using host = new FileHost({ "/run.ts": code });
    expect((await failureOf(fetchFrom(host.url("/run.ts")))).message).toStartWith(message);
  }
});

test("fetchPlugin() refuses a manifest that names files elsewhere, or is none", async () => {
  const manifests = {
    '{ "entry": "../run.ts" }': 'Cannot use "entry" of',
    '{ "entry": 7 }': 'Cannot use "entry" of',
    '{ "files": ["/etc/passwd"] }': 'Cannot use "files" of',
    '{ "files": ["a/../../b"] }': 'Cannot use "files" of',
    '{ "files": {} }': 'Cannot use "files" of',
    "[]": "Cannot read",
    "{ name": "Cannot read",
    "": "Cannot read",
    ["[".repeat(100_000)]: "Cannot read",
  };
  for (const [text, message] of Object.entries(manifests)) {
    await using host = new FileHost({ "/plugin.json": text, "/run.ts": "" });
    const error = await failureOf(fetchFrom(host.url("/plugin.json")));
    expect(error.message).toStartWith(message);
    expect(error.message).toContain(host.url("/plugin.json"));
    expect(error.isTransient).toBe(false);
  }
});

test("fetchPlugin() refuses a URL whose ending doesn't say what it is", async () => {
  await using host = new FileHost({ "/hello": "export {}", "/hello.d.ts": "", "/dir/": "" });
  for (const path of ["/hello", "/hello.d.ts", "/dir/"]) {
    const { message } = await failureOf(fetchFrom(host.url(path)));
    expect(message).toContain(
      "its ending doesn't say what it is; name a plugin.json, a .tgz, or a module: .ts",
    );
  }
});

test("fetchPlugin() refuses a URL module that is code without saying so in its name", async () => {
  const headers = { "content-type": "text/javascript" };
  const code = (): Response => new Response("export {}", { headers });
  await using host = new FileHost({ "/p/run.ts": 'import "../lib@2";', "/lib@2": code });
  const { message } = await failureOf(fetchFrom(host.url("/p/run.ts")));
  expect(message).toContain('/lib@2", which "run.ts" imports: it is code, and its name doesn\'t say so');
});

test("fetchPlugin() refuses more than 5,000 files", async () => {
  const files = Array.from({ length: 5_001 }, (_, index) => `f${index}`);
  await using host = new FileHost({
    "/plugin.json": { ...MANIFEST, files },
    "/run.ts": "",
    ...Object.fromEntries(files.map((name) => [`/${name}`, ""])),
  });
  const { message } = await failureOf(fetchFrom(host.url("/plugin.json")));
  expect(message).toContain("the plugin has more than 5000 files and redirects; leave some out");
});

test("fetchPlugin() follows code that begins with #!, and leaves what can't be parsed to the bundler", async () => {
  await using host = new FileHost({
    "/run.ts": '#!/usr/bin/env bun\nimport "./broken.ts";',
    "/broken.ts": 'import "./never.ts"; const = ;',
  });
  expect(namesOf(await fetchFrom(host.url("/run.ts")))).toEqual(["broken.ts", "run.ts"]);
});
