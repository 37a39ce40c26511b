import { expect, test } from "bun:test";
import { InFlight, type Mount, MountTable } from "../../src/web/mounts.ts";

function mount(prefix: string): Mount {
  return {
    prefix,
    plugin: prefix,
    fetch: () => new Response(prefix),
    inFlight: new InFlight(),
  };
}

const core = { ...mount(""), plugin: null };
const prefixes = ["/hello", "/hello2", "/api", "/api/x", "/api/x/deep", "/other/only/deep", "/v1.0"];
const table = new MountTable(core, prefixes.map(mount));

const paths: [string, string][] = [
  ["/hello", "/hello"],
  ["/hello/", "/hello"],
  ["/hello/a/b", "/hello"],
  ["/hello//", "/hello"],
  ["/hello2", "/hello2"],
  ["/hello2/a", "/hello2"],
  ["/hello3", ""],
  ["/hell", ""],
  ["/Hello", ""],
  ["/api", "/api"],
  ["/api/", "/api"],
  ["/api/y", "/api"],
  ["/api/xy", "/api"],
  ["/api/x", "/api/x"],
  ["/api/x/", "/api/x"],
  ["/api/x/y", "/api/x"],
  ["/api/x/deep", "/api/x/deep"],
  ["/api/x/deep/er", "/api/x/deep"],
  ["/api/x/deeper", "/api/x"],
  ["/other", ""],
  ["/other/only", ""],
  ["/other/only/deep", "/other/only/deep"],
  ["/other/only/deeper", ""],
  ["/v1.0/a", "/v1.0"],
  ["/h%65llo", ""],
  ["/hello%2Fa", ""],
  ["//hello", ""],
  ["//", ""],
  ["/", ""],
  ["", ""],
  ["/constructor", ""],
  ["/__proto__/x", ""],
];

test.each(paths)("MountTable.find() finds for %p the mount at %p", (path, prefix) => {
  expect(table.find(path).prefix).toBe(prefix);
});

test("MountTable.find() doesn't depend on the order of the mounts", () => {
  const reversed = new MountTable(core, prefixes.toReversed().map(mount));
  for (const [path, prefix] of paths) expect([path, reversed.find(path).prefix]).toEqual([path, prefix]);
});

test("MountTable throws a RangeError for two mounts with one prefix", () => {
  expect(() => new MountTable(core, [mount("/a/b"), mount("/a"), mount("/a/b")])).toThrow(
    new RangeError('Cannot mount "/a/b" twice'),
  );
});
