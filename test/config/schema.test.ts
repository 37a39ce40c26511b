import { expect, test } from "bun:test";
import { BYTE_SIZE_PATTERN } from "../../src/config/keys/types.ts";
import { parseByteSize } from "../../src/config/schema.ts";

test.each([
  ["1b", 1],
  ["512kb", 524_288],
  ["16mb", 16_777_216],
  ["16 MB", 16_777_216],
  ["1gb", 1_073_741_824],
  ["2KiB", 2048],
  ["1.5kb", 1536],
  ["0.001b", 1],
  [1_048_576, 1_048_576],
])("parseByteSize() reads %p as bytes when it is a size", (size, bytes) => {
  expect(parseByteSize(size)).toBe(bytes);
  if (typeof size === "string") expect(size).toMatch(new RegExp(BYTE_SIZE_PATTERN, "u"));
});

test.each([
  "",
  "mb",
  "16",
  "16tb",
  "-1mb",
  "1e3mb",
  "16mb ",
  "9999999gb",
  "0mb",
  0,
  -1,
  1.5,
  Number.NaN,
  2 ** 60,
])("parseByteSize() throws RangeError when given %p", (size) => {
  expect(() => parseByteSize(size)).toThrow(RangeError);
  if (typeof size === "string") expect(size).not.toMatch(new RegExp(BYTE_SIZE_PATTERN, "u"));
});
