import { expect, test } from "bun:test";
import { SecretBox } from "../../../src/accounts/keys/secret-box.ts";
import { messageOf } from "../factor-accounts.ts";

const key = (fill: number) => new Uint8Array(32).fill(fill);

test("SecretBox opens what it has sealed, never sealed twice alike", async () => {
  const box = new SecretBox(key(1));
  for (const text of ["", "JBSWY3DPEHPK3PXP", "é 🦊 \0", "x".repeat(5000)]) {
    const sealed = await box.seal(text, "a");
    expect(sealed).toMatch(/^v1\.[\w-]{16}\.[\w-]+$/);
    expect(await new SecretBox(key(1)).open(sealed, "a")).toBe(text);
    expect(await box.seal(text, "a")).not.toBe(sealed);
  }
});

test("SecretBox takes a CryptoKey too", async () => {
  const raw = await crypto.subtle.importKey("raw", key(1), "AES-GCM", false, ["encrypt", "decrypt"]);
  expect(await new SecretBox(raw).open(await new SecretBox(key(1)).seal("x", "a"), "a")).toBe("x");
});

test("SecretBox refuses another key, another context, and anything that was changed, saying nothing of it", async () => {
  const sealed = await new SecretBox(key(1)).seal("JBSWY3DPEHPK3PXP", "a");
  const changed = "it was sealed with another secret key, or changed";
  expect(await messageOf(new SecretBox(key(2)).open(sealed, "a"))).toContain(changed);
  expect(await messageOf(new SecretBox(key(1)).open(sealed, "b"))).toContain(changed);
  const bytes = Buffer.from(sealed.split(".")[2] ?? "", "base64url");
  for (let index = 0; index < bytes.length; index++) {
    const tampered = Buffer.from(bytes);
    tampered[index] = (tampered[index] ?? 0) ^ 1;
    const text = [...sealed.split(".").slice(0, 2), tampered.toString("base64url")].join(".");
    // oxlint-disable-next-line no-await-in-loop -- a loop of cases
    expect(await messageOf(new SecretBox(key(1)).open(text, "a"))).toContain(changed);
  }
});

test("SecretBox refuses text of another format", async () => {
  const box = new SecretBox(key(1));
  const sealed = await box.seal("x", "a");
  const wrong = [
    "",
    "JBSWY3DPEHPK3PXP",
    sealed.replace("v1", "v2"),
    `${sealed}.x`,
    sealed.slice(0, 30),
    ` ${sealed}`,
  ];
  for (const text of wrong) {
    // oxlint-disable-next-line no-await-in-loop -- a loop of cases
    expect(await messageOf(box.open(text, "a"))).toContain(
      'Cannot open a secret of "a": it isn\'t in the format "v1"',
    );
  }
});

test("SecretBox refuses keys that aren't for it", async () => {
  expect(() => new SecretBox(new Uint8Array(16))).toThrow(RangeError);
  const other = await crypto.subtle.generateKey({ name: "AES-CBC", length: 256 }, false, ["encrypt"]);
  expect(() => new SecretBox(other)).toThrow(TypeError);
});
