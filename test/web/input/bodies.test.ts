import { expect, test } from "bun:test";
import type { Problem } from "../../../src/errors/problem.ts";
import { MAX_JSON_DEPTH } from "../../../src/web/input/json-depth.ts";
import { TestApp } from "../../setup.ts";

const RUN = `import { t } from "elysia";
import { createRouter } from "xcore";
export default createRouter()
  .post("/any", ({ body }) => ({ body }), { body: t.Any() })
  .post("/maybe", ({ body }) => ({ body }), { body: t.Optional(t.Object({ a: t.Number() })) })
  .post("/echo", ({ body }) => ({ body }))
  .post("/object", ({ body }) => ({ body }), { body: t.Object({ a: t.Number() }) })
  .post("/text", ({ body }) => ({ body }), { body: t.String() })
  .post("/own", async ({ request }) => ({ size: (await request.arrayBuffer()).byteLength }))
  .post("/guarded", async ({ request }) => ({ body: await request.json() }), { auth: true })
  .post("/parsed", ({ body }) => ({ body }), { parse: "json" })
  .post("/none", async ({ request }) => ({ text: await request.text() }), { parse: "none", body: t.Any() })
  .onParse(({ contentType }) => contentType === "application/xml" ? { xml: true } : undefined)
  .post("/xml", ({ body }) => ({ body }), { body: t.Any() })
  .post("/form", ({ body }) => ({ body }), { body: t.Object({
    note: t.Optional(t.String()),
    n: t.Optional(t.Number()),
    numeric: t.Optional(t.Numeric()),
    on: t.Optional(t.Boolean()),
    who: t.Optional(t.Object({ name: t.String() })),
    tags: t.Optional(t.Array(t.String())),
    list: t.Optional(t.Array(t.Object({ a: t.String() }))),
    "a.b": t.Optional(t.String()),
  }) })
  .post("/upload", ({ body }) => ({ note: body.note, who: body.who, tags: body.tags, name: body.file.name }), { body: t.Object({
    note: t.String(),
    who: t.Optional(t.Object({ name: t.String() })),
    tags: t.Optional(t.Array(t.String())),
    file: t.File(),
  }) });
`;
const plugins = { "x/plugin.json": { name: "x", version: "1.0.0" }, "x/run.ts": RUN };

const nested = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;

async function post(app: TestApp, path: string, body: BodyInit, contentType: string | null) {
  const headers: Record<string, string> = contentType === null ? {} : { "content-type": contentType };
  const response = await app.fetch(path, { method: "POST", headers, body });
  const answer = (await response.json()) as Problem & { body?: unknown };
  return { status: response.status, code: answer.code as string | undefined, body: answer.body };
}

test("a body that may be left out is held to its schema where it is sent", async () => {
  await using app = await TestApp.start({ plugins });
  const send = (text: string) => post(app, "/x/maybe", text, "application/json");
  for (const text of ['"a"', '""', "5", "true", "[]", '["a"]', "{}", '{"a":"b"}']) {
    expect([text, (await send(text)).code]).toEqual([text, "validation_error"]);
  }
  for (const [text, body] of [
    ["", undefined],
    ["null", null],
    ['{"a":1}', { a: 1 }],
  ] as const) {
    expect([text, await send(text)]).toEqual([text, { status: 200, code: undefined, body }]);
  }
});

test("JSON nested deeper than 64 levels is refused before it is parsed, within milliseconds", async () => {
  await using app = await TestApp.start({ plugins });
  const deep = (text: string) => post(app, "/x/object", text, "application/json");
  for (const path of ["/x/any", "/x/maybe", "/x/echo", "/x/object", "/x/parsed", "/auth/login"]) {
    const depth = path.startsWith("/auth/") ? 30_000 : 150_000; // /auth takes 64 KB
    const found = await post(app, path, nested(depth), "application/json");
    expect({ path, status: found.status, code: found.code }).toEqual({
      path,
      status: 400,
      code: "nested_too_deep",
    });
  }
  for (const open of ["[", '{"a":', '[{"a":', '{"a":[', '{"a":"\\\\",\n"b":']) {
    const startedAt = performance.now();
    expect((await deep(open.repeat(100_000))).code).toBe("nested_too_deep");
    expect(performance.now() - startedAt).toBeLessThan(1000);
  }
  const any = (text: string) => post(app, "/x/any", text, "application/json");
  expect((await any(nested(MAX_JSON_DEPTH))).status).toBe(200);
  expect((await any(nested(MAX_JSON_DEPTH + 1))).code).toBe("nested_too_deep");
  const inText = JSON.stringify({ a: `${"[{".repeat(500)}\\"[[[["`, b: "\\\\" });
  expect(await any(inText)).toMatchObject({ status: 200, body: JSON.parse(inText) as unknown });
  expect((await any(`[${"[],".repeat(100_000)}[]]`)).status).toBe(200);
});

test("a request that doesn't fit is answered at once, however large it is", async () => {
  await using app = await TestApp.start({ plugins });
  const level = `${"[".repeat(60)}${Array.from({ length: 200_000 }, () => 1).join(",")}${"]".repeat(60)}`;
  const startedAt = performance.now();
  const found = await post(app, "/x/object", `{"a":${level}}`, "application/json");
  expect(found.status).toBe(422);
  expect(performance.now() - startedAt).toBeLessThan(1000);
});

const JSON_TYPES = [
  "application/json",
  "application/JSON",
  "Application/Json; Charset=UTF-8",
  "application/vnd.api+json",
  "application/merge-patch+json;charset=utf-8",
  'application/json; charset="utf-8"',
];

test("a body is read as its content type says, whatever the case and the parameters", async () => {
  await using app = await TestApp.start({ plugins });
  for (const type of JSON_TYPES) {
    for (const path of ["/x/object", "/x/echo"]) {
      const found = await post(app, path, '{"a":1}', type);
      expect({ type, ...found }).toEqual({ type, status: 200, code: undefined, body: { a: 1 } });
    }
  }
  const latin = new Uint8Array([0x22, 0xe9, 0x22]);
  expect(await post(app, "/x/any", latin, "application/json;charset=iso-8859-1")).toMatchObject({
    body: "é",
  });
  expect(await post(app, "/x/text", "hello", "text/PLAIN")).toMatchObject({ status: 200, body: "hello" });
  expect(await post(app, "/x/echo", "a=1&b=2&b=3", "Application/X-WWW-Form-Urlencoded")).toMatchObject({
    body: { a: "1", b: ["2", "3"] },
  });
  const multipart = '--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n{"b":1}\r\n--X--\r\n';
  expect(await post(app, "/x/echo", multipart, "Multipart/Form-Data; boundary=X")).toMatchObject({
    status: 200,
    body: { a: '{"b":1}' },
  });
});

test("a body that can't be read is refused with the reason, never dropped", async () => {
  await using app = await TestApp.start({ plugins });
  const refused: readonly [BodyInit, string | null][] = [
    ["<a/>", "application/xml"],
    ["a: 1", "application/yaml"],
    ["x", "image/png"],
    ["x", "nonsense"],
    [new Blob(["x"]), null],
    ['{"a":1}', "application/json; charset=klingon"],
  ];
  for (const [body, type] of refused) {
    for (const path of ["/x/object", "/x/echo", "/x/maybe"]) {
      const found = await post(app, path, body, type);
      expect({ type, path, ...found }).toMatchObject({ status: 415, code: "unsupported_media_type" });
    }
  }
  for (const path of ["/x/object", "/x/echo", "/x/maybe", "/x/parsed"]) {
    expect(await post(app, path, '{"a":', "application/json")).toMatchObject({
      status: 400,
      code: "parse_error",
    });
    const broken = new Uint8Array([0x22, 0xff, 0x22]);
    expect(await post(app, path, broken, "application/json")).toMatchObject({
      status: 400,
      code: "parse_error",
    });
  }
});

test("a route that reads the request itself takes any content type", async () => {
  await using app = await TestApp.start({ plugins });
  expect((await post(app, "/x/own", "12345", "image/png")).status).toBe(200);
  const { headers } = await app.createUser("ada@example.com");
  const init = {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: '{"a":1}',
  };
  expect(await (await app.fetch("/x/guarded", init)).json()).toEqual({ body: { a: 1 } });
  expect((await post(app, "/x/none", "12345", "image/png")).status).toBe(200);
  expect(await post(app, "/x/xml", "<a/>", "application/xml")).toMatchObject({
    status: 200,
    body: { xml: true },
  });
  expect((await post(app, "/x/echo", "", "application/json")).status).toBe(200);
  expect((await post(app, "/x/maybe", "", "application/json")).status).toBe(200);
});

test("the fields of a form arrive as they were sent", async () => {
  await using app = await TestApp.start({ plugins });
  const form = async (fields: readonly (readonly [string, string | File])[], path = "/x/form") => {
    const data = new FormData();
    for (const [name, value] of fields) data.append(name, value);
    const response = await app.fetch(path, { method: "POST", body: data });
    const answer = (await response.json()) as { body?: unknown };
    return { status: response.status, body: answer.body ?? answer };
  };
  const cases: readonly [readonly (readonly [string, string])[], unknown][] = [
    [[["note", '{"a":1}']], { note: '{"a":1}' }],
    [[["note", "[1]"]], { note: "[1]" }],
    [[["n", "5"]], { n: 5 }],
    [[["numeric", "5.5"]], { numeric: 5.5 }],
    [[["on", "true"]], { on: true }],
    [[["who", '{"name":"Ada"}']], { who: { name: "Ada" } }],
    [[["who.name", "Ada"]], { who: { name: "Ada" } }],
    [[["tags", "one"]], { tags: ["one"] }],
    [[["tags", "a,b"]], { tags: ["a,b"] }],
    [[["tags", '["a","b"]']], { tags: ["a", "b"] }],
    [
      [
        ["tags", "one"],
        ["tags", "[two]"],
      ],
      { tags: ["one", "[two]"] },
    ],
    [
      [
        ["list[0].a", "x"],
        ["list[1].a", "y"],
      ],
      { list: [{ a: "x" }, { a: "y" }] },
    ],
    [[["a.b", "flat"]], { "a.b": "flat" }],
  ];
  for (const [fields, body] of cases) {
    expect(await form(fields)).toEqual({ status: 200, body: body as object });
  }
  expect((await form([["n", " 5 "]])).status).toBe(422);
  expect((await form([["n", "0x10"]])).status).toBe(422);
  expect((await form([["on", "1"]])).status).toBe(422);
  expect((await form([["list[4294967294].a", "x"]])).status).toBe(400);
  expect((await form([["who", nested(150_000)]])).status).toBeGreaterThanOrEqual(400);
  expect((await form([["list", nested(150_000)]])).status).toBe(400);
  const file = new File(["x"], "a.txt");
  expect(
    await form(
      [
        ["note", '{"a":1}'],
        ["file", file],
        ["tags", "one"],
        ["who", '{"name":"Ada"}'],
      ],
      "/x/upload",
    ),
  ).toEqual({ status: 200, body: { note: '{"a":1}', who: { name: "Ada" }, tags: ["one"], name: "a.txt" } });
});

test("a form of more fields than anybody fills in is refused", async () => {
  await using app = await TestApp.start({ plugins });
  const type = "application/x-www-form-urlencoded";
  expect((await post(app, "/x/form", "a=1&".repeat(10_000), type)).status).toBe(200);
  expect(await post(app, "/x/form", "a=1&".repeat(10_001), type)).toMatchObject({
    status: 413,
    code: "payload_too_large",
  });
  const part = '--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n';
  const multipart = `${part.repeat(10_001)}--X--\r\n`;
  expect((await post(app, "/x/form", multipart, "multipart/form-data; boundary=X")).status).toBe(413);
});
