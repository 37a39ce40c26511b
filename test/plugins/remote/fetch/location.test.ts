import { expect, test } from "bun:test";
import { AppError } from "../../../../src/errors/errors.ts";
import { isLoopback, parseLocation } from "../../../../src/plugins/remote/fetch/location.ts";

const PROJECT = "/srv/project";

test.each([
  ["https://example.com/crm/plugin.json", "https://example.com/crm/plugin.json"],
  ["HTTPS://EXAMPLE.com:443/a/../b.ts?v=1#part", "https://example.com/b.ts?v=1"],
  ["http://localhost:8000/a.ts", "http://localhost:8000/a.ts"],
  ["http://127.1/a.ts", "http://127.0.0.1/a.ts"],
  ["http://[::1]:80/a.ts", "http://[::1]/a.ts"],
])("parseLocation() of %j is a URL", (text, href) => {
  const location = parseLocation(text, PROJECT);
  expect(location).toMatchObject({ kind: "http", text });
  expect(location.kind === "http" && location.url.href).toBe(href);
});

test.each([
  ["npm:crm", "crm", "latest"],
  ["npm:crm@1.2.3", "crm", "1.2.3"],
  ["npm:@acme/crm@1.2.3-beta.1+build", "@acme/crm", "1.2.3-beta.1+build"],
  ["npm:@acme/crm@^1.2", "@acme/crm", "^1.2"],
])("parseLocation() of %j is a package", (text, name, version) => {
  expect(parseLocation(text, PROJECT)).toEqual({ kind: "npm", text, name, version });
});

test.each([
  ["../shared/crm", "/srv/shared/crm"],
  ["./hello.ts", "/srv/project/hello.ts"],
  ["/opt/crm.tgz", "/opt/crm.tgz"],
  ["file:///opt/a%20b", "/opt/a b"],
])("parseLocation() of %j is a path", (text, path) => {
  expect(parseLocation(text, PROJECT)).toEqual({ kind: "path", text, path });
});

test.each([
  ["", "it names no file"],
  ["  ", "it names no file"],
  ["a\0b", "control characters"],
  ["https://example.com/\nx.ts", "control characters"],
  ["file:///a%00b", "it names no file"],
  ["file:///a%0Ab", "it names no file"],
  ["file://host/share", "no file on this machine"],
  ["https://", "it is no URL"],
  ["http://example.com/a.ts", 'use "https:"'],
  ["http://localhost.example.com/a.ts", 'use "https:"'],
  ["http://127.0.0.1.example.com/a.ts", 'use "https:"'],
  ["http://[::ffff:127.0.0.1]/a.ts", 'use "https:"'],
  ["ftp://example.com/a.ts", "a plugin comes from"],
  ["data:text/javascript,1", "a plugin comes from"],
  ["javascript:alert(1)", "a plugin comes from"],
  ["plugin:crm", "a plugin comes from"],
  ["npm:", "write it as"],
  ["npm:../crm", "write it as"],
  ["npm:@acme/../crm", "write it as"],
  ["npm:-g", "write it as"],
  ["npm:crm@", "write it as"],
  ["npm:crm@file:..", "write it as"],
  ["npm:crm@git+ssh:host", "write it as"],
  ["npm:crm@1.0.0 --registry=x", "write it as"],
])("parseLocation() refuses %j", (text, reason) => {
  expect(() => parseLocation(text, PROJECT)).toThrow(reason);
});

test.each(["https://ada:secret@example.com/a.ts", "https://token@example.com/a.ts"])(
  "parseLocation() doesn't repeat the credentials of %j",
  (text) => {
    const error: unknown = catchError(() => parseLocation(text, PROJECT));
    expect(error).toBeInstanceOf(AppError);
    expect((error as AppError).message).toContain("no credentials");
    expect((error as AppError).message).not.toMatch(/secret|token/);
  },
);

test("parseLocation() gives a location or an AppError, and never plain HTTP to elsewhere", () => {
  const parts = ["http:", "https:", "npm:", "file:", "//", "/", "\\", "@", ":", "..", "127.0.0.1", "[", "]"];
  const more = ["localhost", "example.com", "%", "?", "#", "\0", " ", "\uD800", "é", "0x7f.1", "2130706433"];
  const all = [...parts, ...more];
  let state = 7;
  const next = (): string => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return all[Math.floor((state / 2 ** 32) * all.length)] ?? "";
  };
  let parsed = 0;
  for (let index = 0; index < 50_000; index++) {
    const text = Array.from({ length: 1 + (index % 7) }, next).join("");
    let location;
    try {
      location = parseLocation(text, PROJECT);
    } catch (error) {
      expect(error).toBeInstanceOf(AppError);
      expect((error as AppError).message).not.toMatch(/\p{Cc}/u);
      continue;
    }
    parsed++;
    if (location.kind !== "http") continue;
    expect(location.url.protocol === "https:" || isLoopback(location.url)).toBe(true);
    expect(location.url.username + location.url.password).toBe("");
  }
  expect(parsed).toBeGreaterThan(1000);
});

function catchError(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    return error;
  }
}
