import { TOTP, URI } from "otpauth";
import { expect, test } from "bun:test";
import {
  createOtpSecret,
  findOtpStep,
  generateOtpCode,
  toOtpCode,
  toOtpUri,
  toQrCodeSvg,
} from "../../../src/accounts/two-factor/codes.ts";

/** The test vectors' secret of RFC 6238, "12345678901234567890". */
const SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

test("generateOtpCode() gives the codes of RFC 6238", () => {
  const vectors = [
    [59, "287082"],
    [1_111_111_109, "081804"],
    [1_234_567_890, "005924"],
    [20_000_000_000, "353130"],
  ] as const;
  for (const [seconds, code] of vectors) expect(generateOtpCode(SECRET, seconds * 1000)).toBe(code);
});

test("findOtpStep() takes the step before, the present one and the next, to the millisecond", () => {
  const step = 50_000_000;
  const code = generateOtpCode(SECRET, step * 30_000);
  const find = (nowMs: number, after = 0) => findOtpStep(SECRET, code, { nowMs, after });
  expect(find((step - 1) * 30_000 - 1)).toBeNull();
  expect(find((step - 1) * 30_000)).toBe(step);
  expect(find(step * 30_000)).toBe(step);
  expect(find((step + 2) * 30_000 - 1)).toBe(step);
  expect(find((step + 2) * 30_000)).toBeNull();
  expect(find(step * 30_000, step - 1)).toBe(step);
  expect(find(step * 30_000, step)).toBe("used");
  expect(find(step * 30_000, step + 1)).toBe("used");
  expect(findOtpStep(SECRET, "000000", { nowMs: step * 30_000, after: step })).toBeNull();
});

test("findOtpStep() survives the first step of all, and text that is no code", () => {
  expect(findOtpStep(SECRET, generateOtpCode(SECRET, 30_000), { nowMs: 0, after: 0 })).toBe(1);
  for (const code of ["", "é", "28708", "2870822"]) {
    expect(findOtpStep(SECRET, code, { nowMs: 59_000, after: 0 })).toBeNull();
  }
});

test("toOtpCode() reads a code however it was spaced, and nothing else", () => {
  for (const typed of ["123456", "123 456", " 123-456\n", "12 34 56"])
    expect(toOtpCode(typed)).toBe("123456");
  for (const typed of ["", "12345", "1234567", "12345a", "١٢٣٤٥٦", "123456\0", "+12345"]) {
    expect(toOtpCode(typed)).toBeNull();
  }
});

test("createOtpSecret() makes 160 random bits", () => {
  const secrets = Array.from({ length: 100 }, createOtpSecret);
  expect(new Set(secrets).size).toBe(100);
  for (const secret of secrets) expect(secret).toMatch(/^[A-Z2-7]{32}$/);
});

test("toOtpUri() is read back by otpauth, whatever the names hold", () => {
  const account = 'zoë+a:b&issuer=evil?#%"<x>@example.com';
  const uri = toOtpUri({ secret: SECRET, issuer: "Ac:me & co\r\nx", account });
  expect(uri).not.toMatch(/[\s"<>]/);
  const parsed = URI.parse(uri);
  expect(parsed).toBeInstanceOf(TOTP);
  expect(parsed.issuer).toBe("Ac me & co\r\nx");
  expect(parsed.label).toBe(account.replaceAll(":", " "));
  expect(parsed.secret.base32).toBe(SECRET);
  expect(parsed).toMatchObject({ algorithm: "SHA1", digits: 6, period: 30 });
});

test("toQrCodeSvg() draws an SVG without anything of the text in it", () => {
  const svg = toQrCodeSvg("otpauth://totp/<script>alert(1)</script>");
  expect(svg).toMatch(
    /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" viewBox="[\d ]+"><rect [^<>]+\/><path [^<>]+\/><\/svg>$/,
  );
});
