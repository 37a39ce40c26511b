import { chmod, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { isPublicKey } from "../../../src/plugins/snapshot/signatures.ts";
import { createSigningKey } from "../../../src/plugins/remote/publish/signing-key.ts";
import { plugin, TestFolder } from "../../setup.ts";
import { xcore } from "../xcore-process.ts";

setDefaultTimeout(120_000); // several processes each

const HELLO = 'import "./tax.ts";\nexport const PLUGIN_INFO = { name: "hello", version: "1.0.0" };\n';

interface Signed {
  integrity: string;
  file: string;
  key: string;
}

/** A project with a plugin that is a folder, one that is a module, and a key. */
async function project(): Promise<TestFolder> {
  const folder = await TestFolder.create({
    ...Object.fromEntries(Object.entries(plugin("crm", "")).map(([name, file]) => [`plugins/${name}`, file])),
    "work/hello.ts": HELLO,
    "work/tax.ts": "",
    "signing.pem": await createSigningKey(),
  });
  await chmod(join(folder.path, "signing.pem"), 0o600);
  return folder;
}

async function sign(folder: TestFolder, target: string, key = "signing.pem"): Promise<Signed> {
  const { code, stdout, stderr } = await xcore(folder, ["plugin", "sign", target, "--key", key, "--json"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(stdout) as Signed;
}

/** The keys of a signature file, in its order. */
async function keysIn(file: string): Promise<string[]> {
  const { signatures } = (await Bun.file(file).json()) as { signatures: { key: string }[] };
  return signatures.map(({ key }) => key);
}

describe("xcore plugin key", () => {
  test("makes a key that only its owner may read, and prints its public half, also later", async () => {
    await using folder = await TestFolder.create();
    const made = await xcore(folder, ["plugin", "key", "signing.pem"]);
    expect(made.code).toBe(0);
    expect(made.stderr).toContain("keep it secret");
    expect(isPublicKey(made.stdout.trim())).toBe(true);
    expect((await stat(join(folder.path, "signing.pem"))).mode & 0o777).toBe(0o600);
    const text = await readFile(join(folder.path, "signing.pem"), "utf8");
    const again = await xcore(folder, ["plugin", "key", "signing.pem"]);
    expect(again).toEqual({ code: 0, stdout: made.stdout, stderr: "" });
    expect(await readFile(join(folder.path, "signing.pem"), "utf8")).toBe(text);
    const json = await xcore(folder, ["plugin", "key", "signing.pem", "--json"]);
    expect(JSON.parse(json.stdout)).toEqual({
      file: join(folder.path, "signing.pem"),
      public_key: made.stdout.trim(),
      is_new: false,
    });
  });

  test("leaves a file alone that holds no key", async () => {
    await using folder = await TestFolder.create({ "notes.txt": "hello" });
    const { code, stderr } = await xcore(folder, ["plugin", "key", "notes.txt"]);
    expect(code).toBe(1);
    expect(stderr).toContain('"notes.txt": it holds no key in PEM');
    expect(await readFile(join(folder.path, "notes.txt"), "utf8")).toBe("hello");
  });
});

describe("xcore plugin sign", () => {
  test("writes plugin.json.sig beside the manifest, and says what it signed with which key", async () => {
    await using folder = await project();
    const { code, stdout } = await xcore(folder, ["plugin", "sign", "crm", "--key", "signing.pem"]);
    expect(code).toBe(0);
    const [, integrity, key = ""] = /^Signed plugins\/crm \((sha256-\S+)\) with (\S+)\n$/.exec(stdout) ?? [];
    expect(await keysIn(join(folder.path, "plugins/crm/plugin.json.sig"))).toEqual([key]);
    // The signature is no part of what it signs.
    expect((await sign(folder, "./plugins/crm")).integrity).toBe(integrity ?? "");
  });

  test("writes hello.ts.sig beside a module, for it and what it imports", async () => {
    await using folder = await project();
    const first = await sign(folder, "work/hello.ts");
    expect(first.file).toBe(join(folder.path, "work/hello.ts.sig"));
    expect(await keysIn(first.file)).toEqual([first.key]);
    await folder.write({ "work/tax.ts": "export {};" });
    expect((await sign(folder, "work/hello.ts")).integrity).not.toBe(first.integrity);
  });

  test("puts the signature into a packed plugin, and changes nothing else of it", async () => {
    await using folder = await project();
    await xcore(folder, ["plugin", "pack", "crm", "--folder", "published"]);
    await xcore(folder, ["plugin", "pack", "./published"]);
    const { integrity } = await sign(folder, "./published");
    const signed = await sign(folder, "crm-1.0.0.tgz");
    expect(signed).toMatchObject({ integrity, file: join(folder.path, "crm-1.0.0.tgz") });
    const archive = await readFile(join(folder.path, "crm-1.0.0.tgz"));
    await xcore(folder, ["plugin", "pack", "./published"]);
    expect(await readFile(join(folder.path, "crm-1.0.0.tgz"))).toEqual(archive);
    const listed = await Bun.$`tar -tzf crm-1.0.0.tgz`.cwd(folder.path).text();
    expect(listed).toBe("plugin.json\nplugin.json.sig\nrun.ts\n");
  });

  test("keeps the signatures of others until the plugin changes", async () => {
    await using folder = await project();
    await xcore(folder, ["plugin", "key", "other.pem"]);
    const mine = await sign(folder, "crm");
    const theirs = await sign(folder, "crm", "other.pem");
    expect(new Set(await keysIn(mine.file))).toEqual(new Set([mine.key, theirs.key]));
    await folder.write({ "plugins/crm/run.ts": "export default 1;" });
    await sign(folder, "crm");
    expect(await keysIn(mine.file)).toEqual([mine.key]);
  });

  test("warns of a key that others may read", async () => {
    await using folder = await project();
    await chmod(join(folder.path, "signing.pem"), 0o644);
    const { code, stderr } = await xcore(folder, ["plugin", "sign", "crm", "--key", "signing.pem"]);
    expect(code).toBe(0);
    expect(stderr).toBe("Others may read signing.pem: run `chmod 600 signing.pem`\n");
  });

  test.each([
    [["crm"], 2, "required option '--key <file>'"],
    [["crm", "--key", "gone.pem"], 1, 'Cannot read key "gone.pem": ENOENT'],
    [["crm", "--key", "work/hello.ts"], 1, 'Cannot sign with "work/hello.ts": it holds no key in PEM'],
    [["nope", "--key", "signing.pem"], 1, 'Cannot find plugin "nope"'],
    [["./work", "--key", "signing.pem"], 1, "plugin.json"],
  ] as const)("refuses %j with exit code %d", async (args, code, reason) => {
    await using folder = await project();
    const finished = await xcore(folder, ["plugin", "sign", ...args]);
    expect(finished.stderr).toContain(reason);
    expect(finished.code).toBe(code);
    const written = [...new Bun.Glob("**/*.sig").scanSync({ cwd: folder.path })];
    expect(written).toEqual([]);
  });
});
