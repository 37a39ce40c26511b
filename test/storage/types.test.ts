import { expect, test } from "bun:test";
import { decideType, isTaken } from "../../src/storage/content/types.ts";
import { makePng } from "./pictures.ts";

const PNG = makePng(1, 1);
const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");

test.each([
  // What the content tells, where name and sender say the same or nothing.
  ["a.png", "image/png", PNG, "image/png"],
  ["a", "", PNG, "image/png"],
  ["a", "application/octet-stream", PNG, "image/png"],
  ["a.JPG", "image/jpg", bytes("\xff\xd8\xff\xe0"), "image/jpeg"],
  ["a.pdf", "application/pdf", bytes("%PDF-1.7"), "application/pdf"],
  ["a.zip", "application/x-zip-compressed", bytes("PK\x03\x04"), "application/zip"],
  // What is packed as another type is.
  [
    "a.docx",
    "",
    bytes("PK\x03\x04"),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
  ],
  [
    "a.xls",
    "application/vnd.ms-excel",
    bytes("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    "application/vnd.ms-excel",
  ],
  // By the name where the content has no signature, and by the sender where the name tells nothing.
  ["a.csv", "application/vnd.ms-excel", bytes("a;b"), "text/csv"],
  ["a.csv", "", bytes("\xff\xfea\0;\0"), "text/csv"],
  ["a", "text/csv; charset=utf-8", bytes("a;b"), "text/csv"],
  ["a", "text/csv; charset=klingon", bytes("a;b"), "text/csv"],
  ["a.svg", "image/png", bytes("<svg/>"), "image/svg+xml"],
  ["a.html", "text/plain", bytes("<script>"), "text/html"],
  ["a", "nonsense", bytes("x"), "application/octet-stream"],
  ["a", "", bytes(""), "application/octet-stream"],
] as const)("decideType() of %j, said to be %j", (name, declared, head, expected) => {
  expect(decideType({ name, declared, head })).toBe(expected);
});

test.each([
  ["a.png", "image/png", bytes("<script>alert(1)</script>")],
  ["a.png", "image/png", bytes("%PDF-1.7")],
  ["a", "image/png", bytes("hello")],
  ["a.html", "image/png", PNG],
  ["a.jpg", "image/jpeg", PNG],
  ["a.pdf", "application/pdf", bytes("MZ\x90")],
  ["a.txt", "text/plain", bytes("\x7fELF")],
  ["a.csv", "text/csv", bytes("a\0b")],
  ["a.docx", "", bytes("hello")],
] as const)("decideType() refuses %j, said to be %j, whose content is another", (name, declared, head) => {
  expect(() => decideType({ name, declared, head })).toThrow(
    expect.objectContaining({ code: "file_refused", status: 415 }),
  );
});

test("isTaken() takes no SVG for an image: it may hold script", () => {
  expect(isTaken("image/png", ["image/*"])).toBe(true);
  expect(isTaken("image/svg+xml", ["image/*"])).toBe(false);
  expect(isTaken("image/svg+xml", ["image/svg+xml"])).toBe(true);
  expect(isTaken("image/jpeg", ["image/jpg"])).toBe(true);
  expect(isTaken("imagex/png", ["image/*"])).toBe(false);
});
