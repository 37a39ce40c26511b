import { expect, test } from "bun:test";
import { toDisposition, toSafeName } from "../../src/storage/content/names.ts";

test.each([
  ["contract.pdf", "contract.pdf"],
  ["../../x", "x"],
  ["..\\..\\windows\\x.txt", "x.txt"],
  ["/etc/passwd", "passwd"],
  ["a/..", "a"],
  ["", "file"],
  ["...", "file"],
  [".htaccess", "htaccess"],
  ["<script>alert(1)</script>.png", "script_.png"],
  ['"><img src=x onerror=alert(1)>.png', "___img src=x onerror=alert(1)_.png"],
  ["a\r\nset-cookie: x=1.txt", "aset-cookie_ x=1.txt"],
  ["a\0.txt", "a.txt"],
  ["gpj.exe\u{202e}.txt", "gpj.exe.txt"],
  ["$(rm -rf ~).txt", "_(rm -rf ~).txt"],
  ["CON", "_CON"],
  ["nul.txt", "_nul.txt"],
  ["com\u{b9}.txt", "_com\u{b9}.txt"],
  ["AUX .txt", "_AUX .txt"],
  ["  r\u{e9}sum\u{e9}  2026 .pdf ", "r\u{e9}sum\u{e9} 2026 .pdf"],
  ["re\u{301}sume\u{301}.pdf", "r\u{e9}sum\u{e9}.pdf"],
])("toSafeName(%j) is %j", (given, expected) => {
  expect(toSafeName(given)).toBe(expected);
});

test.each([
  ["dots", `a${".".repeat(1_000_000)}b`],
  ["dots and spaces", `a${". ".repeat(500_000)}b`],
  ["folders", `${"./".repeat(500_000)}ab`],
  ["accents", `e${"\u{301}\u{323}".repeat(500_000)}.txt`],
  ["nothing else", ` .${". ".repeat(500_000)}`],
])("toSafeName() of a million %s takes no time", (_, given) => {
  const startedAt = performance.now();
  expect(Buffer.byteLength(toSafeName(given))).toBeLessThanOrEqual(200);
  expect(performance.now() - startedAt).toBeLessThan(5000); // the square of it would be minutes
});

test("toSafeName() keeps the ending of a name that is too long, and no half of a letter", () => {
  const name = toSafeName(`${"\u{1f600}".repeat(200)}.pdf`);
  expect(name).toEndWith(".pdf");
  expect(Buffer.byteLength(name)).toBeLessThanOrEqual(200);
  expect(name.isWellFormed()).toBe(true);
});

test.each([
  ["a.pdf", 'attachment; filename="a.pdf"'],
  ["r\u{e9}sum\u{e9}.pdf", "attachment; filename=\"resume.pdf\"; filename*=UTF-8''r%C3%A9sum%C3%A9.pdf"],
  ["\u{4f60}\u{597d}.pdf", "attachment; filename=\"file.pdf\"; filename*=UTF-8''%E4%BD%A0%E5%A5%BD.pdf"],
  ["a'(b)*.txt", 'attachment; filename="a\'(b)*.txt"'],
  ["50%.txt", "attachment; filename=\"50_.txt\"; filename*=UTF-8''50%25.txt"],
])("toDisposition() of %j has both forms of a name (RFC 6266, RFC 8187)", (name, expected) => {
  expect(toDisposition("attachment", name)).toBe(expected);
});
