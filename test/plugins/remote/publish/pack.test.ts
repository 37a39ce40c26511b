import { chmod, mkdir, readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, test } from "bun:test";
import { PluginError } from "../../../../src/plugins/failure/failure.ts";
import { fetchPlugin, type FetchOptions } from "../../../../src/plugins/remote/fetch/fetch.ts";
import { parseLocation } from "../../../../src/plugins/remote/fetch/location.ts";
import {
  listFiles,
  packFiles,
  type PublishablePlugin,
  readListed,
  readPublishable,
} from "../../../../src/plugins/remote/publish/pack.ts";
import { writePublished } from "../../../../src/plugins/remote/publish/folder.ts";
import { type Files, TestFolder } from "../../../setup.ts";

const CRM: Files = {
  "plugin.json": { name: "crm", version: "1.2.0" },
  "run.ts": `import { tax } from "./lib/tax.ts";\nexport default tax;\n`,
  "lib/tax.ts": "export const tax = 1;\n",
  "drizzle/sqlite/0000_first.sql": "select 1;\n",
  "public/a b.svg": "<svg/>",
  "public/empty": "",
};

function read(folder: TestFolder): Promise<PublishablePlugin> {
  return readPublishable(folder.path, { shown: "crm", maxBytes: 1_000_000 });
}

function optionsFor(folder: TestFolder): FetchOptions {
  const limits = {
    timeoutMs: 5000,
    maxBytes: 1_000_000,
    maxRedirects: 5,
    allowHosts: [],
    isOffline: false,
  };
  return { limits, tmp: join(folder.path, "tmp"), projectDirectory: folder.path };
}

async function listAll(folder: TestFolder): Promise<string[]> {
  return (await readdir(folder.path, { recursive: true })).toSorted();
}

async function integrityOf(place: string, folder: TestFolder): Promise<string> {
  return (await fetchPlugin(parseLocation(place, folder.path), optionsFor(folder))).integrity;
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(PluginError);
  return (error as PluginError).message;
}

describe("packFiles()", () => {
  test("gives the same bytes for the same files, whatever their order, times and modes", async () => {
    await using first = await TestFolder.create(CRM);
    const before = process.umask(0o077);
    await using second = await TestFolder.create(Object.fromEntries(Object.entries(CRM).toReversed()));
    process.umask(before);
    for (const name of Object.keys(CRM)) {
      const file = join(second.path, name);
      // oxlint-disable-next-line no-await-in-loop -- a handful
      await Promise.all([utimes(file, 1, 1), utimes(dirname(file), 2, 2), chmod(file, 0o755)]);
    }
    const [one, two] = await Promise.all([packFiles(await read(first)), packFiles(await read(second))]);
    expect(Buffer.from(one).equals(two)).toBe(true);
    await first.write({ "lib/tax.ts": "export const tax = 2;\n" });
    expect(Buffer.from(one).equals(await packFiles(await read(first)))).toBe(false);
  });

  test("says nothing of when and where it was packed, and tar unpacks it", async () => {
    await using folder = await TestFolder.create({ ...CRM, "plugin.json.sig": "signatures" });
    const packed = await packFiles(await read(folder));
    expect(Buffer.from(packed).toString("hex", 0, 10)).toBe("1f8b08000000000002ff");
    await using unpacked = await TestFolder.create();
    await writeFile(join(unpacked.path, "crm.tgz"), packed);
    const listed = await Bun.$`gzip --test crm.tgz && tar -xvzf crm.tgz`.cwd(unpacked.path).text();
    const names = [...Object.keys(CRM), "plugin.json.sig"];
    expect(listed.trim().split("\n")).toEqual(names.toSorted());
    const content = await readFile(join(unpacked.path, "lib/tax.ts"), "utf8");
    expect(content).toBe("export const tax = 1;\n");
  });

  test("refuses a name that is too long for an archive", async () => {
    await using folder = await TestFolder.create({ ...CRM, [`${"long".repeat(30)}.ts`]: "" });
    expect(await refusal(packFiles(await read(folder)))).toContain("too long; shorten it");
  });
});

test("a plugin has one integrity as a folder and packed, on the disk and on a web server", async () => {
  await using folder = await TestFolder.create();
  await using source = await TestFolder.create(CRM);
  const published = listFiles(await read(source));
  await writePublished(published, join(folder.path, "www/crm"), async () => {});
  await writeFile(join(folder.path, "www/crm.tgz"), await packFiles(published));
  const asked: string[] = [];
  using server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      const path = decodeURIComponent(new URL(request.url).pathname);
      asked.push(path);
      const file = Bun.file(join(folder.path, "www", path));
      return file.size > 0 || path.endsWith("/empty")
        ? new Response(file)
        : new Response(null, { status: 404 });
    },
  });
  const integrity = await integrityOf("./www/crm", folder);
  expect(await integrityOf("./www/crm.tgz", folder)).toBe(integrity);
  expect(await integrityOf(`${server.url.href}crm.tgz`, folder)).toBe(integrity);
  expect(await integrityOf(`${server.url.href}crm/plugin.json`, folder)).toBe(integrity);
  expect(asked).toContain("/crm/public/a b.svg");
  expect(await integrityOf(source.path, folder)).not.toBe(integrity);
});

describe("readPublishable() refuses", () => {
  const cases: readonly (readonly [string, Files, string])[] = [
    ["a folder without a manifest", { "run.ts": "" }, 'Cannot find plugin.json in "crm"'],
    ["a manifest that can't be used", { "plugin.json": { name: "crm" } }, '"version" is missing'],
    ["a missing entry", { "plugin.json": { name: "crm", version: "1.0.0" } }, 'Cannot find entry "run.ts"'],
    [
      "an entry that is left out",
      { "plugin.json": { name: "crm", version: "1.0.0", entry: "run.test.ts" }, "run.test.ts": "" },
      'Cannot find entry "run.test.ts"',
    ],
    [
      "an entry elsewhere",
      { "plugin.json": { name: "crm", version: "1.0.0", entry: "../run.ts" }, "run.ts": "" },
      'Cannot find entry "../run.ts"',
    ],
    ["a private key", { ...CRM, "k.pem": `-----BEGIN PRIVATE KEY-----\nAAAA\n` }, 'Cannot publish "k.pem"'],
    [
      "names that differ in case",
      { ...CRM, "lib/Tax.ts": "" },
      'Cannot publish "lib/Tax.ts" and "lib/tax.ts"',
    ],
  ];
  test.each(cases)("%s", async (_what, files, reason) => {
    await using folder = await TestFolder.create(files);
    expect(await refusal(read(folder))).toContain(reason);
  });

  test("files that are too large", async () => {
    await using folder = await TestFolder.create(CRM);
    expect(await refusal(readPublishable(folder.path, { shown: "crm", maxBytes: 10 }))).toContain(
      "size_limit",
    );
  });
});

test("readPublishable() takes an entry however it is written", async () => {
  const manifest = { name: "crm", version: "1.2.0", entry: "./lib/../lib/tax.ts" };
  await using folder = await TestFolder.create({ ...CRM, "plugin.json": manifest });
  expect((await read(folder)).manifest.name).toBe("crm");
});

describe("listFiles()", () => {
  const LISTED = ["drizzle/sqlite/0000_first.sql", "lib/tax.ts", "public/a b.svg", "public/empty", "run.ts"];

  test("lists all files but plugin.json, and leaves the rest of it as it was written", async () => {
    const text = '\uFEFF{\r\n\t// who\r\n\t"name": "crm",\r\n\t"version": "1.2.0", // of May\r\n}\r\n';
    await using folder = await TestFolder.create({ ...CRM, "plugin.json": text });
    const listed = listFiles(await read(folder));
    const written = Buffer.from(listed.files.get("plugin.json") ?? []).toString();
    expect(written).toStartWith('\uFEFF{\r\n\t// who\r\n\t"name": "crm",\r\n\t"version": "1.2.0"');
    expect(written).toContain("// of May");
    expect(written).not.toMatch(/[^\r]\n/);
    await folder.write({ "plugin.json": written });
    const again = await read(folder);
    expect(listFiles(again)).toBe(again);
    expect(readListed(written)).toEqual(LISTED);
  });

  test("replaces a list that is out of date", async () => {
    const manifest = { name: "crm", version: "1.2.0", files: ["gone.ts"] };
    await using folder = await TestFolder.create({ ...CRM, "plugin.json": manifest });
    const listed = listFiles(await read(folder));
    const text = Buffer.from(listed.files.get("plugin.json") ?? []).toString();
    expect(JSON.parse(text)).toEqual({ ...manifest, files: LISTED });
  });
});

describe("writePublished()", () => {
  test("replaces what it wrote before, whole", async () => {
    await using source = await TestFolder.create({ ...CRM, "plugin.json.sig": "old" });
    await using folder = await TestFolder.create();
    const target = join(folder.path, "www/crm");
    await writePublished(listFiles(await read(source)), target, async () => {});
    await source.remove("public");
    await source.remove("plugin.json.sig");
    await source.write({ "new.ts": "" });
    await writePublished(listFiles(await read(source)), target, async () => {});
    const names = await readdir(target, { recursive: true });
    expect(names).toContain("new.ts");
    expect(names.filter((name) => name.startsWith("public") || name.endsWith(".sig"))).toEqual([]);
    expect(await readdir(dirname(target))).toEqual(["crm"]);
  });

  test.each([
    ["a repository", { "crm/.git/config": "", "crm/plugin.json": { files: [] } }, ".git/config"],
    [
      "a plugin's sources",
      { "crm/plugin.json": { name: "crm", version: "1.0.0" }, "crm/run.ts": "" },
      "run.ts",
    ],
    ["anything else", { "crm/photo.jpg": "" }, "photo.jpg"],
  ])("refuses a folder that holds %s, and leaves it", async (_what, files, name) => {
    await using source = await TestFolder.create(CRM);
    await using folder = await TestFolder.create(files);
    const before = await listAll(folder);
    const writing = writePublished(await read(source), join(folder.path, "crm"), async () => {});
    expect(await refusal(writing)).toContain(`it holds "${name}"`);
    expect(await listAll(folder)).toEqual(before);
  });

  test("takes an empty folder, and leaves what was there when it fails", async () => {
    await using source = await TestFolder.create(CRM);
    await using folder = await TestFolder.create();
    const target = join(folder.path, "crm");
    await mkdir(target);
    await writePublished(listFiles(await read(source)), target, async () => {});
    const before = await listAll(folder);
    const failing = writePublished(listFiles(await read(source)), target, async (written) => {
      expect(await readdir(written)).toContain("plugin.json");
      throw new PluginError("fetch", "no luck");
    });
    expect(await refusal(failing)).toBe("no luck");
    expect(await listAll(folder)).toEqual(before);
  });
});
