import { expect, test } from "bun:test";
import { chooseCoding, isCompressible } from "../../../src/web/content/codings.ts";

test.each([
  [null, null],
  ["", null],
  ["gzip", "gzip"],
  ["gzip, deflate, br, zstd", "zstd"],
  ["X-GZIP", "gzip"],
  ["br, GZIP;q=0.5", "gzip"],
  ["zstd;q=0.3, gzip;q=0.4", "gzip"],
  ["zstd;q=0, *", "gzip"],
  ["*", "zstd"],
  ["*;q=0", null],
  ["gzip; q=0.0", null],
  ["gzip ; q=0.001", "gzip"],
  ["identity, gzip;q=0.9", null],
  ["identity;q=0.5, gzip;q=0.5", "gzip"],
  ["identity;q=0", null], // nothing else is taken: as it is, all the same
  ["gzip;q=2", null],
  ["gzip;q=-1", null],
  ["gzip;q=1e9", null],
  ["gzip;q=NaN, zstd;q=", null],
  ["gzip;level=9;q=0.5", null],
  ["gzip;q=0, gzip", null], // the first counts
  ["__proto__, constructor, gzip", "gzip"],
  [`gzip${",".repeat(900)}`, "gzip"],
  [`gzip,${"a".repeat(2000)}`, null],
] as const)("chooseCoding() reads %p as %p", (header, expected) => {
  const headers = header === null ? {} : { "accept-encoding": header };
  expect(chooseCoding(new Request("http://localhost/", { headers }))).toBe(expected);
});

test.each([
  ["text/css;charset=utf-8", true],
  ["application/problem+json", true],
  ["image/svg+xml", true],
  ["image/png", false],
  ["application/zip", false],
  ["text/event-stream", false],
  ["", false],
])("isCompressible(%p) is %p", (type, expected) => {
  expect(isCompressible(type)).toBe(expected);
});
