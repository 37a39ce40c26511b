import { expect, test } from "bun:test";
import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { type Files, TestApp } from "../setup.ts";
import { exchange } from "./raw-socket.ts";

const TEXT = "0123456789";
const files: Files = {
  "x/plugin.json": { name: "x", version: "1.0.0" },
  "x/run.ts": 'import { createRouter } from "xcore"; export default createRouter().get("/", () => "route");',
  "x/secret.txt": "secret",
  "x/public/a.txt": TEXT,
  "x/public/page.html": "<p>",
  "x/public/style.css": "a{}",
  "x/public/code.js": "1",
  "x/public/data.json": "{}",
  "x/public/pic.svg": "<svg/>",
  "x/public/pic.png": "png",
  "x/public/font.woff2": "font",
  "x/public/mod.wasm": "wasm",
  "x/public/unknown.zzz": "?",
  "x/public/no-extension": "?",
  "x/public/empty.txt": "",
  "x/public/deep/er/b.txt": "deep",
  "x/public/é à.txt": "unicode",
  "x/public/100%.txt": "percent",
  "x/public/a%2Fb.txt": "encoded slash",
  "x/public/.hidden": "secret",
  "x/public/Thumbs.db": "secret",
  "x/public/deep/desktop.ini": "secret",
  "x/public/__MACOSX/a.txt": "secret",
  "x/public/notes.md": "é",
  "x/public/.git/config": "secret",
};

async function start(): Promise<TestApp> {
  const app = await TestApp.start({ plugins: files, config: { plugins: { watch: false } } });
  const root = join(app.folder.path, "plugins/x");
  await symlink(join(root, "secret.txt"), join(root, "public/link-out.txt"));
  await symlink(root, join(root, "public/folder-out"));
  await symlink(join(root, "public/a.txt"), join(root, "public/link-in.txt"));
  await mkdir(join(app.folder.path, "plugins/x/public-two"));
  await app.folder.write({ "plugins/x/public-two/c.txt": "secret" });
  await symlink("../public-two", join(root, "public/sibling"));
  return app;
}

const types: [string, string][] = [
  ["a.txt", "text/plain;charset=utf-8"],
  ["page.html", "text/html;charset=utf-8"],
  ["style.css", "text/css;charset=utf-8"],
  ["notes.md", "text/markdown;charset=utf-8"],
  ["code.js", "text/javascript;charset=utf-8"],
  ["data.json", "application/json;charset=utf-8"],
  ["pic.svg", "image/svg+xml"],
  ["pic.png", "image/png"],
  ["font.woff2", "font/woff2"],
  ["mod.wasm", "application/wasm"],
  ["unknown.zzz", "application/octet-stream"],
  ["no-extension", "application/octet-stream"],
];

test("serveFile() serves files with their types", async () => {
  await using app = await start();
  for (const [name, type] of types) {
    const response = await app.fetch(`/x/static/${name}`);
    expect([name, response.status, response.headers.get("content-type")]).toEqual([name, 200, type]);
    expect(await response.text()).toBe(files[`x/public/${name}`] as string);
    expect(response.headers.get("cache-control")).toBe("public, max-age=0, must-revalidate");
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  }
});

const served: [string, string][] = [
  ["deep/er/b.txt", "deep"],
  ["link-in.txt", TEXT],
  ["empty.txt", ""],
  ["%C3%A9%20%C3%A0.txt", "unicode"],
  ["é à.txt", "unicode"],
  ["100%25.txt", "percent"],
  ["a%252Fb.txt", "encoded slash"],
  ["deep/../a.txt", TEXT],
  ["a.txt?v=2", TEXT],
];

test("serveFile() finds nested, linked and oddly named files", async () => {
  await using app = await start();
  for (const [name, text] of served) {
    const response = await app.fetch(`/x/static/${name}`);
    expect([name, response.status, await response.text()]).toEqual([name, 200, text]);
  }
});

const notFound = [
  "",
  "deep",
  "deep/",
  "deep/er",
  "nothing.txt",
  "a.txt/",
  "a.txt/b",
  "A.TXT",
  ".hidden",
  ".git/config",
  "Thumbs.db",
  "deep/desktop.ini",
  "__MACOSX/a.txt",
  "%2ehidden",
  "deep/../.hidden",
  "link-out.txt",
  "folder-out/secret.txt",
  "sibling/c.txt",
  "../secret.txt",
  "..%2fsecret.txt",
  "%2e%2e/secret.txt",
  "%2e%2e%2fsecret.txt",
  "%252e%252e%252fsecret.txt",
  "deep/..%2f..%2fsecret.txt",
  "..%5csecret.txt",
  "..\\secret.txt",
  "deep%5c..%5ca.txt",
  "a.txt%00",
  "a.txt%00.png",
  "%00",
  "/etc/passwd",
  "%2fetc%2fpasswd",
  "//etc/passwd",
  "%",
  "%ff",
  "%c0%ae%c0%ae/secret.txt",
  "a".repeat(5000),
];

test("serveFile() serves nothing that is hidden, outside or no file", async () => {
  await using app = await start();
  for (const name of notFound) {
    const answer = await exchange(app.url, `GET /x/static/${name} HTTP/1.1\nHost: localhost`);
    expect([name, answer]).toEqual([name, expect.stringMatching(/^HTTP\/1\.1 404 /)]);
    expect(answer).toContain('"code":"not_found"');
    expect(answer).not.toMatch(/secret\b(?!\.txt)|root:/);
  }
});

test("serveFile() answers HEAD as GET, without the body", async () => {
  await using app = await start();
  const get = await app.fetch("/x/static/a.txt");
  const head = await app.fetch("/x/static/a.txt", { method: "HEAD" });
  expect([head.status, await head.text()]).toEqual([200, ""]);
  for (const name of ["content-type", "etag", "last-modified", "content-length", "accept-ranges"]) {
    expect([name, head.headers.get(name)]).toEqual([name, get.headers.get(name)]);
  }
});

test("serveFile() refuses other methods with 405", async () => {
  await using app = await start();
  const response = await app.fetch("/x/static/a.txt", { method: "POST" });
  expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
});

test("serveFile() answers 304 for what the client has (RFC 9110, 13)", async () => {
  await using app = await start();
  const { headers } = await app.fetch("/x/static/a.txt");
  const etag = headers.get("etag") ?? "";
  const modified = headers.get("last-modified") ?? "";
  const later = new Date(Date.parse(modified) + 60_000).toUTCString();
  const earlier = new Date(Date.parse(modified) - 60_000).toUTCString();
  const conditions: [Record<string, string>, number][] = [
    [{ "if-none-match": etag }, 304],
    [{ "if-none-match": `W/${etag}` }, 304],
    [{ "if-none-match": `"other", ${etag}` }, 304],
    [{ "if-none-match": "*" }, 304],
    [{ "if-none-match": '"other"' }, 200],
    [{ "if-none-match": '"other"', "if-modified-since": later }, 200],
    [{ "if-modified-since": modified }, 304],
    [{ "if-modified-since": later }, 304],
    [{ "if-modified-since": earlier }, 200],
    [{ "if-modified-since": "yesterday" }, 200],
    [{ "if-none-match": etag, range: "bytes=0-1" }, 304],
  ];
  for (const [asked, status] of conditions) {
    const response = await app.fetch("/x/static/a.txt", { headers: asked });
    expect([asked, response.status, await response.text()]).toEqual([
      asked,
      status,
      status === 304 ? "" : TEXT,
    ]);
    expect(response.headers.get("etag")).toBe(etag);
  }
});

test("serveFile() has a new entity tag for a changed file of the same size", async () => {
  await using app = await start();
  const before = (await app.fetch("/x/static/a.txt")).headers.get("etag") ?? "";
  await app.folder.write({ "plugins/x/public/a.txt": "9876543210" });
  const response = await app.fetch("/x/static/a.txt", { headers: { "if-none-match": before } });
  expect([response.status, await response.text()]).toEqual([200, "9876543210"]);
});

const ranges: [string, number, string, string | null][] = [
  ["bytes=0-3", 206, "0123", "bytes 0-3/10"],
  ["BYTES=0-3", 206, "0123", "bytes 0-3/10"],
  ["bytes=8-", 206, "89", "bytes 8-9/10"],
  ["bytes=-3", 206, "789", "bytes 7-9/10"],
  ["bytes=-99", 206, TEXT, "bytes 0-9/10"],
  ["bytes=5-99", 206, "56789", "bytes 5-9/10"],
  ["bytes=9-9", 206, "9", "bytes 9-9/10"],
  ["bytes=10-", 416, "", "bytes */10"],
  ["bytes=99-100", 416, "", "bytes */10"],
  ["bytes=-0", 416, "", "bytes */10"],
  [`bytes=${"9".repeat(400)}-`, 416, "", "bytes */10"],
  ["bytes=5-2", 200, TEXT, null],
  ["bytes=-", 200, TEXT, null],
  ["bytes=0-1,3-4", 200, TEXT, null],
  ["lines=0-1", 200, TEXT, null],
  ["bytes=a-b", 200, TEXT, null],
];

test("serveFile() serves single byte ranges (RFC 9110, 14)", async () => {
  await using app = await start();
  for (const [range, status, text, contentRange] of ranges) {
    const response = await app.fetch("/x/static/a.txt", { headers: { range } });
    const body = await response.text();
    expect([range, response.status, response.headers.get("content-range")]).toEqual([
      range,
      status,
      contentRange,
    ]);
    if (status === 416)
      expect(JSON.parse(body)).toMatchObject({ code: "range_not_satisfiable", status: 416 });
    else expect([range, body]).toEqual([range, text]);
  }
});

test("serveFile() sends the whole file for a range of HEAD, of another version, or of nothing", async () => {
  await using app = await start();
  const range = "bytes=0-3";
  const head = await app.fetch("/x/static/a.txt", { method: "HEAD", headers: { range } });
  expect([head.status, head.headers.get("content-length")]).toEqual([200, "10"]);
  const { headers } = await app.fetch("/x/static/a.txt");
  const conditions: [string, number][] = [
    [headers.get("etag") ?? "", 206],
    [headers.get("last-modified") ?? "", 206],
    ['"other"', 200],
    [new Date(0).toUTCString(), 200],
  ];
  for (const [condition, status] of conditions) {
    const response = await app.fetch("/x/static/a.txt", { headers: { range, "if-range": condition } });
    expect([condition, response.status]).toEqual([condition, status]);
  }
  expect((await app.fetch("/x/static/empty.txt", { headers: { range: "bytes=0-" } })).status).toBe(416);
});
