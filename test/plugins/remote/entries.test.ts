import { expect, test } from "bun:test";
import { chmod, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { PluginEntries } from "../../../src/plugins/remote/entries.ts";
import { TestFolder } from "../../setup.ts";

const A = `sha256-${"A".repeat(43)}=`;
const B = `sha256-${"B".repeat(42)}A=`;
const URL_A = "https://a.example/crm.tgz";
const URL_B = "https://b.example/crm.tgz";

const CONFIG = `{
  // where we listen
  "server": { "port": 9000 },
  "plugins": {
    "watch": true // follow edits
  } // and nothing else
}
`;

async function inFolder(text: string | null) {
  const folder = await TestFolder.create(text === null ? {} : { "config.json": text });
  const file = join(folder.path, "config.json");
  return {
    folder,
    file,
    entries: new PluginEntries(file),
    read: () => readFile(file, "utf8"),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

test("pin() adds an entry, changes its pin and places, and keeps all else in the file", async () => {
  await using project = await inFolder(CONFIG);
  const { folder, file, entries, read } = project;
  await chmod(file, 0o640);
  await entries.pin("crm", { places: [URL_A], integrity: A });
  const pinned = CONFIG.replace(
    '"watch": true // follow edits\n',
    `"watch": true, // follow edits
    "remote": {
      "crm": {
        "url": "${URL_A}",
        "integrity": "${A}"
      }
    }
`,
  );
  expect(await read()).toBe(pinned);
  await entries.setActive("crm", false);
  await entries.pin("crm", { places: null, integrity: B });
  const off = pinned.replace(A, B).replace(`"${B}"`, `"${B}",\n        "active": false`);
  expect(await read()).toBe(off);
  await entries.pin("crm", { places: [URL_A, URL_B], integrity: B });
  expect(JSON.parse((await read()).replaceAll(/\/\/ .*$/gm, "")).plugins.remote).toEqual({
    crm: { integrity: B, active: false, urls: [URL_A, URL_B] },
  });
  await entries.pin("crm", { places: [URL_B], integrity: B });
  expect(JSON.parse((await read()).replaceAll(/\/\/ .*$/gm, "")).plugins.remote).toEqual({
    crm: { integrity: B, active: false, url: URL_B },
  });
  expect((await stat(file)).mode & 0o777).toBe(0o640);
  expect(await readdir(folder.path)).toEqual(["config.json"]);
});

test("pin() makes the file when there is none", async () => {
  await using project = await inFolder(null);
  const { entries, read } = project;
  await entries.pin("crm", { places: [URL_A, URL_B], integrity: A });
  const expected = { plugins: { remote: { crm: { urls: [URL_A, URL_B], integrity: A } } } };
  expect(await read()).toBe(`${JSON.stringify(expected, null, 2)}\n`);
});

test("changes at once are made one after another", async () => {
  await using project = await inFolder("\uFEFF{\r\n}\r\n");
  const { entries, read } = project;
  const names = Array.from({ length: 20 }, (_, index) => `p${index}`);
  await Promise.all(names.map((name) => entries.pin(name, { places: [URL_A], integrity: A })));
  const text = await read();
  expect(Object.keys(JSON.parse(text.slice(1)).plugins.remote)).toEqual(names);
  expect(text.replaceAll("\r\n", "")).not.toContain("\n");
});

test("remove() takes an entry out, and puts it back as it was when what follows fails", async () => {
  const text = `{
  "plugins": { "remote": {
    // the first
    "crm": { "url": "${URL_A}" /* ours */, "integrity": "${A}" }, // pinned
    "erp": { "url": "${URL_B}" } // not yet
  } }
}`;
  await using project = await inFolder(text);
  const { entries, read } = project;
  const failing = entries.remove("crm", () => Promise.reject(new Error("no")));
  expect(failing).rejects.toThrow("no");
  await failing.catch(() => {});
  expect(await read()).toBe(text);
  const late = entries.remove("crm", async () => {
    await entries.setActive("erp", false);
    throw new Error("late");
  });
  await late.catch(() => {});
  const kept = JSON.parse((await read()).replaceAll(/\/\/ .*$/gm, "")).plugins.remote;
  expect(kept).toEqual({ crm: { url: URL_A, integrity: A }, erp: { url: URL_B, active: false } });
  await entries.remove("crm", async () => {});
  await entries.remove("erp", async () => {});
  expect(await read()).toContain('"remote": {\n    // the first\n  }');
  expect(entries.remove("crm", async () => {})).rejects.toThrow(
    'Cannot change config.json: it doesn\'t list "crm", which a variable sets; change that',
  );
});

test.each([
  ['{\n  "plugins": {,}\n}', /expected a value, found "," \(line 2, column 15\); correct/],
  ['{ "plugins": [] }', /"plugins" is no object/],
  ['{ "plugins": { "remote": null } }', /"plugins\.remote" is no object/],
  ["[]", /it is no object/],
  ['{ "plugins": {}, "plugins": {} }', /duplicate key/],
])("%j is refused, and stays as it is", async (text, message) => {
  await using project = await inFolder(text);
  const { folder, entries, read } = project;
  const error = await entries
    .pin("crm", { places: [URL_A], integrity: A })
    .catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "conflict", message: expect.stringMatching(message) });
  expect(await read()).toBe(text);
  expect(await readdir(folder.path)).toEqual(["config.json"]);
});

test("a file that isn't UTF-8 is refused", async () => {
  await using project = await inFolder("{}");
  const { file, entries } = project;
  const bytes = Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]);
  await Bun.write(file, bytes);
  const error = await entries
    .pin("crm", { places: [URL_A], integrity: A })
    .catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ message: expect.stringContaining("UTF-8") });
  expect(Buffer.from(await Bun.file(file).bytes())).toEqual(bytes);
});

test("a file that can't be written is said, and stays as it was", async () => {
  const name = `${"c".repeat(240)}.json`; // what is renamed into its place has a longer name
  await using folder = await TestFolder.create({ [name]: CONFIG });
  const entries = new PluginEntries(join(folder.path, name));
  const message = `Cannot change ${name}: it can't be written (ENAMETOOLONG); let the user that xcore runs as write there`;
  const pinned = entries.pin("crm", { places: [URL_A], integrity: A });
  expect(await pinned.catch((error: unknown) => error)).toMatchObject({ code: "plugin_not_kept", message });
  expect(await readFile(join(folder.path, name), "utf8")).toBe(CONFIG);
});
