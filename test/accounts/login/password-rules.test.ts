import { expect, test } from "bun:test";
import { AppError } from "../../../src/errors/errors.ts";
import { assertChoice } from "../../../src/accounts/login/password-rules.ts";

const EMAIL = "grace.hopper@navy.example.com";

async function problemOf(
  password: string,
  options: { email?: string; isAdministrator?: boolean } = {},
): Promise<string | null> {
  const error: unknown = await assertChoice(password, { email: EMAIL, ...options }).catch(
    (thrown: unknown) => thrown,
  );
  if (error === undefined) return null;
  if (error instanceof AppError && error.code === "validation_error") return error.message;
  throw error;
}

test.each([
  "password",
  "PASSWORD1",
  "Password123!",
  "12345678",
  "qwertyuiop",
  "letmein123",
  "iloveyou",
  "trustno1",
  "1q2w3e4r5t",
  "football1!!",
])("assertChoice() refuses %p, which many people use", async (password) => {
  expect(await problemOf(password)).toContain("many people use");
});

test.each(["aaaaaaaaaaaa", "abababababab", "1212121212"])("assertChoice() refuses %p", async (password) => {
  expect(await problemOf(password)).not.toBeNull();
});

test.each([
  EMAIL,
  EMAIL.toUpperCase(),
  "grace.hopper",
  "Grace.Hopper1906",
  "hopper1906",
  "gracehopper",
  "hoppergrace99",
  "navy.example",
  "example.com1",
  "my name is grace.hopper",
])("assertChoice() refuses %p, which is made of the email", async (password) => {
  expect(await problemOf(password)).toContain("made of the email");
});

test.each([
  "correct horse battery",
  "correct horse example staple",
  "a grace under pressure",
  "Tr0ub4dor&3",
  "пароль-не-простой",
  "x7#kQ2!v",
])("assertChoice() takes %p", async (password) => {
  expect(await problemOf(password)).toBeNull();
});

test("assertChoice() asks 8 characters of everybody, and 12 of who may do everything", async () => {
  expect(await problemOf("x7#kQ2!")).toContain("fewer than 8");
  expect(await problemOf("x7#kQ2!v", { isAdministrator: true })).toContain("fewer than 12");
  expect(await problemOf("x7#kQ2!vB9z", { isAdministrator: true })).toContain("fewer than 12");
  expect(await problemOf("x7#kQ2!vB9zp", { isAdministrator: true })).toBeNull();
  // Characters, not code units.
  expect(await problemOf("😀🎉🌍🚀🦄🐙🍕", {})).toContain("fewer than 8");
  expect(await problemOf("éàôü".normalize("NFD"), {})).toContain("fewer than 8");
});

test("assertChoice() isn't fooled by an email without much in it", async () => {
  expect(await problemOf("kestrel-on-a-wire", { email: "a@b.c" })).toBeNull();
});
