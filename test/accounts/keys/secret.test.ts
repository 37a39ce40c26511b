import { chmod, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { createSecretKey, findKeyWeakness, loadSecretKey } from "../../../src/accounts/keys/secret.ts";
import { TestFolder } from "../../setup.ts";
import { messageOf } from "../factor-accounts.ts";

const GOOD = "Zk3v9QmX7tLr2WbYc8NpAeHd5UsGfJ4i";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

test("loadSecretKey() makes a key that only its owner may read, and keeps it", async () => {
  await using folder = await TestFolder.create();
  const dataDirectory = join(folder.path, "deep", "data");
  const options = { configured: null, dataDirectory, isDebug: false };
  const first = await loadSecretKey(options);
  const file = join(dataDirectory, "jwt_secret_key");
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect((await Bun.file(file).text()).trim()).toMatch(/^[\w-]{43}$/);
  expect(await readdir(dataDirectory)).toEqual(["jwt_secret_key"]);
  const second = await loadSecretKey(options);
  expect(second.deriveKey("a")).toEqual(first.deriveKey("a"));
});

test("loadSecretKey() gives all that start at once the same key", async () => {
  await using folder = await TestFolder.create();
  const options = { configured: null, dataDirectory: folder.path, isDebug: false };
  const keys = await Promise.all(Array.from({ length: 20 }, () => loadSecretKey(options)));
  expect(new Set(keys.map((key) => hex(key.deriveKey("a")))).size).toBe(1);
  expect(await readdir(folder.path)).toEqual(["jwt_secret_key"]);
});

test("loadSecretKey() gives processes that start at once the same key", async () => {
  await using folder = await TestFolder.create();
  const module = join(import.meta.dir, "../../../src/accounts/keys/secret.ts");
  const code = `const { loadSecretKey } = await import(${JSON.stringify(module)});
    const key = await loadSecretKey({ configured: null, dataDirectory: ${JSON.stringify(folder.path)}, isDebug: false });
    process.stdout.write(Buffer.from(key.deriveKey("a")).toString("hex"));`;
  const processes = Array.from({ length: 3 }, () =>
    Bun.spawn([process.execPath, "-e", code], { stderr: "inherit" }),
  );
  const keys = await Promise.all(processes.map(({ stdout }) => new Response(stdout).text()));
  expect(keys[0]).toMatch(/^[0-9a-f]{64}$/);
  expect(new Set(keys).size).toBe(1);
});

test("loadSecretKey() takes the rights of others from a file that it finds", async () => {
  await using folder = await TestFolder.create({ jwt_secret_key: `${GOOD}\n` });
  const file = join(folder.path, "jwt_secret_key");
  await chmod(file, 0o644);
  const key = await loadSecretKey({ configured: null, dataDirectory: folder.path, isDebug: false });
  expect(key.deriveKey("a")).toEqual(createSecretKey(GOOD).deriveKey("a"));
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

test("loadSecretKey() takes the configured key before the file, which it doesn't make", async () => {
  await using folder = await TestFolder.create();
  const key = await loadSecretKey({ configured: GOOD, dataDirectory: folder.path, isDebug: false });
  expect(key.deriveKey("a")).toEqual(createSecretKey(GOOD).deriveKey("a"));
  expect(await readdir(folder.path)).toEqual([]);
});

test("loadSecretKey() refuses a weak key with what to do, and never prints it; app.debug takes it", async () => {
  await using folder = await TestFolder.create();
  const options = { configured: "votre-nouvelle-cle", dataDirectory: folder.path };
  const error: unknown = await loadSecretKey({ ...options, isDebug: false }).catch(
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ code: "secret_key_refused" });
  expect(String(error)).toContain("JWT_SECRET_KEY");
  expect(String(error)).not.toContain("votre-nouvelle-cle");
  expect((await loadSecretKey({ ...options, isDebug: true })).deriveKey("a")).toHaveLength(32);
  expect(await messageOf(loadSecretKey({ ...options, configured: " ", isDebug: true }))).toContain(
    "Cannot use the secret key",
  );
});

test("loadSecretKey() refuses a file that is empty or cut off", async () => {
  await using folder = await TestFolder.create({ jwt_secret_key: "" });
  const loading = loadSecretKey({ configured: null, dataDirectory: folder.path, isDebug: false });
  expect(await messageOf(loading)).toContain("remove the file");
});

test("SecretKey.deriveKey() gives each purpose a key of its own", () => {
  const key = createSecretKey(GOOD);
  const keys = ["access", "otp", "refresh", ""].map((purpose) => hex(key.deriveKey(purpose)));
  expect(new Set(keys).size).toBe(4);
  expect(hex(createSecretKey(GOOD).deriveKey("otp"))).toBe(keys[1] ?? "");
  expect(hex(createSecretKey(`${GOOD}x`).deriveKey("otp"))).not.toBe(keys[1] ?? "");
});

test.each([
  "votre-nouvelle-cle",
  "votre-nouvelle-cle-tres-longue-et-aleatoire-ici",
  "Votre nouvelle clé très longue et aléatoire ici",
  "your-secret-key",
  "your_super_secret_key_that_is_quite_long_1234",
  "your-256-bit-secret",
  "a-string-secret-at-least-256-bits-long",
  "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
  "secret",
  "SECRET",
  "changeme",
  "please-change-me-in-production-1234567890",
  "Fischl von Luftschloss Narfidort",
  "shh",
  "Zk3v9QmX7tLr2WbYc8NpAeHd5UsGfJ4", // 31 characters
  "a".repeat(64),
  "abababababababababababababababababab",
  "ABCDEFGH".repeat(5),
  "0123456789abcdef0123456789abcdef",
  "",
])("findKeyWeakness() finds one in %j", (key) => {
  expect(findKeyWeakness(key)).not.toBeNull();
});

test("findKeyWeakness() finds none in random keys", () => {
  expect(findKeyWeakness(GOOD)).toBeNull();
  for (let round = 0; round < 2000; round++) {
    const bytes = Buffer.from(crypto.getRandomValues(new Uint8Array(32)));
    expect(findKeyWeakness(bytes.toString("hex").slice(0, 32))).toBeNull();
    expect(findKeyWeakness(bytes.toString("base64"))).toBeNull();
  }
});
