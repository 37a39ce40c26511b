import { expect, test } from "bun:test";
import { type Files, plugin, TestApp } from "../../setup.ts";

const CSS = "a { color: red }\n".repeat(200);
const PAGE = `{% extends "xcore/layout.html" %}{% block content %}${"<p>word</p>".repeat(300)}{{ said }}{% endblock %}`;

const router = `
  .get("/page", ({ query }) => templates.render("page.html", { said: query.said ?? "" }))
  .get("/json", () => ({ text: "x".repeat(5000) }))
  .get("/own", () => new Response(Bun.gzipSync("own".repeat(1000)), { headers: { "content-encoding": "gzip", "content-type": "text/plain" } }))
`;

function pluginFiles(): Files {
  const made = plugin("x", router);
  const code = (made["x/run.ts"] as string).replace(
    'from "xcore";',
    'from "xcore";\nimport { templates } from "xcore";',
  );
  return {
    ...made,
    "x/run.ts": code,
    "x/templates/page.html": PAGE,
    "x/public/a.css": CSS,
    "x/public/small.css": "a{}",
    "x/public/a.png": "p".repeat(5000),
  };
}

/** An answer as it came, not unpacked. */
async function ask(app: TestApp, path: string, headers: Record<string, string> = {}, method = "GET") {
  const response = await fetch(app.url + path, {
    method,
    headers: { "accept-encoding": "identity", ...headers },
    decompress: false,
  });
  const of = (name: string) => response.headers.get(name);
  return {
    status: response.status,
    coding: of("content-encoding"),
    etag: of("etag") ?? "",
    vary: of("vary"),
    length: Number(of("content-length")),
    bytes: await response.bytes(),
  };
}

function unpack(bytes: Uint8Array<ArrayBuffer>, coding: string | null): string {
  const unpacked =
    coding === "zstd" ? Bun.zstdDecompressSync(bytes) : coding === "gzip" ? Bun.gunzipSync(bytes) : bytes;
  return new TextDecoder().decode(unpacked);
}

test("files and documents are sent as the client takes them, each form with a tag of its own", async () => {
  await using app = await TestApp.start({ plugins: pluginFiles() });
  for (const path of ["/x/static/a.css", "/openapi.json", "/docs/swagger-ui.css"]) {
    const plain = await ask(app, path);
    expect([path, plain.status, plain.coding, plain.vary]).toEqual([path, 200, null, "accept-encoding"]);
    const tags = new Set([plain.etag]);
    for (const coding of path === "/docs/swagger-ui.css" ? ["gzip"] : ["gzip", "zstd"]) {
      const packed = await ask(app, path, { "accept-encoding": coding });
      expect([path, packed.coding, packed.vary]).toEqual([path, coding, "accept-encoding"]);
      expect(packed.bytes.length).toBeLessThan(plain.bytes.length);
      expect(unpack(packed.bytes, coding)).toBe(unpack(plain.bytes, null));
      expect(packed.etag).toMatch(/^"[^"]+"$/);
      expect(tags).not.toContain(packed.etag);
      tags.add(packed.etag);
      const again = { "accept-encoding": coding, "if-none-match": `"other", W/${packed.etag}` };
      expect(await ask(app, path, again)).toMatchObject({
        status: 304,
        coding: null,
        etag: packed.etag,
        vary: "accept-encoding",
      });
      expect(await ask(app, path, { "if-none-match": packed.etag })).toMatchObject({
        status: 200,
        etag: plain.etag,
      });
      const head = await ask(app, path, { "accept-encoding": coding }, "HEAD");
      expect([head.coding, head.etag, head.bytes.length]).toEqual([coding, packed.etag, 0]);
    }
  }
});

test("a range is of the file as it is, and a file that changes is another one", async () => {
  await using app = await TestApp.start({ plugins: pluginFiles(), config: { plugins: { watch: false } } });
  const path = "/x/static/a.css";
  const zstd = { "accept-encoding": "zstd" };
  const packed = await ask(app, path, zstd);
  const part = await ask(app, path, { ...zstd, range: "bytes=0-9" });
  expect([part.status, part.coding, unpack(part.bytes, null)]).toEqual([206, null, CSS.slice(0, 10)]);
  expect(part.etag).not.toBe(packed.etag);
  const whole = await ask(app, path, { ...zstd, range: "bytes=0-9", "if-range": packed.etag });
  expect([whole.status, whole.coding, unpack(whole.bytes, null)]).toEqual([200, null, CSS]);
  expect(await ask(app, path, { range: "bytes=0-9", "if-range": part.etag })).toMatchObject({ status: 206 });
  for (const name of ["small.css", "a.png"]) {
    expect(await ask(app, `/x/static/${name}`, zstd)).toMatchObject({ coding: null, vary: null });
  }
  await app.writePlugins({ "x/public/a.css": `${CSS}b{}` });
  const changed = await ask(app, path, { ...zstd, "if-none-match": packed.etag });
  expect([changed.status, unpack(changed.bytes, "zstd")]).toEqual([200, `${CSS}b{}`]);
});

test("a page is compressed for whom nobody knows, and no answer that a plugin has made", async () => {
  await using app = await TestApp.start({ plugins: pluginFiles() });
  const takes = { "accept-encoding": "gzip, zstd" };
  const page = await ask(app, "/x/page?said=hello", takes);
  expect([page.coding, page.vary]).toEqual(["zstd", "accept-encoding, cookie"]);
  expect(unpack(page.bytes, "zstd")).toContain("hello");
  const { headers } = await app.admin();
  const known = [{ cookie: "theme=dark" }, { "x-api-key": "x" }, headers as Record<string, string>];
  for (const brings of known) {
    const own = await ask(app, "/x/page?said=hello", { ...takes, ...brings });
    expect([own.coding, own.etag]).toEqual([null, ""]);
    expect(unpack(own.bytes, null)).toContain("hello");
  }
  expect((await ask(app, "/x/json", takes)).coding).toBeNull();
  const own = await ask(app, "/x/own", takes);
  expect([own.coding, unpack(own.bytes, "gzip")]).toEqual(["gzip", "own".repeat(1000)]);
});
