import { generateKeyPairSync } from "node:crypto";
import { expect, test } from "bun:test";
import { createAccessTokens, createOtpTokens } from "../../../src/accounts/identity/access-tokens.ts";
import { createSecretKey } from "../../../src/accounts/keys/secret.ts";
import { SECRET_KEY } from "../identity.ts";

const START = Date.parse("2030-01-01T00:00:00Z");
const SESSION = "0190163d-8694-739b-aea5-966c26f8ad91";
let time = START;
const options = { secretKey: SECRET_KEY, lifetime: 1800, now: () => time };
const tokens = createAccessTokens(options);
const otpTokens = createOtpTokens({ ...options, lifetime: 300 });
const key = SECRET_KEY.deriveKey("jwt:at+jwt");

const encode = (value: unknown) =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/** A token of any content, signed with our own key unless another one is given. */
function forge(
  header: object,
  claims: object,
  { secret = key, algorithm = "sha256" }: { secret?: Uint8Array; algorithm?: "sha256" | "sha512" } = {},
): string {
  const text = `${encode(header)}.${encode(claims)}`;
  return `${text}.${new Bun.CryptoHasher(algorithm, secret).update(text).digest("base64url")}`;
}

const header = { alg: "HS256", typ: "at+jwt" };
const seconds = START / 1000;
const claims = { sub: "7", sid: SESSION, iss: "xcore", iat: seconds, exp: seconds + 60 };

test("createAccessTokens().verify() reads what sign() has signed", async () => {
  time = START;
  const token = await tokens.sign(7, SESSION);
  expect(await tokens.verify(token)).toEqual({ userId: 7, sessionId: SESSION, expiresAt: START + 1_800_000 });
  const [head = "", body = ""] = token.split(".").map((part) => Buffer.from(part, "base64url").toString());
  expect(JSON.parse(head)).toEqual(header);
  expect(JSON.parse(body)).toEqual({
    sub: "7",
    sid: SESSION,
    iss: "xcore",
    exp: seconds + 1800,
    iat: expect.any(Number),
  });
});

test("createAccessTokens().verify() takes what the other tests here forge, as long as nothing is wrong", async () => {
  time = START;
  expect(await tokens.verify(forge(header, claims))).toEqual({
    userId: 7,
    sessionId: SESSION,
    expiresAt: START + 60_000,
  });
});

test("createAccessTokens().verify() is null from the moment of expiry", async () => {
  time = START;
  const token = await tokens.sign(7, SESSION);
  time = START + 1_799_999;
  expect(await tokens.verify(token)).not.toBeNull();
  time = START + 1_800_000;
  expect(await tokens.verify(token)).toBeNull();
});

const { publicKey } = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
});

test.each<[string, () => string]>([
  ["has alg none and no signature", () => `${encode({ alg: "none", typ: "at+jwt" })}.${encode(claims)}.`],
  ["has alg none and a signature", () => forge({ alg: "none", typ: "at+jwt" }, claims)],
  ["has alg HS512", () => forge({ ...header, alg: "HS512" }, claims, { algorithm: "sha512" })],
  ["claims HS512 with a HS256 signature", () => forge({ ...header, alg: "HS512" }, claims)],
  [
    "has alg RS256",
    () => forge({ ...header, alg: "RS256" }, claims, { secret: new TextEncoder().encode(publicKey) }),
  ],
  ["has alg hs256 in small letters", () => forge({ ...header, alg: "hs256" }, claims)],
  ["has no alg", () => forge({ typ: "at+jwt" }, claims)],
  ["has another typ", () => forge({ ...header, typ: "JWT" }, claims)],
  ["has no typ", () => forge({ alg: "HS256" }, claims)],
  [
    "brings a key of its own",
    () => forge({ ...header, jwk: { kty: "oct", k: "AA" } }, claims, { secret: new Uint8Array(1) }),
  ],
  ["has critical headers", () => forge({ ...header, crit: ["x"], x: 1 }, claims)],
  [
    "is signed with another key",
    () => forge(header, claims, { secret: createSecretKey("another").deriveKey("jwt:at+jwt") }),
  ],
  ["is signed with the empty key", () => forge(header, claims, { secret: new Uint8Array(32) })],
  ["is not yet valid", () => forge(header, { ...claims, nbf: seconds + 1 })],
  ["has expired", () => forge(header, { ...claims, exp: seconds })],
  ["never expires", () => forge(header, { ...claims, exp: undefined })],
  ["has an exp of text", () => forge(header, { ...claims, exp: String(seconds + 60) })],
  ["has no iat", () => forge(header, { ...claims, iat: undefined })],
  ["is of another issuer", () => forge(header, { ...claims, iss: "other" })],
  ["has no sub", () => forge(header, { ...claims, sub: undefined })],
  ["has a sub of text", () => forge(header, { ...claims, sub: "7 or 1=1" })],
  ["has a numeric sub", () => forge(header, { ...claims, sub: 7 })],
  ["has the sub 0", () => forge(header, { ...claims, sub: "0" })],
  ["has a negative sub", () => forge(header, { ...claims, sub: "-7" })],
  ["has an unsafe sub", () => forge(header, { ...claims, sub: "9007199254740993" })],
  ["has no sid", () => forge(header, { ...claims, sid: undefined })],
  ["has a sid that is none", () => forge(header, { ...claims, sid: "' or 1=1 --" })],
  ["has a payload that isn't JSON", () => forge(header, "{" as unknown as object)],
  ["has a payload that is an array", () => forge(header, [1])],
  ["is oversized", () => forge(header, { ...claims, x: "x".repeat(4096) })],
  ["is huge", () => "a".repeat(10_000_000)],
  ["is empty", () => ""],
  ["is dots", () => ".."],
])("createAccessTokens().verify() is null when the token %s", async (_, create) => {
  time = START;
  expect(await tokens.verify(create())).toBeNull();
});

test("createAccessTokens().verify() is null for a token of another purpose, and the other way round", async () => {
  time = START;
  const otpToken = await otpTokens.sign({ userId: 7, fingerprint: "f" });
  expect(await otpTokens.verify(otpToken)).toEqual({ userId: 7, fingerprint: "f" });
  expect(await tokens.verify(otpToken)).toBeNull();
  expect(await otpTokens.verify(await tokens.sign(7, SESSION))).toBeNull();
  time = START + 300_000;
  expect(await otpTokens.verify(otpToken)).toBeNull();
});

test("createAccessTokens().verify() is null for every change of one character", async () => {
  time = START;
  const token = await tokens.sign(7, SESSION);
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=";
  const changed = Array.from(token, (character, index) =>
    Array.from(alphabet)
      .filter((other) => other !== character && (index % 7 === 0 || index > token.length - 3))
      .map((other) => token.slice(0, index) + other + token.slice(index + 1)),
  ).flat();
  expect(changed.length).toBeGreaterThan(1500);
  const verified = await Promise.all(changed.map((other) => tokens.verify(other)));
  expect(changed.filter((_, index) => verified[index] !== null)).toEqual([]);
});

test("createAccessTokens().verify() is null for random text, and never throws", async () => {
  time = START;
  const token = await tokens.sign(7, SESSION);
  let seed = 11;
  const next = (below: number) => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) % below;
  const pieces = [
    ...token.split("."),
    ".",
    "..",
    "",
    "é",
    "\0",
    "\ud800",
    " ",
    "=",
    "{}",
    encode("{}"),
    encode(claims),
    encode(header),
  ];
  const texts = Array.from({ length: 3000 }, () =>
    Array.from({ length: next(8) }, () => pieces[next(pieces.length)] ?? "").join(next(2) === 0 ? "." : ""),
  ).filter((text) => text !== token);
  const verified = await Promise.all(texts.map((text) => tokens.verify(text)));
  expect(verified.filter((claimed) => claimed !== null)).toEqual([]);
});
