import { describe, expect, test } from "bun:test";
import { MAX_LINE } from "../../src/log/line-buffer.ts";
import { writeRequestLine } from "../../src/log/request-line.ts";
import type { RequestEntry } from "../../src/log/request-line.ts";

const START = 7;
const entry: RequestEntry = {
  at: Date.now(),
  request_id: "a1b2",
  method: "GET",
  path: "/blog/1",
  status: 200,
  duration_ms: 1.2345,
  plugin: "blog",
  bytes: 512,
  ip_address: "2001:db8::1",
  user_id: 12,
  viewer_id: 3,
};

function toLine(fields: Partial<RequestEntry> = {}): string {
  const bytes = Buffer.alloc(START + MAX_LINE, "x");
  const end = writeRequestLine(bytes, START, { ...entry, ...fields });
  expect(bytes.toString("latin1", 0, START)).toBe("x".repeat(START));
  return bytes.toString("utf8", START, end);
}

function parse(fields: Partial<RequestEntry>): Record<string, unknown> {
  return JSON.parse(toLine(fields));
}

describe("writeRequestLine()", () => {
  test("writeRequestLine() writes one JSON line with every field", () => {
    const line = toLine();
    expect(line.indexOf("\n")).toBe(line.length - 1);
    expect(JSON.parse(line)).toEqual({
      level: "info",
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      request_id: "a1b2",
      method: "GET",
      path: "/blog/1",
      status: 200,
      duration_ms: 1.235,
      bytes: 512,
      ip_address: "2001:db8::1",
      user_id: 12,
      viewer_id: 3,
      plugin: "blog",
      msg: "request",
    });
  });

  test.each([
    [200, "info"],
    [499, "info"],
    [500, "warn"],
    [599, "warn"],
    [700, "warn"],
  ])("writeRequestLine() gives status %p the level %p", (status, level) => {
    expect(parse({ status })).toMatchObject({ status, level });
  });

  test.each([
    [0, 0],
    [0.0004, 0],
    [0.05, 0.05],
    [12.0101, 12.01],
    [999.9996, 1000],
    [123_456.789, 123_456.789],
    [-1, 0],
    [Number.NaN, 0],
    [Infinity, 0],
  ])("writeRequestLine() writes a duration of %p ms as %p", (duration_ms, written) => {
    expect(parse({ duration_ms })["duration_ms"]).toBe(written);
  });

  test("writeRequestLine() writes null for the core and for nobody, and leaves out what isn't known", () => {
    const line = parse({ plugin: null, user_id: null, viewer_id: null, bytes: null });
    expect(line).toMatchObject({ plugin: null, user_id: null });
    expect(Object.keys(line).filter((key) => key === "viewer_id" || key === "bytes")).toEqual([]);
  });

  test.each([
    '/"},{"level":"fatal',
    "/a\nb\r\u0000\u001b[31m",
    "/\\",
    "/\u007f\u009b31m\u2028\u2029",
    "/\ud800",
    "/é/😀/中",
  ])("writeRequestLine() keeps %j inside its field, on one line and without control characters", (text) => {
    const line = toLine({ path: text, request_id: text, method: text, plugin: text, ip_address: text });
    expect(line.slice(0, -1)).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
    expect(JSON.parse(line)).toMatchObject({
      level: "info",
      path: text,
      request_id: text,
      method: text,
      plugin: text,
      ip_address: text,
    });
  });

  test("writeRequestLine() cuts a path of 1 MB to 2,048 characters", () => {
    expect(parse({ path: `/${"a".repeat(1_000_000)}` })["path"]).toBe(`/${"a".repeat(2047)}…`);
  });

  test("writeRequestLine() needs no more room than there is, whatever the texts are", () => {
    const long = "\u001b".repeat(10_000);
    const line = toLine({ path: long, request_id: long, method: long, plugin: long, ip_address: long });
    expect(JSON.parse(line)).toMatchObject({ path: `${long.slice(0, 2048)}…` });
    expect(Buffer.byteLength(line)).toBeLessThan(MAX_LINE);
  });

  test("writeRequestLine() gives each plugin its name when there are thousands", () => {
    for (let index = 0; index < 3000; index++) toLine({ plugin: `p${index}` });
    expect(parse({ plugin: "p1" })["plugin"]).toBe("p1");
  });
});
