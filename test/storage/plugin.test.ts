import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { createPluginStorage } from "../../src/plugins/given/storage.ts";
import { type Files, TestApp } from "../setup.ts";
import { makeBomb, makePng } from "./pictures.ts";

const RUN = `
  import { t } from "elysia";
  import { createRouter, db, storage } from "xcore";
  const key = t.Object({ "*": t.String() });
  export default createRouter()
    .post("/upload", async ({ body: { file } }) => {
      const stored = await storage.put(file);
      return { filename: stored.name, id: stored.id, type: stored.type };
    }, { body: t.Object({ file: t.File() }) })
    .get("/file/:id", ({ params, query, request }) => storage.serve({ id: params.id }, request, query))
    .post("/text/*", ({ params, body, query }) => storage.put(body, { key: params["*"], name: "a.txt", ...query }), { params: key, body: t.String() })
    .post("/stream/*", ({ params, request }) => storage.put(request.body, { key: params["*"] }), { params: key })
    .get("/text/*", async ({ params }) => new TextDecoder().decode(await storage.bytes(params["*"])), { params: key })
    .get("/part/*", async ({ params }) => new Response(await storage.stream(params["*"], { start: 1, end: 3 })), { params: key })
    .get("/known/*", async ({ params }) => ({ file: await storage.get(params["*"]) }), { params: key })
    .get("/link/*", async ({ params, query }) => storage.url(params["*"], query.s ? { expiresIn: Number(query.s) } : {}), { params: key })
    .delete("/text/*", async ({ params }) => ({ removed: await storage.delete(params["*"]) }), { params: key })
    .get("/list", ({ query }) => storage.list({ prefix: query.prefix, after: query.after, ...(query.limit && { limit: Number(query.limit) }) }))
    .post("/undone", async () => {
      await db.transaction(async (tx) => {
        await storage.put("x", { key: "undone" });
        throw new Error("undo");
      }).catch(() => {});
      return { file: await storage.get("undone") };
    });
`;
const PLUGINS: Files = { "notes/run.ts": RUN, "notes/plugin.json": { name: "notes", version: "1.0.0" } };

async function upload(app: TestApp, file: File): Promise<Response> {
  const form = new FormData();
  form.set("file", file);
  return app.fetch("/notes/upload", { method: "POST", body: form });
}

async function put(app: TestApp, key: string, text: string, query = ""): Promise<Response> {
  const headers = { "content-type": "text/plain" };
  return app.fetch(`/notes/text/${key}${query}`, { method: "POST", body: text, headers });
}

/** The server with the plugin. */
const start = (config = {}): Promise<TestApp> => TestApp.start({ plugins: PLUGINS, config });

async function contentsOf({ folder }: TestApp): Promise<string[]> {
  const all = await readdir(join(folder.path, "data/files"), { recursive: true, withFileTypes: true }).catch(
    () => [],
  );
  return all.filter((entry) => entry.isFile()).map(({ name }) => name);
}

test("storage.put(file) keeps an upload, and answers with its name", async () => {
  await using app = await start();
  const response = await upload(app, new File(["Hello"], "hello.txt", { type: "text/plain" }));
  expect([response.status, await response.json()]).toEqual([
    200,
    { filename: "hello.txt", id: expect.any(String), type: "text/plain" },
  ]);
  expect(await contentsOf(app)).toHaveLength(1);
});

test("an upload named ../../x is kept within the folder, under a name of ours", async () => {
  await using app = await start();
  const before = await readdir(app.folder.path);
  const { filename, id } = (await (await upload(app, new File(["x"], "../../x"))).json()) as Record<
    string,
    string
  >;
  expect([filename, await contentsOf(app)]).toEqual(["x", [id ?? ""]]);
  expect((await readdir(app.folder.path)).toSorted()).toEqual([...new Set([...before, "data"])].toSorted());
});

test("an upload with a lying type is refused with 415, and nothing of it stays", async () => {
  await using app = await start();
  const response = await upload(
    app,
    new File(["<script>alert(1)</script>"], "cat.png", { type: "image/png" }),
  );
  expect(await response.json()).toMatchObject({
    status: 415,
    code: "file_refused",
    detail: `Cannot take "cat.png" as image/png: its content isn't`,
  });
  expect(await contentsOf(app)).toEqual([]);
});

test("an upload of 50 MB is refused with 413; one beyond server.body_limit and within storage.max_size is taken", async () => {
  await using app = await start({ server: { body_limit: "1mb" }, storage: { max_size: "3mb" } });
  const large = await upload(app, new File([new Uint8Array(50 * 1_048_576)], "large.bin"));
  expect([large.status, await large.json()]).toMatchObject([413, { code: "payload_too_large" }]);
  const fitting = await upload(app, new File([new Uint8Array(2 * 1_048_576)], "fits.bin"));
  expect(fitting.status).toBe(200);
  const over = await upload(app, new File([new Uint8Array(3 * 1_048_576 + 1)], "over.bin"));
  expect([over.status, await over.json()]).toMatchObject([413, { code: "payload_too_large" }]);
  // A route that takes no file keeps to the limit of bodies.
  const form = new FormData();
  form.set("x", "y".repeat(2 * 1_048_576));
  expect((await app.fetch("/notes/text/a", { method: "POST", body: form })).status).toBe(413);
  expect(await contentsOf(app)).toHaveLength(1);
});

const SCRIPT = "<script>alert(document.domain)</script>";
test.each([
  ["a.svg", "image/svg+xml", `<svg xmlns="http://www.w3.org/2000/svg">${SCRIPT}</svg>`, "attachment"],
  ["a.html", "text/html", SCRIPT, "attachment"],
  ["a.xml", "application/xml", "<?xml version='1.0'?><x/>", "attachment"],
  ["a.pdf", "application/pdf", "%PDF-1.7", "attachment"],
  ["a.js", "text/javascript", "alert(1)", "attachment"],
  ["a.txt", "text/plain", SCRIPT, "inline"],
] as const)("%s is served so that nothing in it runs", async (name, type, content, disposition) => {
  await using app = await start();
  const { id } = (await (await upload(app, new File([content], name, { type }))).json()) as { id: string };
  const response = await app.fetch(`/notes/file/${id}`);
  expect([response.status, await response.text()]).toEqual([200, content]);
  expect(response.headers.get("content-type")).toStartWith(type);
  expect(response.headers.get("content-disposition")).toStartWith(disposition);
  expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  expect(response.headers.get("content-security-policy")).toMatch(/^default-src 'none';.* sandbox$/);
});

test("text of a charset that nobody knows is served as UTF-8", async () => {
  await using app = await start();
  const file = new File(["a;b"], "a.csv", { type: "text/csv; charset=klingon" });
  const { id, type } = (await (await upload(app, file)).json()) as { id: string; type: string };
  const { headers } = await app.fetch(`/notes/file/${id}`);
  expect([type, headers.get("content-type")]).toEqual(["text/csv", "text/csv;charset=utf-8"]);
  const init = { method: "POST", body: "a;b", headers: { "content-type": "text/csv; charset=klingon" } };
  expect(await app.problem("/notes/text/a", init)).toMatchObject({
    status: 415,
    code: "unsupported_media_type",
  });
});

test("script in a file's name reaches no header and no page", async () => {
  await using app = await start();
  const name = `"><script>alert(1)</script>\r\nset-cookie: a=b;.txt`;
  const { id, filename } = (await (await upload(app, new File(["x"], name))).json()) as Record<
    string,
    string
  >;
  expect(filename).not.toMatch(/[<>"\r\n]/);
  const response = await app.fetch(`/notes/file/${id}`);
  const { headers } = response;
  expect([response.status, headers.get("set-cookie")]).toEqual([200, null]);
  expect(headers.get("content-disposition")).toMatch(
    /^inline; filename="[^"<>]+"; filename\*=UTF-8''[^<>"\s]+$/,
  );
});

test("a file is served with an ETag, 304, and single ranges (RFC 9110)", async () => {
  await using app = await start();
  const { id } = (await (await upload(app, new File(["0123456789"], "a.txt"))).json()) as { id: string };
  const get = async (headers: Record<string, string> = {}) => {
    const response = await app.fetch(`/notes/file/${id}`, { headers });
    return [response.status, response.headers.get("content-range"), await response.text()];
  };
  const whole = await app.fetch(`/notes/file/${id}`);
  const etag = whole.headers.get("etag") ?? "";
  const modified = whole.headers.get("last-modified") ?? "";
  expect(whole.headers.get("cache-control")).toBe("private, no-cache");
  expect(await get({ "if-none-match": etag })).toEqual([304, null, ""]);
  expect(await get({ "if-none-match": '"other"' })).toEqual([200, null, "0123456789"]);
  expect(await get({ "if-modified-since": modified })).toEqual([304, null, ""]);
  expect(await get({ range: "bytes=2-4" })).toEqual([206, "bytes 2-4/10", "234"]);
  expect(await get({ range: "bytes=-2" })).toEqual([206, "bytes 8-9/10", "89"]);
  expect(await get({ range: "bytes=8-99" })).toEqual([206, "bytes 8-9/10", "89"]);
  expect(await get({ range: "bytes=2-4", "if-range": etag })).toEqual([206, "bytes 2-4/10", "234"]);
  expect(await get({ range: "bytes=2-4", "if-range": '"other"' })).toEqual([200, null, "0123456789"]);
  expect(await get({ range: "bytes=0-1,4-5" })).toEqual([200, null, "0123456789"]);
  expect(await get({ range: "bytes=10-" })).toEqual([416, "bytes */10", expect.any(String)]);
});

test("HEAD says how long a file is, and a thumbnail, without reading it", async () => {
  await using app = await start();
  const png = new File([makePng(600, 300)], "a.png", { type: "image/png" });
  const { id } = (await (await upload(app, png)).json()) as { id: string };
  for (const path of [`/notes/file/${id}`, `/notes/file/${id}?thumb=200x200`]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const whole = await app.fetch(path);
    // oxlint-disable-next-line no-await-in-loop
    const head = await app.fetch(path, { method: "HEAD" });
    // oxlint-disable-next-line no-await-in-loop
    const { byteLength } = await whole.bytes();
    expect([head.status, head.headers.get("content-length"), head.headers.get("content-type")]).toEqual([
      200,
      String(byteLength),
      whole.headers.get("content-type"),
    ]);
    expect(head.headers.get("etag")).toBe(whole.headers.get("etag"));
  }
});

test("a thumbnail is a WebP that fits into its box, made once and gone with its file", async () => {
  await using app = await start();
  const png = new File([makePng(600, 300)], "a.png", { type: "image/png" });
  const { id } = (await (await upload(app, png)).json()) as { id: string };
  const responses = await Promise.all([1, 2, 3].map(() => app.fetch(`/notes/file/${id}?thumb=200x200`)));
  const [first] = await Promise.all(responses.map((response) => response.bytes()));
  const { width, height, format } = await new Bun.Image(first ?? new Uint8Array()).metadata();
  expect([width, height, format]).toEqual([200, 100, "webp"]);
  expect(responses.map(({ headers }) => headers.get("content-type"))).toEqual(Array(3).fill("image/webp"));
  expect((await contentsOf(app)).toSorted()).toEqual([id, `${id}-200x200`]);
  expect((await app.fetch(`/notes/file/${id}?thumb=201x200`)).status).toBe(500); // the plugin's own mistake
  await app.fetch(`/notes/text/${id}`, { method: "DELETE" });
  while ((await contentsOf(app)).length > 0) await Bun.sleep(1);
});

test("an image that would fill the memory is refused before it is decoded, as is what is none", async () => {
  await using app = await start();
  const bomb = new File([makeBomb()], "bomb.png", { type: "image/png" });
  const { id } = (await (await upload(app, bomb)).json()) as { id: string };
  const before = process.memoryUsage.rss();
  expect(await app.problem(`/notes/file/${id}?thumb=64x64`)).toMatchObject({
    status: 422,
    code: "image_refused",
    detail: "Cannot make a thumbnail of this file: it has more than 64000000 pixels",
  });
  expect(process.memoryUsage.rss() - before).toBeLessThan(100_000_000);
  const damaged = new File([makePng(100, 100).subarray(0, 40)], "half.png", { type: "image/png" });
  const { id: other } = (await (await upload(app, damaged)).json()) as { id: string };
  expect(await app.problem(`/notes/file/${other}?thumb=64x64`)).toMatchObject({ code: "image_refused" });
});

test("a zip bomb is kept as it is: nothing here unpacks what is uploaded", async () => {
  await using app = await start();
  const packed = Bun.gzipSync(new Uint8Array(20_000_000));
  const { id } = (await (await upload(app, new File([packed], "bomb.gz"))).json()) as { id: string };
  const response = await app.fetch(`/notes/file/${id}`);
  expect([response.headers.get("content-encoding"), (await response.bytes()).byteLength]).toEqual([
    null,
    packed.byteLength,
  ]);
});

test("a plugin keeps files by keys: read, replaced, listed and deleted", async () => {
  await using app = await start();
  expect((await put(app, "a/1", "one")).status).toBe(200);
  const first = (await app.get("/notes/known/a/1")).body.file;
  expect(first).toMatchObject({ key: "a/1", name: "a.txt", type: "text/plain", size: 3, created_by: null });
  await put(app, "a/1", "other");
  const second = (await app.get("/notes/known/a/1")).body.file;
  expect([second.size, second.id === first.id]).toEqual([5, false]);
  expect(await (await app.fetch("/notes/text/a/1")).text()).toBe("other");
  expect(await (await app.fetch("/notes/part/a/1")).text()).toBe("th");
  await put(app, "a/2", "two");
  await put(app, "A/3", "three");
  await put(app, "a_", "four");
  const keys = async (query: string) =>
    (await app.get(`/notes/list${query}`)).body.map(({ key }: { key: string }) => key);
  expect((await keys("")).toSorted()).toEqual(["A/3", "a/1", "a/2", "a_"]);
  expect(await keys("?prefix=a/")).toEqual(["a/1", "a/2"]);
  expect(await keys("?prefix=a/&after=a/1")).toEqual(["a/2"]);
  expect(await keys("?prefix=a&limit=1")).toEqual(["a/1"]);
  const remove = async () => (await app.fetch("/notes/text/a/1", { method: "DELETE" })).json();
  expect([await remove(), await remove()]).toEqual([{ removed: true }, { removed: false }]);
  expect((await app.fetch("/notes/text/a/1")).status).toBe(404);
  while ((await contentsOf(app)).length > 3) await Bun.sleep(1);
});

test("two that put a file under one key at once leave one", async () => {
  await using app = await start();
  const all = await Promise.all(Array.from({ length: 8 }, (_, index) => put(app, "same", String(index))));
  expect(all.map(({ status }) => status)).toEqual(Array(8).fill(200));
  expect((await app.get("/notes/list")).body).toHaveLength(1);
  while ((await contentsOf(app)).length > 1) await Bun.sleep(1);
});

test("a body is kept as it comes, and a transaction that is undone has kept nothing", async () => {
  await using app = await start();
  const body = new Uint8Array(3_000_000).fill(7);
  const headers = { "content-type": "application/octet-stream" };
  const response = await app.fetch("/notes/stream/raw", { method: "POST", body, headers });
  expect([response.status, await response.json()]).toMatchObject([200, { size: 3_000_000, name: "file" }]);
  const undone = await app.fetch("/notes/undone", { method: "POST" });
  expect(await undone.json()).toEqual({ file: null });
});

test("a file of a form is kept byte for byte, whatever its size", async () => {
  await using app = await start();
  for (const size of [0, 1, 262_144, 262_145, 1_000_003]) {
    const bytes = crypto.getRandomValues(new Uint8Array(65_536));
    const content = new Uint8Array(size).map((_, at) => bytes[(at * 7) % 65_521] ?? 0);
    // oxlint-disable no-await-in-loop -- one after another
    const { id } = (await (await upload(app, new File([content], "a.bin"))).json()) as { id: string };
    const back = await (await app.fetch(`/notes/file/${id}`)).bytes();
    // oxlint-enable no-await-in-loop
    expect([size, Buffer.compare(back, content)]).toEqual([size, 0]);
  }
});

test("the files of a plugin are its own", async () => {
  const other = `import { createRouter, storage } from "xcore";
    export default createRouter()
      .get("/", ({ query }) => storage.get(query.id ? { id: query.id } : query.key).then((file) => ({ file })))
      .delete("/", async ({ query }) => ({ removed: await storage.delete(query.key) }));`;
  const plugins = {
    ...PLUGINS,
    "thief/run.ts": other,
    "thief/plugin.json": { name: "thief", version: "1.0.0" },
  };
  await using app = await TestApp.start({ plugins });
  const { id } = (await (await put(app, "mine", "x")).json()) as { id: string };
  expect((await app.get("/thief?key=mine")).body).toEqual({ file: null });
  expect((await app.get(`/thief?id=${id}`)).body).toEqual({ file: null });
  const removed = await app.fetch("/thief?key=mine", { method: "DELETE" });
  expect(await removed.json()).toEqual({ removed: false });
  expect((await app.get("/notes/known/mine")).body.file.id).toBe(id);
});

test.each(["../x", "/x", "a//b", "a/./b", "a/", "a\\b", "a\0b", "a\nb", "\ud800", "", "x".repeat(256)])(
  "%j is no key of a file",
  async (key) => {
    const storage = createPluginStorage("notes", { library: () => Promise.reject(new Error("never asked")) });
    expect(storage.put("x", { key: key })).rejects.toThrow(TypeError);
    expect(storage.get(key)).rejects.toThrow(TypeError);
    expect(storage.delete(key)).rejects.toThrow(TypeError);
  },
);

test("a link is good for who has it, for its file and until it is over", async () => {
  await using app = await start({ server: { public_url: "https://files.example.com/" } });
  await put(app, "a", "secret");
  const link = await (await app.fetch("/notes/link/a")).text();
  expect(link).toStartWith("https://files.example.com/system/files/");
  const path = link.slice("https://files.example.com".length);
  const response = await app.fetch(path);
  expect([response.status, await response.text()]).toEqual([200, "secret"]);
  expect(response.headers.get("cache-control")).toMatch(/^private, max-age=3[56]\d\d$/);
  await put(app, "b", "other");
  const other = (await app.get("/notes/known/b")).body.file.id as string;
  const id = /files\/([^?]+)/.exec(path)?.[1] ?? "";
  const wrong = [
    path.replace(id, other),
    path.replace(/expires=\d+/, (text) => `${text}0`),
    path.replace(/signature=./, "signature=!"),
    path.slice(0, -3),
    path.replace(/signature=.*/, "signature="),
    `/system/files/${id}?expires=1&signature=x`,
  ];
  const answers = await Promise.all(wrong.map((one) => app.problem(one)));
  expect(answers.map(({ code }) => code)).toEqual(Array(wrong.length).fill("link_refused"));
  expect((await app.fetch(`/system/files/${id}`)).status).toBe(422);
  const short = (await (await app.fetch("/notes/link/a?s=60")).text()).slice(
    "https://files.example.com".length,
  );
  expect((await app.fetch(short)).status).toBe(200);
  const real = Date.now;
  try {
    Date.now = () => real() + 62_000;
    expect((await app.fetch(short)).status).toBe(403);
  } finally {
    Date.now = real;
  }
  await app.fetch("/notes/text/a", { method: "DELETE" });
  expect((await app.fetch(path)).status).toBe(404);
});
