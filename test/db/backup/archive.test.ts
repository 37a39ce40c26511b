import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { expect, test } from "bun:test";
import { packBackup, unpackBackup } from "../../../src/db/backup/archive.ts";
import { type BackupManifest, formatManifest, MANIFEST_NAME } from "../../../src/db/backup/manifest.ts";
import { readTar, type TarEntry, writeTar } from "../../../src/files/tar.ts";
import { testWithProgram } from "../../programs.ts";
import { TestFolder } from "../../setup.ts";

const DESCRIPTION: Omit<BackupManifest, "format" | "members"> = {
  xcore_version: "1.0.0",
  dialect: "sqlite",
  created_at: "2026-01-31T08:30:00.000Z",
  plugins: ["shop"],
};

const DATABASE = Buffer.from("a database ".repeat(5000));

async function packSample(folder: TestFolder, name = "sample.tar.gz"): Promise<string> {
  await writeFile(join(folder.path, "source"), DATABASE);
  await writeFile(join(folder.path, "config.json"), "{}");
  const file = join(folder.path, name);
  await packBackup(
    file,
    [
      { name: "database.sqlite", path: join(folder.path, "source") },
      { name: "config.json", path: join(folder.path, "config.json") },
    ],
    DESCRIPTION,
  );
  return file;
}

interface Part {
  readonly name: string;
  readonly content: string | Buffer;
}

/** Packs anything, as somebody who forges a backup would. */
async function pack(parts: readonly Part[]): Promise<Buffer> {
  const entries = parts.map(({ name, content }): TarEntry => {
    const bytes = Buffer.from(content);
    return { name, size: bytes.length, content: chunksOf(bytes) };
  });
  return Buffer.concat(await Array.fromAsync(writeTar(entries)));
}

async function* chunksOf(bytes: Buffer): AsyncGenerator<Buffer> {
  if (bytes.length > 0) yield bytes;
}

function manifestOf(parts: readonly Part[], change: object = {}): Part {
  const members = parts.map(({ name, content }) => {
    const bytes = Buffer.from(content);
    return { name, size: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
  });
  const text = formatManifest({ ...DESCRIPTION, members });
  return { name: MANIFEST_NAME, content: JSON.stringify({ ...(JSON.parse(text) as object), ...change }) };
}

/** Sets bytes of the first header after the manifest's, and its checksum. */
function forgeHeader(tar: Buffer, change: (header: Buffer) => void): Buffer {
  const manifestSize = Number.parseInt(tar.toString("latin1", 124, 135), 8);
  const start = 512 + Math.ceil(manifestSize / 512) * 512;
  const header = tar.subarray(start, start + 512);
  change(header);
  header.fill(" ", 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return tar;
}

async function unpackInto(folder: TestFolder, archive: Buffer) {
  const file = join(folder.path, "forged.tar.gz");
  await writeFile(file, archive);
  await folder.remove("out");
  await folder.write({ "out/.keep": "" });
  await folder.remove("out/.keep");
  return unpackBackup(file, join(folder.path, "out"));
}

test("unpackBackup() gives what packBackup() has packed", async () => {
  await using folder = await TestFolder.create({ "out/.keep": "" });
  const file = await packSample(folder);
  const { manifest, paths } = await unpackBackup(file, join(folder.path, "out"));
  expect(manifest).toMatchObject({ format: 1, ...DESCRIPTION });
  expect(manifest.members.map(({ name, size }) => [name, size])).toEqual([
    ["database.sqlite", DATABASE.length],
    ["config.json", 2],
  ]);
  expect(await readFile(paths.get("database.sqlite") ?? "")).toEqual(DATABASE);
});

test("unpackBackup() refuses an archive that ends too soon, wherever", async () => {
  await using folder = await TestFolder.create();
  const whole = await readFile(await packSample(folder));
  for (let length = 0; length < whole.length; length += Math.max(1, Math.floor(whole.length / 40))) {
    // oxlint-disable-next-line no-await-in-loop -- one archive after another
    const error: unknown = await unpackInto(folder, whole.subarray(0, length)).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ name: "DatabaseError", fault: "corrupt" });
  }
});

test("unpackBackup() refuses an archive with a changed byte", async () => {
  await using folder = await TestFolder.create();
  const tar = gunzipSync(await readFile(await packSample(folder)));
  // From the header of the database on: the manifest's own text may say another date.
  for (let at = 1536; at < tar.length; at += 499) {
    const changed = Buffer.from(tar);
    changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
    // oxlint-disable-next-line no-await-in-loop
    const result: unknown = await unpackInto(folder, gzipSync(changed)).catch((thrown: unknown) => thrown);
    expect({ at, result }).toMatchObject({ at, result: { fault: "corrupt" } });
  }
});

const DUMP: Part = { name: "database.sqlite", content: "a dump" };

const FORGERIES: readonly [string, string, () => Promise<Buffer>][] = [
  ["is no archive", "no .tar.gz", async () => Buffer.from("PK\u0003\u0004 something else")],
  ["is empty", "", async () => Buffer.alloc(0)],
  ["is a gzip of something else", "a header is damaged", async () => gzipSync("x".repeat(2000))],
  ["holds nothing", "it is empty", async () => gzipSync(Buffer.alloc(1024))],
  ["has no manifest", "it doesn't begin with manifest.json", async () => gzipSync(await pack([DUMP]))],
  [
    "has another manifest",
    "its manifest.json is not one of xcore's",
    async () => gzipSync(await pack([{ name: MANIFEST_NAME, content: "{}" }])),
  ],
  [
    "is of a newer xcore",
    "a newer xcore wrote it",
    async () => gzipSync(await pack([manifestOf([DUMP], { format: 2 }), DUMP])),
  ],
  [
    "has a changed content",
    'the hash of "database.sqlite" is wrong',
    async () => gzipSync(await pack([manifestOf([DUMP]), { ...DUMP, content: "a bump" }])),
  ],
  [
    "has a longer content",
    '"database.sqlite" is not what its manifest.json says',
    async () => gzipSync(await pack([manifestOf([DUMP]), { ...DUMP, content: "a".repeat(1e6) }])),
  ],
  ["lacks a file", "files are missing", async () => gzipSync(await pack([manifestOf([DUMP])]))],
  [
    "has another file",
    '"../../etc/passwd" is not what',
    async () => gzipSync(await pack([manifestOf([DUMP]), DUMP, { name: "../../etc/passwd", content: "x" }])),
  ],
  [
    "has something after its end",
    "something follows its end",
    async () => gzipSync(Buffer.concat([await pack([manifestOf([DUMP]), DUMP]), Buffer.from("more")])),
  ],
  [
    "has a link",
    '"database.sqlite" is not a plain file',
    async () =>
      gzipSync(forgeHeader(await pack([manifestOf([DUMP]), DUMP]), (header) => header.write("2", 156))),
  ],
  [
    "has a negative size",
    "a header is damaged",
    async () =>
      gzipSync(
        forgeHeader(await pack([manifestOf([DUMP]), DUMP]), (header) => header.write("-0000000006", 124)),
      ),
  ],
];

for (const [what, message, forge] of FORGERIES) {
  test(`unpackBackup() refuses an archive that ${what}`, async () => {
    await using folder = await TestFolder.create();
    const error: unknown = await unpackInto(folder, await forge()).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: "DatabaseError" });
    expect((error as Error).message).toStartWith('Cannot restore "');
    expect((error as Error).message).toContain(message);
  });
}

for (const name of ["../../outside", "/tmp/xcore-outside", "a/../../../outside", "..", "con\u0000"]) {
  test(`unpackBackup() never makes a path of the name ${JSON.stringify(name)}`, async () => {
    await using folder = await TestFolder.create();
    const evil = { name, content: "x" };
    await unpackInto(folder, gzipSync(await pack([manifestOf([DUMP, evil]), DUMP, evil]))).catch(() => {});
    expect((await readdir(folder.path)).toSorted()).toEqual(["forged.tar.gz", "out"]);
    expect((await readdir(join(folder.path, "out"))).every((made) => /^\d$/.test(made))).toBe(true);
    expect(await Bun.file("/tmp/xcore-outside").exists()).toBe(false);
  });
}

test.each([
  ["xcore_version", "\u001b[2J1.0.0"],
  ["created_at", "now\nWarning: all is well"],
  ["plugins", ["\u009b31mblog"]],
])("unpackBackup() refuses control characters in %s, which a terminal would obey", async (key, value) => {
  await using folder = await TestFolder.create();
  const archive = gzipSync(await pack([manifestOf([DUMP], { [key]: value }), DUMP]));
  expect(unpackInto(folder, archive)).rejects.toThrow("is not one of xcore's");
});

test("unpackBackup() shows no control characters of a file's name", async () => {
  await using folder = await TestFolder.create();
  const archive = gzipSync(await pack([manifestOf([DUMP]), { name: "\u001b[2J", content: "x" }]));
  expect(unpackInto(folder, archive)).rejects.toThrow("a header is damaged");
});

test("unpackBackup() refuses a backup that the disk can't hold, before it writes", async () => {
  await using folder = await TestFolder.create();
  const members = [{ name: "database.sqlite", size: 2 ** 50, sha256: "0".repeat(64) }];
  const archive = gzipSync(await pack([manifestOf([], { members })]));
  const error: unknown = await unpackInto(folder, archive).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ fault: "full", message: expect.stringContaining("MB beside the database") });
  expect(await readdir(join(folder.path, "out"))).toEqual([]);
});

test("packBackup() leaves a file alone that exists", async () => {
  await using folder = await TestFolder.create({ "sample.tar.gz": "precious" });
  expect(packSample(folder)).rejects.toThrow("EEXIST");
  expect(await readFile(join(folder.path, "sample.tar.gz"), "utf8")).toBe("precious");
});

test("tar holds files of more than 8 GiB", async () => {
  const chunk = Buffer.alloc(64 * 1024 * 1024);
  const count = 130;
  async function* large(): AsyncGenerator<Buffer> {
    for (let index = 0; index < count; index++) yield chunk;
  }
  const size = count * chunk.length;
  const seen: [string, number, number][] = [];
  for await (const entry of readTar(writeTar([{ name: "large", size, content: large() }]))) {
    let read = 0;
    for await (const part of entry.content) read += part.length;
    seen.push([entry.name, entry.size, read]);
  }
  expect(seen).toEqual([["large", size, size]]);
});

testWithProgram("tar", "tar unpacks a backup", async (tar) => {
  await using folder = await TestFolder.create({ "out/.keep": "" });
  const long = `plugins/${"é".repeat(60)}/plugin.json`;
  await writeFile(join(folder.path, "source"), DATABASE);
  const file = join(folder.path, "sample.tar.gz");
  const source = join(folder.path, "source");
  await packBackup(
    file,
    [
      { name: "database.sqlite", path: source },
      { name: long, path: source },
    ],
    DESCRIPTION,
  );
  const { exitCode, stderr } = Bun.spawnSync([tar, "-xzf", file, "-C", join(folder.path, "out")]);
  expect(stderr.toString()).toBe("");
  expect(exitCode).toBe(0);
  expect(await readFile(join(folder.path, "out", "database.sqlite"))).toEqual(DATABASE);
  expect(await readFile(join(folder.path, "out", long))).toEqual(DATABASE);
});
