import { expect, test } from "bun:test";
import { normalizeEmail, parseEmail } from "../../../src/accounts/people/emails.ts";
import type { AppError } from "../../../src/errors/errors.ts";

test.each([
  ["ada@example.com", "ada@example.com"],
  ["  Ada@Example.COM ", "ada@example.com"],
  ["ada+tag@example.com", "ada+tag@example.com"],
  ["O'Neil@example.com", "o'neil@example.com"],
  ["root@localhost", "root@localhost"],
  ["é@example.com", "é@example.com"], // decomposed
  ["É@EXAMPLE.com", "é@example.com"],
  ["ａｄａ＠example.com", "ada@example.com"], // full width
  ["ada@bücher.example", "ada@xn--bcher-kva.example"],
  ["ada@BÜCHER.example", "ada@xn--bcher-kva.example"],
  ["ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"],
  ["İ@example.com", "i̇@example.com"],
  ["ﬁ@example.com", "fi@example.com"], // a ligature
])("normalizeEmail() makes %j %j", (text, email) => {
  expect(normalizeEmail(text)).toBe(email);
  expect(normalizeEmail(email)).toBe(email);
});

test.each([
  "",
  "ada",
  "@example.com",
  "ada@",
  "ada@@example.com",
  "ada@exa mple.com",
  "a da@example.com",
  ".ada@example.com",
  "ada.@example.com",
  "a..da@example.com",
  "ada@-example.com",
  "ada@example..com",
  "ada@example.com.",
  "ada@exam_ple.com",
  "ada@[127.0.0.1]",
  "ada@example.com\r\nBcc: all@example.com",
  "ada\0@example.com",
  "ada\u200b@example.com",
  "ada\u202e@example.com",
  "\ud800@example.com",
  "deleted-7@deleted.invalid", // what a deleted account's row has
  "deleted-7@DELETED.\uff49nvalid",
  '"ada"@example.com',
  "<ada@example.com>",
  "ada@example.com, bob@example.com",
  `${"a".repeat(65)}@example.com`,
  `ada@${"a".repeat(64)}.com`,
  `ada@${"a.".repeat(200)}com`,
  "x".repeat(100_000),
])("parseEmail() is null for %j", (text) => {
  expect(parseEmail(text)).toBeNull();
});

test("parseEmail() takes 255 characters and no more", () => {
  const domain = `${"a".repeat(61)}.`.repeat(3); // 186
  const email = `${"l".repeat(64)}@${domain}${"b".repeat(4)}`;
  expect(email).toHaveLength(255);
  expect(parseEmail(email)).toBe(email);
  expect(parseEmail(`${email}b`)).toBeNull();
});

test("normalizeEmail() throws validation_error with the place, and not the text", () => {
  try {
    normalizeEmail("s3cret");
    expect.unreachable();
  } catch (error) {
    expect(error).toMatchObject({ code: "validation_error", status: 422, errors: [{ path: "/body/email" }] });
    expect((error as AppError).message).not.toContain("s3cret");
  }
});

test("parseEmail() is idempotent, whatever it is given", () => {
  const alphabet = [
    "a",
    "Z",
    "é",
    "İ",
    "ß",
    "＠",
    "@",
    ".",
    "-",
    " ",
    "\0",
    "ﬀ",
    "😀",
    "\ud83d",
    "א",
    "ǅ",
    "x",
    "1",
  ];
  let seed = 7;
  const next = (below: number) => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) % below;
  for (let round = 0; round < 5000; round++) {
    const text = Array.from({ length: next(16) }, () => alphabet[next(alphabet.length)]).join("");
    const email = parseEmail(`${text}@Example.com`);
    if (email !== null) expect(parseEmail(email)).toBe(email);
  }
});
