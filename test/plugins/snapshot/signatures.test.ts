import { describe, expect, test } from "bun:test";
import { refusalOf } from "../remote/refusal.ts";
import {
  assertSigned,
  isPublicKey,
  listSigners,
  signIntegrity,
  type SigningKey,
} from "../../../src/plugins/snapshot/signatures.ts";
import { createSigningKey, parseSigningKey } from "../../../src/plugins/remote/publish/signing-key.ts";

const INTEGRITY = `sha256-${"A".repeat(43)}=`;
const OTHER = `sha256-${"B".repeat(42)}A=`;

async function newKey(): Promise<SigningKey> {
  return parseSigningKey(await createSigningKey(), "key.pem");
}

function toBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
}

interface SignatureFile {
  signatures: { key: string; signature: string }[];
}

function readFile(bytes: Uint8Array): SignatureFile {
  return JSON.parse(new TextDecoder().decode(bytes)) as SignatureFile;
}

test("signIntegrity() writes a signature that assertSigned() takes for that key and that plugin alone", async () => {
  const [mine, theirs] = await Promise.all([newKey(), newKey()]);
  const file = await signIntegrity(INTEGRITY, mine, null);
  expect(await assertSigned(INTEGRITY, file, [theirs.publicKey, mine.publicKey])).toBe(mine.publicKey);
  expect(await listSigners(INTEGRITY, file)).toEqual([mine.publicKey]);
  expect(await listSigners(OTHER, file)).toEqual([]);
  const foreign = await refusalOf(assertSigned(INTEGRITY, file, [theirs.publicKey]));
  expect(foreign).toContain(`signed by ${mine.publicKey}`);
  expect(foreign).toContain("plugins.trusted_keys");
  expect(await refusalOf(assertSigned(OTHER, file, [mine.publicKey]))).toContain("are of something else");
  expect(await refusalOf(assertSigned(INTEGRITY, file, []))).toContain("doesn't name");
});

test("signIntegrity() keeps the signatures of others while they hold, and signs anew with the same key", async () => {
  const [mine, theirs] = await Promise.all([newKey(), newKey()]);
  const first = await signIntegrity(INTEGRITY, theirs, null);
  const both = await signIntegrity(INTEGRITY, mine, first);
  const again = await signIntegrity(INTEGRITY, mine, both);
  expect(new Set(await listSigners(INTEGRITY, both))).toEqual(new Set([mine.publicKey, theirs.publicKey]));
  expect(again).toEqual(both);
  const changed = await signIntegrity(OTHER, mine, both);
  expect(readFile(changed).signatures.map(({ key }) => key)).toEqual([mine.publicKey]);
});

test("a signature is of the text that the docs name, and openssl agrees", async () => {
  const key = await newKey();
  const [signature] = readFile(await signIntegrity(INTEGRITY, key, null)).signatures;
  const raw = Buffer.from(key.publicKey.slice("ed25519:".length), "base64");
  const folder = (await Bun.$`mktemp -d`.text()).trim();
  try {
    // The DER of an Ed25519 public key (RFC 8410) is this and the 32 bytes.
    const der = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), raw]);
    await Bun.write(`${folder}/key.der`, der);
    await Bun.write(`${folder}/text`, `xcore plugin ${INTEGRITY}`);
    await Bun.write(`${folder}/signature`, Buffer.from(signature?.signature ?? "", "base64"));
    const verified =
      await Bun.$`openssl pkeyutl -verify -pubin -keyform DER -inkey key.der -rawin -in text -sigfile signature`
        .cwd(folder)
        .text();
    expect(verified).toContain("Verified Successfully");
  } finally {
    await Bun.$`rm -r ${folder}`;
  }
});

describe("assertSigned() refuses", () => {
  test("a plugin without signatures, with what to do", async () => {
    const key = await newKey();
    const message = await refusalOf(assertSigned(INTEGRITY, null, [key.publicKey]));
    expect(message).toBe(
      `Cannot trust ${INTEGRITY}: it isn't signed; ask its author to run \`xcore plugin sign\`, ` +
        "or leave plugins.trusted_keys empty",
    );
    expect(await refusalOf(assertSigned(INTEGRITY, toBytes({ signatures: [] }), [key.publicKey]))).toBe(
      message,
    );
  });

  test.each([
    ["no JSON", "<html>", "isn't JSON"],
    ["bytes that aren't UTF-8", "", "isn't JSON"],
    ["null", "null", "isn't JSON"],
    ["another form", { signatures: {} }, "isn't JSON"],
    ["something else in the list", { signatures: [null] }, "no signature"],
    ["numbers", { signatures: [{ key: 1, signature: 2 }] }, "no signature"],
    ["a key of another kind", { signatures: [{ key: "rsa:AAAA", signature: "" }] }, "no signature"],
    [
      "too many",
      {
        signatures: Array.from({ length: 65 }, () => ({ key: `ed25519:${"A".repeat(43)}=`, signature: "" })),
      },
      "more than 64",
    ],
    ["a huge file", "x".repeat(64 * 1024 + 1), "larger than"],
  ])("a signature file with %s", async (what, value, reason) => {
    const key = await newKey();
    const file = what.startsWith("bytes") ? new Uint8Array([0xff, 0xfe]) : toBytes(value);
    expect(await refusalOf(assertSigned(INTEGRITY, file, [key.publicKey]))).toContain(reason);
    expect(await listSigners(INTEGRITY, file)).toEqual([]);
    // What it signs anew is whole again.
    expect(await listSigners(INTEGRITY, await signIntegrity(INTEGRITY, key, file))).toEqual([key.publicKey]);
  });

  test("a signature under the name of a trusted key that another has made, or that was changed", async () => {
    const [mine, theirs] = await Promise.all([newKey(), newKey()]);
    const { signatures } = readFile(await signIntegrity(INTEGRITY, theirs, null));
    const [one] = signatures;
    const signature = one?.signature ?? "";
    const flipped = Buffer.from(signature, "base64");
    flipped[5] = (flipped[5] ?? 0) ^ 1;
    const forged = [
      { key: mine.publicKey, signature },
      { key: theirs.publicKey, signature: flipped.toString("base64") },
      { key: theirs.publicKey, signature: signature.slice(0, -4) },
      { key: theirs.publicKey, signature: "" },
      { key: theirs.publicKey, signature: ` ${signature}` },
    ];
    for (const entry of forged) {
      // oxlint-disable-next-line no-await-in-loop -- one case after another
      const message = await refusalOf(
        assertSigned(INTEGRITY, toBytes({ signatures: [entry] }), [mine.publicKey, theirs.publicKey]),
      );
      expect(message).toContain("are of something else");
    }
  });

  test("trusted keys that are none, naming the key", async () => {
    const message = await refusalOf(assertSigned(INTEGRITY, null, ["ed25519:abc"]));
    expect(message).toContain('Cannot use "ed25519:abc" of plugins.trusted_keys');
  });
});

test("isPublicKey() knows one way to write a key", async () => {
  const { publicKey } = await newKey();
  expect(isPublicKey(publicKey)).toBe(true);
  const odd = publicKey.replace(/.=$/, (end) => `${String.fromCharCode(end.charCodeAt(0) + 1)}=`);
  for (const text of [odd, publicKey.slice(0, -1), `${publicKey} `, publicKey.slice(8), "", "ed25519:"]) {
    expect(isPublicKey(text)).toBe(false);
  }
});

describe("parseSigningKey()", () => {
  test("reads what openssl makes, and openssl reads what createSigningKey() makes", async () => {
    const made = await Bun.$`openssl genpkey -algorithm ed25519`.text();
    const key = await parseSigningKey(made, "openssl.pem");
    expect(isPublicKey(key.publicKey)).toBe(true);
    const text = await createSigningKey();
    const shown = await Bun.$`openssl pkey -noout -text < ${Buffer.from(text)}`.text();
    expect(shown).toContain("ED25519 Private-Key");
  });

  test.each([
    ["", "no key in PEM"],
    ["-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "of another kind"],
    ["-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "a public key"],
    [
      "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----",
      "locked by a password",
    ],
    ["-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----", '"OPENSSH PRIVATE KEY"'],
  ])("refuses %j", async (text, reason) => {
    const message = await refusalOf(parseSigningKey(text, "key.pem"));
    expect(message).toContain('Cannot sign with "key.pem"');
    expect(message).toContain(reason);
    expect(message).not.toContain("AAAA");
  });

  test.each(["rsa", "x25519"])("refuses a key of %s", async (algorithm) => {
    const made = await Bun.$`openssl genpkey -algorithm ${algorithm}`.quiet().text();
    expect(await refusalOf(parseSigningKey(made, "key.pem"))).toContain("of another kind");
  });
});
