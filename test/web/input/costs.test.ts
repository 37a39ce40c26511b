import { expect, test } from "bun:test";
import { FormatRegistry } from "@sinclair/typebox";
import { mendFormats } from "../../../src/sdk/formats.ts";
import { TestApp } from "../../setup.ts";

const RUN = `import { t } from "elysia";
import { createRouter, page } from "xcore";
const count = (value) => ({ count: Object.keys(value ?? {}).length });
const branches = (make) => t.Recursive((self) => t.Union([make("a", t.Optional(self)), make("b", t.Optional(self))]));
export default createRouter()
  .post("/any", ({ body }) => count(body), { body: t.Any() })
  .post("/unique", ({ body }) => count(body), { body: t.Array(t.Any(), { uniqueItems: true }) })
  .post("/numbers", ({ body }) => count(body), { body: t.Array(t.Numeric()) })
  .post("/dates", ({ body }) => count(body), { body: t.Array(t.Date()) })
  .post("/nullable", ({ body }) => count(body), { body: t.Array(t.Nullable(t.String({ minLength: 3 }))) })
  .post("/unions", ({ body }) => count(body), { body: t.Array(t.Union([t.Object({ a: t.Integer() }), t.Object({ b: t.Integer() })])) })
  .post("/lists", ({ body }) => count(body.v), { body: t.Object({ v: t.ArrayString(t.String()) }) })
  .post("/record", ({ body }) => count(body), { body: t.Record(t.String(), t.Integer()) })
  .post("/closed", ({ body }) => count(body), { body: t.Object({ a: t.Optional(t.Integer()) }, { additionalProperties: false }) })
  .post("/first", ({ body }) => count(body), { body: branches((type, child) => t.Object({ type: t.Literal(type), child })) })
  .post("/last", ({ body }) => count(body), { body: branches((type, child) => t.Object({ child, type: t.Literal(type) })) })
  .post("/form", ({ body }) => count(body), { body: t.Object({ a: t.Optional(t.Any()), tags: t.Optional(t.Array(t.String())) }) })
  .get("/query", ({ query }) => count(query), { query: t.Object({ tags: t.Optional(t.Array(t.String())) }, { additionalProperties: true }) })
  .get("/list", ({ query }) => count(query), { query: page })
  .get("/cookie", ({ cookie }) => count(cookie.a?.value))
  .get("/path/*", ({ params }) => count(params));
`;
const plugins = { "x/plugin.json": { name: "x", version: "1.0.0" }, "x/run.ts": RUN };

type Send = (app: TestApp) => Promise<Response>;
type Make = (size: number) => Send;

const post =
  (path: string, type: string, body: string): Send =>
  (app) =>
    app.fetch(`/x${path}`, { method: "POST", body, headers: { "content-type": type } });
const json = (path: string, body: string) => post(path, "application/json", body);
const form = (body: string) => post("/form", "application/x-www-form-urlencoded", body);
const get =
  (path: string, headers: Record<string, string> = {}): Send =>
  (app) =>
    app.fetch(`/x${path}`, { headers });
const join = (size: number, make: (index: number) => string, by = ",") =>
  Array.from({ length: size }, (_, index) => make(index)).join(by);
const list = (size: number, make: (index: number) => string) => `[${join(size, make)}]`;
const parts = (size: number, name: (index: number) => string) =>
  `${join(size, (index) => `--X\r\nContent-Disposition: form-data; name="${name(index)}"\r\n\r\n1\r\n`, "")}--X--\r\n`;
const multipart = (body: string) => post("/form", "multipart/form-data; boundary=X", body);

const nested = (leaf: string) => `${'{"type":"b","child":'.repeat(60)}${leaf}${"}".repeat(60)}`;

/** What strangers send, by a size at which its cost can be measured. */
const requests: Readonly<Record<string, readonly [size: number, make: Make]>> = {
  "unique texts": [
    8000,
    (size) =>
      json(
        "/unique",
        list(size, (index) => `"${index}"`),
      ),
  ],
  "unique objects": [
    8000,
    (size) =>
      json(
        "/unique",
        list(size, (index) => `{"a":${index}}`),
      ),
  ],
  "wrong numbers": [
    120_000,
    (size) =>
      json(
        "/numbers",
        list(size, () => '"x"'),
      ),
  ],
  dates: [
    8000,
    (size) =>
      json(
        "/dates",
        list(size, () => '"2026-01-31"'),
      ),
  ],
  "wrong texts that may be null": [
    120_000,
    (size) =>
      json(
        "/nullable",
        list(size, () => '"x"'),
      ),
  ],
  "objects of a union": [
    8000,
    (size) =>
      json(
        "/unions",
        list(size, () => '{"b":1,"c":2}'),
      ),
  ],
  "no objects of a union": [
    8000,
    (size) =>
      json(
        "/unions",
        list(size, () => '{"d":1}'),
      ),
  ],
  "texts that are lists": [8000, (size) => json("/lists", `{"v":${list(size, () => '"[\\"a\\"]"')}}`)],
  "wrong entries": [15_000, (size) => json("/record", `{${join(size, (index) => `"k${index}":"x"`)}}`)],
  "unknown properties": [8000, (size) => json("/closed", `{${join(size, (index) => `"k${index}":1`)}}`)],
  "a long name": [60_000, (size) => json("/closed", `{"${"k".repeat(size)}":1}`)],
  "fields of a form": [15_000, (size) => form(join(size, (index) => `k${index}=1`, "&"))],
  "fields within a field": [8000, (size) => form(join(size, (index) => `a.k${index}=1`, "&"))],
  "one field again and again": [30_000, (size) => form("tags=a&".repeat(size))],
  "a deep name": [60_000, (size) => form(`a${".b".repeat(size)}=1`)],
  "brackets of a name": [60_000, (size) => form(`a${"[0]".repeat(size)}=1`)],
  "open brackets of a name": [60_000, (size) => form(`a${"[".repeat(size)}=1`)],
  "percent signs": [100_000, (size) => form(`a=${"%".repeat(size)}`)],
  parts: [5000, (size) => multipart(parts(size, (index) => `k${index}`))],
  "parts of one name": [8000, (size) => multipart(parts(size, () => "tags"))],
  "boundaries that are none": [15_000, (size) => multipart(`--X\r\n${"--Y\r\n".repeat(size)}`)],
  parameters: [700, (size) => get(`/query?${join(size, (index) => `k${index}=1`, "&")}`)],
  "unknown parameters of a list": [700, (size) => get(`/list?${join(size, (index) => `k${index}=1`, "&")}`)],
  "one parameter again and again": [700, (size) => get(`/query?${"tags=a,b&".repeat(size)}`)],
  cookies: [700, (size) => get("/cookie", { cookie: join(size, (index) => `k${index}=1`, "; ") })],
  "JSON in a cookie": [
    3000,
    (size) => get("/cookie", { cookie: `a=${"[".repeat(size)}${"]".repeat(size)}` }),
  ],
  "a long path": [3500, (size) => get(`/path/${"a/".repeat(size)}`)],
  "percent signs in a path": [2500, (size) => get(`/path/${"%41".repeat(size)}`)],
  "parameters of a content type": [3500, (size) => post("/any", `text/plain${"; ".repeat(size)}`, "x")],
};

/** Processor time in ms, the least of several. */
async function cost(run: () => unknown, times = 3): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let time = 0; time < times; time += 1) {
    const before = process.cpuUsage();
    // oxlint-disable-next-line no-await-in-loop -- one after another
    await run();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / 1000);
  }
  return least;
}

test("twice as much of anything costs about twice as much", async () => {
  await using app = await TestApp.start({ plugins });
  for (const [name, [size, make]] of Object.entries(requests)) {
    const [one, two] = [make(size), make(size * 2)];
    const send = async (request: Send) => (await request(app)).arrayBuffer();
    await send(two); // compiled by then
    const costs = [await cost(() => send(one)), await cost(() => send(two))] as const;
    // What costs less than some ms either way is lost in the noise; a square of it would not be.
    expect({ name, costs, isLinear: costs[1] < costs[0] * 3.2 + 10 }).toEqual({
      name,
      costs,
      isLinear: true,
    });
  }
}, 120_000);

test("a schema that contains itself is checked and cleaned once at each level", async () => {
  await using app = await TestApp.start({ plugins });
  for (const path of ["/first", "/last"]) {
    // Two branches at each of 60 levels, were both of them followed: more than all computers have done so far.
    expect((await json(path, nested('{"type":"a"}'))(app)).status).toBe(200);
    expect((await json(path, nested('{"type":"c"}'))(app)).status).toBe(422);
    expect((await json(path, nested('{"type":"a","more":1}'))(app)).status).toBe(200);
  }
}, 120_000);

mendFormats();

/** Texts that expressions are known to be slow with. */
const texts: Readonly<Record<string, (size: number) => string>> = {
  letters: (size) => "a".repeat(size),
  digits: (size) => "1".repeat(size),
  dots: (size) => "a.".repeat(size),
  dashes: (size) => `a@${"a-".repeat(size)}!`,
  colons: (size) => "1:".repeat(size),
  slashes: (size) => "/".repeat(size),
  spaces: (size) => " ".repeat(size),
  quotes: (size) => '"'.repeat(size),
  braces: (size) => "{a,".repeat(size),
  brackets: (size) => "[".repeat(size),
  base64: (size) => `${"QUJD".repeat(size)}!`,
  "a URL of letters": (size) => `http://${"a".repeat(size)}`,
  "a URL of at signs": (size) => `http://${"a@".repeat(size)}`,
  "a URL of labels": (size) => `http://${"a-".repeat(size)}`,
  "a URL of octets": (size) => `http://a/${"%41".repeat(size)}%`,
  "a URL with a query": (size) => `http://a?${"?".repeat(size)}\u0000`,
  durations: (size) => `P${"1Y".repeat(size)}`,
  "a date with a fraction": (size) => `2026-01-31T00:00:00.${"1".repeat(size)}`,
};

test("no format of a text takes long for what it refuses", async () => {
  for (const [format, check] of FormatRegistry.Entries()) {
    for (const [name, make] of Object.entries(texts)) {
      const text = make(300_000);
      check(text);
      // A pass over the text in the same run; formats that went back and forth took thousands of them.
      const pass = Math.max(0.05, await cost(() => encodeURIComponent(text)));
      const passes = (await cost(() => check(text), 3)) / pass;
      expect({ format, name, passes, isQuick: passes < 100 }).toEqual({
        format,
        name,
        passes,
        isQuick: true,
      });
    }
  }
}, 120_000);

test("URIs are those of RFC 3986", () => {
  const isUri = FormatRegistry.Get("uri");
  const isReference = FormatRegistry.Get("uri-reference");
  const uris = [
    "http://a",
    "https://a.b:80/c?d=e#f",
    "mailto:a@b.cd",
    "urn:isbn:1",
    "http://[::1]/",
    "a+b:c%20d",
    "file:///a",
  ];
  for (const uri of uris)
    expect({ uri, found: [isUri?.(uri), isReference?.(uri)] }).toEqual({ uri, found: [true, true] });
  for (const uri of ["a", "/a", "../a?b", "#a", ""]) {
    expect({ uri, found: [isUri?.(uri), isReference?.(uri)] }).toEqual({ uri, found: [false, true] });
  }
  for (const uri of [
    "http://a b",
    "http://é",
    "http://a/%4",
    "http://a#b#c",
    "http://[",
    "a:\n",
    "http://<a>",
  ]) {
    expect({ uri, found: [isUri?.(uri), isReference?.(uri)] }).toEqual({ uri, found: [false, false] });
  }
});
