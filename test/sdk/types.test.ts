import { expect, test } from "bun:test";
import type { InputProblem } from "../../src/errors/errors.ts";
import { TestApp } from "../setup.ts";

/** Schemas by name; each stands for an optional `v` in a body, a query, the path and the headers. */
const TYPES = `{
  text: t.String(), number: t.Number(), integer: t.Integer(), numeric: t.Numeric(), boolean: t.Boolean(), date: t.Date(),
  day: t.String({ format: "date" }), moment: t.String({ format: "date-time" }), literal: t.Literal("a"),
  choice: t.UnionEnum(["a", "b"]), choices: t.UnionEnum([1, 2]), enum: t.Enum({ A: "a" }), numbers: t.NumericEnum({ A: 1 }),
  nullable: t.Nullable(t.String({ minLength: 2 })), nullDate: t.Nullable(t.Date()), nullObject: t.Nullable(t.Object({ a: t.Optional(t.Number()) })),
  maybe: t.MaybeEmpty(t.Integer({ minimum: 2 })), list: t.Array(t.String()), listed: t.Array(t.Object({ a: t.Optional(t.String()) })),
  integers: t.Array(t.Integer()), tuple: t.Tuple([t.String(), t.String()]), record: t.Record(t.String(), t.Number()),
  object: t.Object({ a: t.Optional(t.String()) }), partial: t.Partial(t.Object({ a: t.String(), d: t.Date(), k: t.UnionEnum(["x"]), b: t.Boolean() })),
  union: t.Union([t.Object({ a: t.Optional(t.String()) }), t.Number()]), own: t.Transform(t.String()).Decode((x) => x + "!").Encode((x) => x),
  bytes: t.Uint8Array(), buffer: t.ArrayBuffer(), file: t.File(), files: t.Files(), regexp: t.RegExp(/^a+$/), undefined: t.Undefined(), null: t.Null(),
  both: t.Intersect([t.Object({ a: t.Optional(t.String()) }), t.Object({ b: t.Optional(t.Number()) })]),
  tree: t.Recursive((self) => t.Object({ name: t.String(), children: t.Optional(t.Array(self)) })),
}`;
const NO_TEXT = ["both", "buffer", "bytes", "file", "files", "undefined", "null", "tree"];
const RUN = `import { t } from "elysia";
import { createRouter } from "xcore";
const router = createRouter();
const show = (value) => ({ keys: Object.keys(value), value });
for (const [name, type] of Object.entries(${TYPES})) {
  const v = t.Optional(type);
  router.post("/body/" + name, ({ body }) => show(body), { body: t.Object({ v }) });
  if (${JSON.stringify(NO_TEXT)}.includes(name)) continue;
  router.get("/query/" + name, ({ query }) => show(query), { query: t.Object({ v }) });
  router.get("/headers/" + name, ({ headers }) => show({ ...("v" in headers ? { v: headers.v } : {}) }), { headers: t.Object({ v }) });
  router.get("/params/" + name + "/:v", ({ params }) => show(params), { params: t.Object({ v: type }) });
}
export default router;
`;
const plugins = { "x/plugin.json": { name: "x", version: "1.0.0" }, "x/run.ts": RUN };
const NAMES = [...TYPES.matchAll(/(\w+): t\./g)]
  .map(([, name]) => name ?? "")
  .filter((name) => name.length > 1);

interface Answer {
  readonly status: number;
  readonly keys?: string[];
  readonly value?: Record<string, unknown>;
  readonly errors?: InputProblem[];
}

async function ask(app: TestApp, path: string, init?: RequestInit): Promise<Answer> {
  const response = await app.fetch(`/x${path}`, init);
  return { status: response.status, ...((await response.json()) as object) };
}

function send(app: TestApp, name: string, body: unknown): Promise<Answer> {
  const init = {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  };
  return ask(app, `/body/${name}`, init);
}

/** Asks with a text in each place where text can be; undefined where places differ. */
async function askEverywhere(app: TestApp, name: string, text: string): Promise<unknown[]> {
  const encoded = encodeURIComponent(text);
  const answers = await Promise.all([
    ask(app, `/query/${name}?v=${encoded}`),
    ask(app, `/params/${name}/${encoded}`),
    ask(app, `/headers/${name}`, { headers: { v: text } }),
  ]);
  return answers.map(({ status, value }) => (status === 200 ? value?.["v"] : status));
}

/** The same in each of the three places. */
function same(value: unknown): unknown[] {
  return [value, value, value];
}

test("what wasn't sent stays absent, whatever its schema", async () => {
  await using app = await TestApp.start({ plugins });
  for (const name of NAMES.filter((known) => !["a", "b", "k", "d", "name", "children"].includes(known))) {
    expect({ name, ...(await send(app, name, {})) }).toEqual({ name, status: 200, keys: [], value: {} });
    if (NO_TEXT.includes(name)) continue;
    expect({ name, ...(await ask(app, `/query/${name}`)) }).toEqual({
      name,
      status: 200,
      keys: [],
      value: {},
    });
    expect((await ask(app, `/headers/${name}`)).keys).toEqual([]);
  }
  expect(await send(app, "partial", { v: {} })).toEqual({ status: 200, keys: ["v"], value: { v: {} } });
  expect(await send(app, "listed", { v: [{}] })).toEqual({ status: 200, keys: ["v"], value: { v: [{}] } });
  expect(await send(app, "tree", { v: { name: "a", children: [{ name: "b", more: 1 }] } })).toMatchObject({
    value: { v: { name: "a", children: [{ name: "b" }] } },
  });
});

test("a body of another kind is refused, not made to fit", async () => {
  await using app = await TestApp.start({ plugins });
  for (const name of ["text", "choice", "partial", "integer"]) {
    for (const body of [[1], [], "text", 1, true, null]) {
      expect({ name, body, status: (await send(app, name, body)).status }).toEqual({
        name,
        body,
        status: 422,
      });
    }
  }
  const refused: Record<string, unknown[]> = {
    text: [1, true, null, [], {}],
    number: ["1", "", true, null],
    boolean: [1, "true", null],
    object: ["text", 1, [], null],
    partial: ["text", 1, [], null],
    nullObject: ["text", 1, []],
    record: ["", 1, true, []],
    tuple: ["ab", [1, 2], ["a"], ["a", "b", "c"]],
    list: ["a", { length: 4_294_967_295 }],
    listed: ["a", { length: 4_294_967_295 }, [[]]],
    union: ["text", []],
    date: [
      "2026-02-30",
      "1/2/2026",
      "2026-01-31T08:30",
      "2026-01-31T08:30:00",
      "31 Jan 2026",
      "",
      "12",
      true,
    ],
  };
  for (const [name, values] of Object.entries(refused)) {
    for (const v of values)
      expect({ name, v, status: (await send(app, name, { v })).status }).toEqual({ name, v, status: 422 });
  }
  expect(await send(app, "both", { v: { a: "x", c: 1 } })).toMatchObject({
    status: 200,
    value: { v: { a: "x" } },
  });
});

test("numbers in text are those of JSON, the same in query, path and headers", async () => {
  await using app = await TestApp.start({ plugins });
  for (const name of ["number", "numeric", "integer"]) {
    for (const [text, value] of [
      ["1", 1],
      ["-7", -7],
      ["1e3", 1000],
      ["0", 0],
    ] as const) {
      expect({ name, text, found: await askEverywhere(app, name, text) }).toEqual({
        name,
        text,
        found: same(value),
      });
    }
    for (const text of ["0x10", "Infinity", "NaN", "1_000", "1,5", "true", "9007199254740993", "1e999"]) {
      expect({ name, text, found: await askEverywhere(app, name, text) }).toEqual({
        name,
        text,
        found: same(422),
      });
    }
    for (const text of ["", " ", " 12 "])
      expect((await ask(app, `/query/${name}?v=${encodeURIComponent(text)}`)).status).toBe(422);
  }
  expect(await askEverywhere(app, "integer", "1.5")).toEqual(same(422));
  expect(await askEverywhere(app, "boolean", "true")).toEqual(same(true));
  for (const text of ["1", "yes", "TRUE", "on"])
    expect(await askEverywhere(app, "boolean", text)).toEqual(same(422));
});

test("dates are those of RFC 3339, with a zone", async () => {
  await using app = await TestApp.start({ plugins });
  const taken = {
    "2026-01-31": "2026-01-31T00:00:00.000Z",
    "2024-02-29": "2024-02-29T00:00:00.000Z",
    "2026-01-31T08:30:00Z": "2026-01-31T08:30:00.000Z",
    "2026-01-31T08:30:00.25+02:00": "2026-01-31T06:30:00.250Z",
  };
  for (const [text, value] of Object.entries(taken)) {
    for (const name of ["date", "nullDate"])
      expect(await askEverywhere(app, name, text)).toEqual(same(value));
    expect((await send(app, "date", { v: text })).value).toEqual({ v: value });
  }
  expect((await ask(app, "/query/date?v=2026-01-31T08:30:00+02:00")).value).toEqual({
    v: "2026-01-31T06:30:00.000Z",
  });
  const refused = [
    "2026-02-30",
    "2026-02-29",
    "2026-13-01",
    "1/2/2026",
    "2026",
    "12",
    "2026-01-31T08:30",
    "2026-01-31T08:30:00",
  ];
  for (const text of [
    ...refused,
    "2026-01-31 08:30:00Z",
    "2026-01-31T24:00:00Z",
    "2026-01-31T08:30:00+99:00",
    "31 Jan 2026",
  ]) {
    expect({ text, found: await askEverywhere(app, "date", text) }).toEqual({ text, found: same(422) });
    expect({ text, status: (await send(app, "nullDate", { v: text })).status }).toEqual({
      text,
      status: 422,
    });
    expect((await send(app, text.length === 10 ? "day" : "moment", { v: text })).status).toBe(422);
  }
});

test("a value is decoded once", async () => {
  await using app = await TestApp.start({ plugins });
  expect(await askEverywhere(app, "own", "a")).toEqual(["a!", "a!", "a!"]);
  expect((await send(app, "own", { v: "a" })).value).toEqual({ v: "a!" });
});

test("what may be null keeps the words of its rules", async () => {
  await using app = await TestApp.start({ plugins });
  const words = async (name: string, v: unknown) => (await send(app, name, { v })).errors;
  expect(await words("nullable", "a")).toEqual([
    { path: "/body/v", code: "invalid", message: "Expected string length greater or equal to 2" },
  ]);
  expect(await words("nullable", 1)).toEqual([{ path: "/body/v", code: "type", message: "Expected string" }]);
  expect(await words("maybe", 1)).toEqual([
    { path: "/body/v", code: "invalid", message: "Expected integer to be greater or equal to 2" },
  ]);
  expect(await words("nullObject", { a: "x" })).toEqual([
    { path: "/body/v/a", code: "type", message: "Expected number" },
  ]);
  expect(await words("nullDate", "2026-02-30")).toEqual([
    { path: "/body/v", code: "type", message: "Expected a date such as 2026-01-31T08:30:00Z" },
  ]);
  expect((await ask(app, "/query/integer?v=0x10")).errors).toEqual([
    { path: "/query/v", code: "type", message: "Expected integer" },
  ]);
  expect(
    (await send(app, "integers", { v: Array.from({ length: 5000 }, () => "x") })).errors?.length,
  ).toBeLessThanOrEqual(64);
});
