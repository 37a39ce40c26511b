import { expect, test } from "bun:test";
import { assertPassword } from "../../../src/accounts/login/password-rules.ts";
import { createPasswords } from "../../../src/accounts/login/passwords.ts";
import { processorTime } from "../processor-time.ts";

const passwords = createPasswords({ algorithm: "bcrypt", bcryptCost: 4 });

test("createPasswords().verify() knows the password that was hashed, and no other", async () => {
  const hash = await passwords.hash("correct horse");
  expect(hash).toStartWith("$2b$04$");
  expect(await passwords.hash("correct horse")).not.toBe(hash);
  expect(await passwords.verify("correct horse", hash)).toEqual({ isValid: true, isRehashDue: false });
  expect(await passwords.verify("correct horsf", hash)).toEqual({ isValid: false, isRehashDue: false });
  expect(await passwords.verify("", hash)).toEqual({ isValid: false, isRehashDue: false });
});

test("createPasswords().verify() counts every character of a password over 72 bytes", async () => {
  for (const long of ["a".repeat(73), "a".repeat(1024), "é".repeat(37), "😀".repeat(1024)]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const hash = await passwords.hash(long);
    // oxlint-disable-next-line no-await-in-loop
    expect((await passwords.verify(long, hash)).isValid).toBe(true);
    // oxlint-disable-next-line no-await-in-loop
    expect((await passwords.verify(`${long.slice(0, -2)}zz`, hash)).isValid).toBe(false);
    // oxlint-disable-next-line no-await-in-loop
    expect((await passwords.verify(Array.from(long).slice(0, -1).join(""), hash)).isValid).toBe(false);
  }
});

test("createPasswords() makes hashes of up to 72 bytes that are plain bcrypt", async () => {
  const text = "a".repeat(72);
  expect(await Bun.password.verify(text, await passwords.hash(text))).toBe(true);
});

test("createPasswords().verify() takes the same letters in another Unicode form", async () => {
  const hash = await passwords.hash("cafe\u0301 au lait");
  expect((await passwords.verify("caf\u00e9 au lait", hash)).isValid).toBe(true);
});

test("createPasswords().verify() tells halves of surrogate pairs apart from what UTF-8 has for them", async () => {
  const hash = await passwords.hash("\ufffd".repeat(8));
  expect((await passwords.verify("\ud800".repeat(8), hash)).isValid).toBe(false);
});

test.each([
  "",
  "x",
  "$2b$04$short",
  "$argon2id$v=19$broken",
  "$2b$99$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
])("createPasswords().verify() is false for the hash %j", async (hash) => {
  expect(await passwords.verify("correct horse", hash)).toEqual({ isValid: false, isRehashDue: false });
});

test("createPasswords().verify() says that a rehash is due when the setting has changed", async () => {
  const bcrypt5 = createPasswords({ algorithm: "bcrypt", bcryptCost: 5 });
  const argon2id = createPasswords({ algorithm: "argon2id", bcryptCost: 4 });
  const long = "long ".repeat(20);
  const [old, modern] = await Promise.all([passwords.hash(long), argon2id.hash(long)]);
  expect(await bcrypt5.verify(long, old)).toEqual({ isValid: true, isRehashDue: true });
  expect(await argon2id.verify(long, old)).toEqual({ isValid: true, isRehashDue: true });
  expect(await argon2id.verify(long, modern)).toEqual({ isValid: true, isRehashDue: false });
  expect(await passwords.verify(long, modern)).toEqual({ isValid: true, isRehashDue: true });
  expect((await passwords.verify("another one", modern)).isRehashDue).toBe(false);
});

test.each([
  ["1234567", "fewer than 8"],
  ["😀😀😀😀", "fewer than 8"],
  ["x".repeat(1025), "more than 1024"],
  ["x".repeat(1_000_000), "more than 1024"],
  ["1234567\0", "U+0000"],
  ["1234567\ud800", "half of a character"],
])("assertPassword() refuses %.20j", async (password, reason) => {
  const error = expect.objectContaining({
    code: "validation_error",
    errors: [expect.objectContaining({ path: "/body/password" })],
  });
  expect(() => assertPassword(password)).toThrow(reason);
  expect(await passwords.hash(password).catch((thrown: unknown) => thrown)).toEqual(error);
});

test("assertPassword() takes 8 to 1024 characters, not code units", () => {
  for (const password of ["12345678", "😀".repeat(8), "😀".repeat(1024), "x".repeat(1024)])
    assertPassword(password);
});

test("createPasswords() runs few at once, and never keeps the event loop from going on", async () => {
  const slow = createPasswords({ algorithm: "bcrypt", bcryptCost: 8, concurrency: 1 });
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await Promise.all(Array.from({ length: 5 }, () => slow.hash("correct horse")));
  clearInterval(timer);
  expect(turns).toBeGreaterThan(5);
});

test("createPasswords() refuses more than can wait, and goes on after", async () => {
  const narrow = createPasswords({ algorithm: "bcrypt", bcryptCost: 4, concurrency: 1 });
  const results = await Promise.allSettled(Array.from({ length: 300 }, () => narrow.burn("x")));
  const refused = results.filter((result) => result.status === "rejected");
  expect(refused).toHaveLength(300 - 257);
  expect(refused[0]?.reason).toMatchObject({
    code: "rate_limited",
    status: 429,
    headers: { "retry-after": "1" },
  });
  expect(await narrow.burn("x")).toBeUndefined();
});

test.each(["bcrypt", "argon2id"] as const)(
  "createPasswords().burn() takes the time of a verify, from the first one on, with %s",
  async (algorithm) => {
    const slow = createPasswords({ algorithm, bcryptCost: 9, concurrency: 1 });
    const hash = await slow.hash("correct horse");
    const ratio = (await cost(() => slow.burn("x"))) / (await cost(() => slow.verify("x", hash)));
    expect(ratio).toBeGreaterThan(0.5);
    expect(ratio).toBeLessThan(2);
  },
  120_000, // of hashing
);

/** Processor time of the cheapest of some runs. */
async function cost(work: () => Promise<unknown>): Promise<number> {
  const costs: number[] = [];
  // oxlint-disable-next-line no-await-in-loop -- one after another
  for (let round = 0; round < 5; round++) costs.push(await processorTime(work));
  return Math.min(...costs);
}
