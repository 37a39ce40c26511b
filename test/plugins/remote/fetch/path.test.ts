import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { TestFolder } from "../../../setup.ts";
import { failureOf, fetchFrom, FileHost, namesOf, textsOf, toArchive } from "../file-host.ts";

test("fetchPlugin() takes a folder of this machine, and what its code imports from URLs", async () => {
  await using cdn = new FileHost({ "/x.ts": 'import "./y.ts"', "/y.ts": "" });
  await using folder = await TestFolder.create({
    "crm/plugin.json": { name: "crm", version: "1.0.0" },
    "crm/run.ts": `import "./lib"; import "${cdn.url("/x.ts")}";`,
    "crm/lib/index.ts": "",
    "crm/public/app.js": 'import "https://cdn.invalid/x.js"',
    "crm/plugin.json.sig": "signed",
    "crm/run.test.ts": 'import "https://cdn.invalid/x.ts"',
  });
  const fetched = await fetchFrom(join(folder.path, "crm"), { limits: { allowHosts: ["127.0.0.1"] } });
  const own = ["lib/index.ts", "plugin.json", "public/app.js", "run.ts"];
  expect(namesOf(fetched)).toEqual([cdn.url("/x.ts"), cdn.url("/y.ts"), ...own].toSorted());
  expect(Buffer.from(fetched.snapshot.signatures ?? []).toString()).toBe("signed");
  expect(fetched.hosts).toEqual([new URL(cdn.url("/")).host]);
});

test("fetchPlugin() gives a folder, its archive and its URL the same integrity", async () => {
  const files = {
    "plugin.json": { files: ["notes.md"] },
    "run.ts": 'import "./a.ts"',
    "a.ts": "",
    "notes.md": "#",
  };
  await using folder = await TestFolder.create(files);
  const texts = Object.entries(files).map(([name, content]) => {
    const text = typeof content === "string" ? content : JSON.stringify(content);
    return [name, text] as const;
  });
  await Bun.write(join(folder.path, "crm.tgz"), await toArchive(texts));
  await Bun.write(join(folder.path, "crm.tgz.sig"), "signed");
  await using host = new FileHost(Object.fromEntries(texts.map(([name, text]) => [`/${name}`, text])));
  const fetched = await Promise.all(
    [
      fetchFrom(folder.path),
      fetchFrom(join(folder.path, "crm.tgz")),
      fetchFrom(host.url("/plugin.json")),
    ].slice(1),
  );
  expect(new Set(fetched.map(({ integrity }) => integrity)).size).toBe(1);
  expect(Buffer.from(fetched[0]?.snapshot.signatures ?? []).toString()).toBe("signed");
  await folder.remove("crm.tgz.sig");
  expect((await fetchFrom(folder.path)).integrity).toBe(fetched[0]?.integrity ?? "");
});

test("fetchPlugin() takes a module of this machine with what it imports below its folder", async () => {
  await using folder = await TestFolder.create({
    "p/hello.ts": 'import "./lib/a.ts"; import data from "./data.json";',
    "p/lib/a.ts": 'import "../hello.ts"; import "./b.ts"',
    "p/lib/b.ts": "export {}",
    "p/data.json": "[1]",
    "p/unused.ts": "",
    "p/hello.ts.sig": "signed",
  });
  const fetched = await fetchFrom(join(folder.path, "p/hello.ts"));
  expect(fetched.snapshot.entry).toBe("hello.ts");
  expect(namesOf(fetched)).toEqual(["data.json", "hello.ts", "lib/a.ts", "lib/b.ts"]);
  expect(textsOf(fetched)["data.json"]).toBe("[1]");
  expect(Buffer.from(fetched.snapshot.signatures ?? []).toString()).toBe("signed");
});

test("fetchPlugin() takes nothing of this machine from outside a plugin's folder", async () => {
  await using folder = await TestFolder.create({
    "secret.ts": "export {}",
    "p/up.ts": 'import "../secret.ts"',
    "p/link.ts": 'import "./linked.ts"',
    "p/missing.ts": 'import "./nothing.ts"',
    "crm/plugin.json": {},
    "crm/run.ts": 'import "../secret.ts"',
    "linked/plugin.json": {},
    "empty/run.ts": "",
  });
  await symlink("../secret.ts", join(folder.path, "p/linked.ts"));
  await symlink("../secret.ts", join(folder.path, "linked/run.ts"));
  const messages = {
    "p/up.ts":
      'Cannot fetch "../secret.ts", which "up.ts" imports: it is outside the plugin\'s folder; move it in',
    "p/link.ts":
      'Cannot fetch "linked.ts", which "link.ts" imports: it leads outside the plugin\'s folder; move it in',
    "p/missing.ts": 'Cannot fetch "nothing.ts", which "missing.ts" imports: it is not there',
    crm: 'Cannot fetch "../secret.ts", which "run.ts" imports: it is outside the plugin\'s folder',
    linked: "it is a link",
    nothing: "it is not there",
    "secret.txt": "it is not there",
    empty: "the folder holds no plugin.json; add one",
    "linked/plugin.json": "its ending doesn't say what it is; name a folder with a plugin.json",
  };
  for (const [path, message] of Object.entries(messages)) {
    const error = await failureOf(fetchFrom(join(folder.path, path)));
    expect(error.message).toContain(message);
    expect(error.isTransient).toBe(false);
  }
});

test("fetchPlugin() keeps a plugin of this machine within the size limit", async () => {
  await using folder = await TestFolder.create({
    "crm/plugin.json": {},
    "crm/data.csv": "x".repeat(2000),
    "m/large.ts": `//${"x".repeat(2000)}`,
    "m/small.ts": 'import "./large.ts"',
  });
  for (const path of ["crm", "m/large.ts", "m/small.ts"]) {
    const { message } = await failureOf(fetchFrom(join(folder.path, path), { limits: { maxBytes: 1000 } }));
    expect(message).toContain("1000 bytes");
  }
});
