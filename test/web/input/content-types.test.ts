import { expect, test } from "bun:test";
import type { Problem } from "../../../src/errors/problem.ts";
import { TestApp } from "../../setup.ts";
import { exchange } from "../raw-socket.ts";

const RUN = `import { t } from "elysia";
import { createRouter } from "xcore";
export default createRouter()
  .post("/object", ({ body }) => ({ body }), { body: t.Object({ a: t.Optional(t.Any()) }) })
  .post("/any", ({ body }) => ({ body }))
  .post("/parsed", ({ body }) => ({ body }), { parse: "json" })
  .post("/number", ({ body }) => ({ body }), { body: t.Number() })
  .post("/table", ({ body }) => ({ body: body.file.size }), { body: t.Object({ file: t.File({ type: ["text/csv", "application/json", "image/*"] }) }) })
  .post("/own", async ({ request }) => ({ body: (await request.arrayBuffer()).byteLength }));
`;
const plugins = { "x/plugin.json": { name: "x", version: "1.0.0" }, "x/run.ts": RUN };

async function post(app: TestApp, path: string, body: BodyInit, headers: Record<string, string>) {
  const response = await app.fetch(`/x${path}`, { method: "POST", headers, body });
  const { body: found, code } = (await response.json()) as Partial<Problem> & { body?: unknown };
  return { status: response.status, code, body: found };
}

const utf16 = (text: string) => new Uint8Array(Buffer.from(text, "utf16le"));
const JSON_BODY = '{"a":1}';
const FORM = '--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--X--\r\n';

const understood: readonly [type: string, body: BodyInit, value: unknown][] = [
  ["application/json", JSON_BODY, { a: 1 }],
  ["APPLICATION/JSON", JSON_BODY, { a: 1 }],
  ["application/json;", JSON_BODY, { a: 1 }],
  ["application/json ; charset=UTF-8", JSON_BODY, { a: 1 }],
  ["application/json;charset=", JSON_BODY, { a: 1 }],
  ["application/json;x=y;charset=utf8", JSON_BODY, { a: 1 }],
  ['application/json; charset="utf-8"; x="a;b"', JSON_BODY, { a: 1 }],
  ["application/json; xcharset=utf-16", JSON_BODY, { a: 1 }],
  ["application/json; charset=utf-16", utf16(JSON_BODY), { a: 1 }],
  ["application/json; charset=utf-16le", utf16('{"a":"é"}'), { a: "é" }],
  [
    "application/json; charset=windows-1252",
    new Uint8Array([...Buffer.from('{"a":"'), 0xe9, ...Buffer.from('"}')]),
    { a: "é" },
  ],
  ["application/json", new Uint8Array([0xef, 0xbb, 0xbf, ...Buffer.from(JSON_BODY)]), { a: 1 }],
  ["application/ld+json", JSON_BODY, { a: 1 }],
  ["application/problem+JSON;charset=utf-8", JSON_BODY, { a: 1 }],
  ["application/x-www-form-urlencoded", "a=1", { a: "1" }],
  ["Application/X-WWW-Form-URLencoded ; charset=utf-8", "a=%C3%A9+b", { a: "é b" }],
  ["multipart/form-data; boundary=X", FORM, { a: "1" }],
  ['Multipart/Form-Data; charset=utf-8; boundary="X"', FORM, { a: "1" }],
];

const refused: readonly [type: string, body: BodyInit, status: number][] = [
  ["application/xml", "<a/>", 415],
  ["application/jsonp", JSON_BODY, 415],
  ["application/json5", JSON_BODY, 415],
  ["application/x-ndjson", JSON_BODY, 415],
  ["json", JSON_BODY, 415],
  ["application", JSON_BODY, 415],
  ["*/*", JSON_BODY, 415],
  ["application/*", JSON_BODY, 415],
  ["application/json, application/json", JSON_BODY, 415],
  ["application/json, text/plain", JSON_BODY, 415],
  [",", JSON_BODY, 415],
  [";charset=utf-8", JSON_BODY, 415],
  ["multipart/mixed; boundary=X", FORM, 415],
  ["multipart/form-dataX; boundary=X", FORM, 415],
  ["application/x-www-form-urlencodedx", "a=1", 415],
  ["application/json; charset=utf-7", JSON_BODY, 415],
  ["application/json; charset=klingon", JSON_BODY, 415],
  ["application/x-www-form-urlencoded; charset=klingon", "a=1", 415],
  ["application/json; charset=utf-16", JSON_BODY, 400],
  ["application/json; charset=us-ascii", new Uint8Array([0x22, 0xff, 0x22]), 400],
  ["multipart/form-data", FORM, 400],
  ["multipart/form-data; boundary=", FORM, 400],
  ["multipart/form-data; boundary=Y", FORM, 400],
  ["multipart/form-data; boundary=X", "--X\r\nno header", 400],
];

test("a content type is understood, or refused with the reason", async () => {
  await using app = await TestApp.start({ plugins });
  for (const [type, body, value] of understood) {
    for (const path of ["/object", "/any"]) {
      const found = await post(app, path, body, { "content-type": type });
      expect({ type, path, ...found }).toEqual({ type, path, status: 200, code: undefined, body: value });
    }
  }
  for (const [type, body, status] of refused) {
    for (const path of ["/object", "/any"]) {
      const found = await post(app, path, body, { "content-type": type });
      expect({ type, path, status: found.status }).toEqual({ type, path, status });
    }
  }
  expect(await post(app, "/number", "5", { "content-type": "text/plain" })).toMatchObject({ body: 5 });
  // A form of another site can send text/plain without being asked: that is no JSON.
  expect(await post(app, "/object", JSON_BODY, { "content-type": "text/plain" })).toMatchObject({
    status: 422,
  });
});

test("a packed body is refused, and never taken for what it isn't", async () => {
  await using app = await TestApp.start({ plugins });
  const packed = Bun.gzipSync(JSON_BODY);
  for (const coding of ["gzip", "GZIP", "br", "deflate", "zstd", "identity, gzip", "gzip, gzip", "x"]) {
    const headers = { "content-type": "application/json", "content-encoding": coding };
    for (const path of ["/object", "/any", "/parsed"]) {
      const response = await app.fetch(`/x${path}`, { method: "POST", headers, body: packed });
      expect({ coding, path, status: response.status }).toEqual({ coding, path, status: 415 });
      expect(response.headers.get("accept-encoding")).toBe("identity");
    }
    expect(await post(app, "/own", packed, headers)).toMatchObject({ body: packed.byteLength });
  }
  for (const coding of ["identity", "Identity", ""]) {
    const headers = { "content-type": "application/json", "content-encoding": coding };
    expect({ coding, ...(await post(app, "/object", JSON_BODY, headers)) }).toMatchObject({
      coding,
      body: { a: 1 },
    });
  }
});

test("a file of text is what its name says, unless its content is something else", async () => {
  await using app = await TestApp.start({ plugins });
  const png = Buffer.from("89504e470d0a1a0a0000000d49484452", "hex");
  const send = (content: BlobPart, name: string) => {
    const form = new FormData();
    form.set("file", new File([content], name));
    return post(app, "/table", form, {});
  };
  for (const name of ["a.csv", "a.json"]) expect(await send("a;b\n", name)).toMatchObject({ body: 4 });
  expect(await send(png, "a.png")).toMatchObject({ body: png.length });
  const others = [
    ["%PDF-1.7 ", "a.csv"],
    ["a\0b", "a.csv"],
    ["a;b", "a.html"],
    ["a;b", "a.png"],
    ["<svg/>", "a.svg"], // which may hold script, and no "image/*" means it
    ['<?xml version="1.0"?><svg/>', "a.svg"],
  ] as const;
  for (const [content, name] of others) {
    expect([name, (await send(content, name)).status]).toEqual([name, 422]);
  }
});

test("a content type that comes twice is refused, and a body without one", async () => {
  await using app = await TestApp.start({ plugins });
  const send = (headers: string) =>
    exchange(app.url, `POST /x/object HTTP/1.1\nhost: a\n${headers}content-length: 7`, JSON_BODY);
  expect(await send("content-type: application/json\n")).toStartWith("HTTP/1.1 200");
  expect(await send("content-type: application/json\ncontent-type: text/plain\n")).toStartWith(
    "HTTP/1.1 415",
  );
  expect(await send("")).toStartWith("HTTP/1.1 415");
  expect(await send("content-type:\n")).toStartWith("HTTP/1.1 415");
});
