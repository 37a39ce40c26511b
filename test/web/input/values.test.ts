import { expect, test } from "bun:test";
import type { InputProblem } from "../../../src/errors/errors.ts";
import { TestApp } from "../../setup.ts";

/** A type, texts that it takes with the values that arrive, texts that it refuses with what is said about it. */
interface Row {
  readonly type: string;
  readonly takes?: Readonly<Record<string, unknown>>;
  readonly refuses?: Readonly<Record<string, string>>;
  /** Of JSON, what it takes and refuses. */
  readonly json?: readonly unknown[];
  readonly noJson?: readonly unknown[];
}

const DATE = "Expected a date such as 2026-01-31T08:30:00Z";
const CHOICE = 'Expected one of "a", "b"';
const EVERY_TEXT = ["a", "1", "true", "null", "", "[]", '["a"]', '{"a":1}', "a,b", "a b", "é&=%+;", '"'];
const asItIs = Object.fromEntries(EVERY_TEXT.map((text) => [text, text]));
const asOnlyEntry = Object.fromEntries(
  EVERY_TEXT.filter((text) => !text.startsWith("[")).map((text) => [text, [text]]),
);
const NO_NUMBERS = [
  "",
  " ",
  "a",
  " 1",
  "1 ",
  "0x10",
  "1_000",
  "1,5",
  "Infinity",
  "NaN",
  "true",
  "null",
  "[1]",
  "1e999",
];
const says = (message: string, texts: readonly string[]) =>
  Object.fromEntries(texts.map((text) => [text, message]));

const rows: readonly Row[] = [
  { type: "t.String()", takes: asItIs, json: ["", "1", "[]"], noJson: [1, true, null, [], {}] },
  { type: "t.Any()", takes: asItIs, json: [1, true, "", null, [], { a: 1 }] },
  { type: "t.Unknown()", takes: asItIs, json: [1, "a", [], { a: 1 }] },
  { type: "t.Readonly(t.String())", takes: asItIs, noJson: [1] },
  { type: "t.NoValidate(t.String())", takes: asItIs },
  {
    type: "t.String({ minLength: 2 })",
    takes: { ab: "ab" },
    refuses: says("Expected string length greater or equal to 2", ["a", ""]),
  },
  {
    type: "t.RegExp(/^a+$/)",
    takes: { aa: "aa" },
    refuses: says("Expected string to match regular expression", ["b", ""]),
  },
  {
    type: "t.TemplateLiteral('a${1|2}')",
    takes: { a1: "a1" },
    refuses: { a3: "Expected string to match '^a(1|2)$'" },
  },
  {
    type: "t.Number()",
    takes: { "1": 1, "-1.5": -1.5, "1e3": 1000 },
    refuses: says("Expected number", NO_NUMBERS),
    json: [1, 1.5],
    noJson: ["1", true, null, [1]],
  },
  {
    type: "t.Numeric()",
    takes: { "1": 1, "1.5": 1.5 },
    refuses: says("Expected number", NO_NUMBERS),
    json: [1],
    noJson: ["a", "", " ", true, null],
  },
  {
    type: "t.Numeric({ minimum: 2 })",
    takes: { "2": 2 },
    refuses: { "1": "Expected number to be greater or equal to 2" },
    json: [2],
    noJson: [1, "1"],
  },
  {
    type: "t.Integer()",
    takes: { "1": 1, "-7": -7 },
    refuses: says("Expected integer", [...NO_NUMBERS, "1.5", "9007199254740993"]),
    json: [1],
    noJson: ["1", 1.5, true, 2 ** 53, -(2 ** 53), 1e300],
  },
  {
    type: "t.Integer({ minimum: 2 })",
    takes: { "2": 2 },
    refuses: { "1": "Expected integer to be greater or equal to 2" },
  },
  {
    type: "t.Boolean()",
    takes: { true: true, false: false },
    refuses: says("Expected boolean", ["", "1", "0", "TRUE", "yes", "on", "null"]),
    json: [true],
    noJson: ["true", 1, null],
  },
  {
    type: "t.BooleanString()",
    takes: { true: true, false: false },
    refuses: says("Expected boolean", ["", "1", "TRUE"]),
    noJson: [1, "yes"],
  },
  {
    type: "t.Date()",
    takes: { "2026-01-31": "2026-01-31T00:00:00.000Z" },
    refuses: says(DATE, ["", "1", "2026-02-30", "1/2/2026", "2026-01-31T08:30"]),
    noJson: ["2026-02-30", true, "1"],
  },
  { type: "t.Null()", refuses: says("Expected null", ["", "null", "a"]), json: [null], noJson: ["null", 0] },
  { type: "t.Undefined()", refuses: says("Expected undefined", ["", "undefined"]), noJson: [null, "a"] },
  { type: "t.Never()", refuses: says("Never", ["", "a"]), noJson: [1] },
  { type: "t.Not(t.String())", refuses: says("Value should not match", ["", "a"]), json: [1], noJson: ["a"] },
  {
    type: "t.BigInt()",
    takes: { "1": "1", "-7": "-7", "9007199254740993": "9007199254740993" },
    refuses: says("Expected bigint", ["", " ", "a", " 1", "1.5", "0x10", "1e3", "-", "9".repeat(400)]),
    json: ["1", "9007199254740993"],
    noJson: [1.5, 2 ** 53, "a", "", true, null, []],
  },
  {
    type: "t.BigInt({ minimum: 2n })",
    takes: { "2": "2" },
    refuses: { "1": "Expected bigint to be greater or equal to 2" },
    noJson: [1, "1"],
  },
  { type: "t.Nullable(t.BigInt())", takes: { "1": "1" }, json: [null, "1"], noJson: ["a", true] },
  { type: "t.Array(t.BigInt())", takes: { "1": ["1"] }, json: [["1", "2"]], noJson: [["a"]] },
  { type: "t.Symbol()", refuses: says("Expected symbol", ["", "a"]), noJson: ["a"] },
  {
    type: "t.Literal('a')",
    takes: { a: "a" },
    refuses: says("Expected 'a'", ["b", "A", "", "1"]),
    json: ["a"],
    noJson: ["b", 1],
  },
  {
    type: "t.Literal(1)",
    takes: { "1": 1 },
    refuses: says("Expected 1", ["2", "a", "", "true", " 1"]),
    json: [1],
    noJson: ["1", 2],
  },
  {
    type: "t.Literal(true)",
    takes: { true: true },
    refuses: says("Expected true", ["false", "1", ""]),
    json: [true],
    noJson: ["true"],
  },
  {
    type: "t.Enum({ A: 'a', B: 'b' })",
    takes: { a: "a" },
    refuses: says(CHOICE, ["A", "c", ""]),
    json: ["b"],
    noJson: ["c", 1],
  },
  {
    type: "t.Enum({ A: 1, B: 2 })",
    takes: { "1": 1 },
    refuses: says("Expected one of 1, 2", ["3", "a", ""]),
    json: [2],
    noJson: ["1"],
  },
  {
    type: "t.NumericEnum({ A: 1, B: 2 })",
    takes: { "1": 1 },
    refuses: says("Expected one of 1, 2", ["3", "a", ""]),
    json: [2],
    noJson: [3, "3"],
  },
  {
    type: "t.UnionEnum(['a', 'b'])",
    takes: { a: "a" },
    refuses: says(CHOICE, ["c", ""]),
    json: ["b"],
    noJson: ["c", null],
  },
  {
    type: "t.UnionEnum([1, 2])",
    takes: { "1": 1 },
    refuses: says("Expected one of 1, 2", ["3", "a", ""]),
    json: [2],
    noJson: ["1"],
  },
  { type: "t.KeyOf(t.Object({ a: t.Any(), b: t.Any() }))", takes: { b: "b" }, refuses: says(CHOICE, ["c"]) },
  {
    type: "t.Union([t.Literal('a'), t.Literal('b')])",
    takes: { a: "a" },
    refuses: says(CHOICE, ["c", ""]),
    noJson: ["c"],
  },
  {
    type: "t.Union([t.Literal(1), t.Literal('a')])",
    takes: { "1": 1, a: "a" },
    refuses: says('Expected one of 1, "a"', ["2", ""]),
  },
  {
    type: "t.Union([t.Number(), t.Boolean()])",
    takes: { "1": 1, true: true },
    refuses: says("Expected number or boolean", ["a", ""]),
    noJson: ["1"],
  },
  {
    type: "t.Union([t.Number(), t.String()])",
    takes: { "1": 1, a: "a", "": "", "[1]": "[1]" },
    json: ["1", 1],
  },
  { type: "t.Union([t.String(), t.Number()])", takes: asItIs, json: ["1", 1] },
  {
    type: "t.Nullable(t.Number())",
    takes: { "1": 1 },
    refuses: says("Expected number", ["null", "", "a"]),
    json: [null, 1],
    noJson: ["1"],
  },
  {
    type: "t.Nullable(t.Integer({ minimum: 2 }))",
    takes: { "2": 2 },
    refuses: { "1": "Expected integer to be greater or equal to 2", null: "Expected integer" },
    json: [null],
    noJson: [1],
  },
  { type: "t.Nullable(t.String())", takes: asItIs, json: [null, "null"], noJson: [1] },
  {
    type: "t.Nullable(t.String({ format: 'email' }))",
    takes: { "a@b.cd": "a@b.cd" },
    refuses: { a: "Expected string to match 'email' format" },
    json: [null],
    noJson: ["a"],
  },
  {
    type: "t.MaybeEmpty(t.Boolean())",
    takes: { true: true },
    refuses: says("Expected boolean", ["null", "", "1"]),
    json: [null],
  },
  {
    type: "t.Nullable(t.UnionEnum([1, 2]))",
    takes: { "1": 1 },
    refuses: says("Expected one of 1, 2", ["3", "null"]),
    json: [null, 2],
    noJson: ["1"],
  },
  {
    type: "t.Array(t.String())",
    takes: { ...asOnlyEntry, "[]": [], '["a","b"]': ["a", "b"], "[1]": ["[1]"], "[a": ["[a"] },
    json: [[], ["a"]],
    noJson: ["a", [1], { length: 1 }],
  },
  {
    type: "t.Array(t.Number())",
    takes: { "1": [1], "[1,2]": [1, 2], "[]": [] },
    refuses: {},
    json: [[1]],
    noJson: [["1"], 1],
  },
  { type: "t.Array(t.Boolean())", takes: { true: [true] }, noJson: [["true"]] },
  { type: "t.Array(t.Date())", takes: { "2026-01-31": ["2026-01-31T00:00:00.000Z"] } },
  {
    type: "t.Array(t.Object({ a: t.Number() }))",
    takes: { '{"a":1}': [{ a: 1 }], '[{"a":1}]': [{ a: 1 }], '{"a":1},{"a":2}': [{ a: 1 }, { a: 2 }] },
  },
  { type: "t.Array(t.UnionEnum(['a', 'b']))", takes: { a: ["a"], '["a","b"]': ["a", "b"] } },
  { type: "t.Nullable(t.Array(t.String()))", takes: { a: ["a"], null: ["null"] }, json: [null, []] },
  {
    type: "t.Array(t.String(), { minItems: 2 })",
    takes: { '["a","b"]': ["a", "b"] },
    refuses: says("Expected array length to be greater or equal to 2", ["a", "[]"]),
  },
  { type: "t.ArrayQuery(t.String())", takes: { a: ["a"], "": [""] }, json: [["a"]] },
  {
    type: "t.Tuple([t.String(), t.Number()])",
    takes: { '["a",1]': ["a", 1] },
    refuses: says("Expected tuple to have 2 elements", ["a", "", "[]"]),
    json: [["a", 1]],
    noJson: [["a", "1"], ["a"], "a"],
  },
  {
    type: "t.Record(t.String(), t.Number())",
    takes: { '{"a":1}': { a: 1 }, "{}": {} },
    refuses: says("Expected object", ["a", "", "[]", "{"]),
    json: [{ a: 1 }],
    noJson: ["{}", [], { a: "1" }],
  },
  {
    type: "t.Object({ a: t.Number() })",
    takes: { '{"a":1}': { a: 1 }, '{"a":1,"b":2}': { a: 1 } },
    refuses: says("Expected object", ["a", "", "[]", "[1]", "{a}"]),
    noJson: ['{"a":1}', [], { a: "1" }],
  },
  {
    type: "t.ObjectString({ a: t.Number() })",
    takes: { '{"a":1}': { a: 1 } },
    refuses: says("Expected object", ["a", "", "[]"]),
    noJson: ["a", "[]", [], 1],
  },
  {
    type: "t.Intersect([t.Object({ a: t.String() }), t.Object({ b: t.Number() })])",
    takes: { '{"a":"x","b":1}': { a: "x", b: 1 } },
    refuses: says("Expected object", ["a", "", "[]"]),
    json: [{ a: "x", b: 1 }],
    noJson: ["a", { a: "x" }],
  },
  {
    type: "t.Composite([t.Object({ a: t.String() }), t.Object({ b: t.Number() })])",
    takes: { '{"a":"x","b":1}': { a: "x", b: 1 } },
  },
  {
    type: "t.Pick(t.Object({ a: t.Number(), b: t.Any() }), ['a'])",
    takes: { '{"a":1}': { a: 1 } },
    noJson: [{ b: 1 }],
  },
  {
    type: "t.Omit(t.Object({ a: t.Number(), b: t.Any() }), ['b'])",
    takes: { '{"a":1}': { a: 1 } },
    noJson: [{ b: 1 }],
  },
  {
    type: "t.Required(t.Partial(t.Object({ a: t.Number() })))",
    takes: { '{"a":1}': { a: 1 } },
    noJson: [{}],
  },
  {
    type: "t.Recursive((self) => t.Object({ n: t.Optional(self) }))",
    takes: { '{"n":{}}': { n: {} } },
    json: [{ n: { n: {} } }],
    noJson: [{ n: 1 }],
  },
  {
    type: "t.Transform(t.Number()).Decode((x) => x + 1).Encode((x) => x)",
    takes: { "1": 2 },
    refuses: says("Expected number", ["a", ""]),
  },
  {
    type: "t.Transform(t.String()).Decode((x) => x + '!').Encode((x) => x)",
    takes: { a: "a!", "%25": "%25!" },
  },
  { type: "t.Unsafe({ type: 'string', maxLength: 2 })", takes: { a: "a" }, noJson: ["abc", 1] },
  { type: "t.Unsafe({ type: 'integer', enum: [1, 2] })", takes: { "1": 1 }, json: [2], noJson: [3, "1"] },
  {
    type: "t.Unsafe({ type: 'object', properties: { a: { type: 'number' } }, required: ['a'] })",
    takes: { '{"a":1}': { a: 1 } },
    json: [{ a: 1 }],
    noJson: [{ a: "x" }, {}, 1],
  },
  { type: "t.File()", refuses: says("Expected a file", ["", "a", "File"]), noJson: ["File", {}] },
  { type: "t.Files({ maxItems: 2 })", refuses: says("Expected at most 2 files", ["a"]) },
  { type: "t.Files()", refuses: says("Expected a file", ["", "a", "Files"]), noJson: ["Files", [1]] },
];

const RUN = `import { t } from "elysia";
import { createRouter } from "xcore";
const router = createRouter();
const shown = (value) => (typeof value === "bigint" ? String(value) : Array.isArray(value) ? value.map(shown) : value);
const show = (value) => ({ value: shown(value) });
const types = [${rows.map(({ type }) => `() => ${type}`).join(",\n")}];
for (const [index, make] of types.entries()) {
  const v = t.Optional(make());
  router
    .get("/params/" + index + "/:v", ({ params }) => show(params.v), { params: t.Object({ v: make() }) })
    .get("/query/" + index, ({ query }) => show(query.v), { query: t.Object({ v }) })
    .get("/headers/" + index, ({ headers }) => show(headers.v), { headers: t.Object({ v }) })
    .get("/cookie/" + index, ({ cookie }) => show(cookie.v.value), { cookie: t.Cookie({ v }) })
    .post("/body/" + index, ({ body }) => show(body.v), { body: t.Object({ v }) });
}
export default router;
`;
const plugins = { "x/plugin.json": { name: "x", version: "1.0.0" }, "x/run.ts": RUN };

interface Answer {
  readonly status: number;
  readonly value?: unknown;
  readonly errors?: readonly InputProblem[];
  readonly cookies: readonly string[];
}

async function toAnswer(response: Response): Promise<Answer> {
  const answer = (await response.json()) as object;
  return { status: response.status, ...answer, cookies: response.headers.getSetCookie() };
}

/** Sends a text in each of the places where a request has text; undefined where HTTP can't carry it. */
async function sendText(app: TestApp, index: number, text: string): Promise<Record<string, Answer>> {
  const encoded = encodeURIComponent(text);
  const form = new FormData();
  form.append("v", text);
  const pairs = new URLSearchParams({ v: text });
  const isHeader = /^[!-~]+( [!-~]+)*$/.test(text);
  const sent: Record<string, Promise<Response> | null> = {
    query: app.fetch(`/x/query/${index}?v=${encoded}`),
    params: text === "" ? null : app.fetch(`/x/params/${index}/${encoded}`),
    headers: isHeader ? app.fetch(`/x/headers/${index}`, { headers: { v: text } }) : null,
    cookie: app.fetch(`/x/cookie/${index}`, { headers: { cookie: `v=${encoded}` } }),
    multipart: app.fetch(`/x/body/${index}`, { method: "POST", body: form }),
    urlencoded: app.fetch(`/x/body/${index}`, { method: "POST", body: pairs }),
  };
  const answers: Record<string, Answer> = {};
  for (const [place, response] of Object.entries(sent))
    if (response !== null) answers[place] = await toAnswer(await response);
  return answers;
}

async function sendJson(app: TestApp, index: number, v: unknown): Promise<Answer> {
  const headers = { "content-type": "application/json" };
  const init = { method: "POST", headers, body: JSON.stringify({ v }) };
  return toAnswer(await app.fetch(`/x/body/${index}`, init));
}

test("text arrives as each type reads it, the same in every place that has text", async () => {
  await using app = await TestApp.start({ plugins });
  for (const [index, { type, takes = {} }] of rows.entries()) {
    for (const [text, value] of Object.entries(takes)) {
      for (const [place, found] of Object.entries(await sendText(app, index, text))) {
        // No cookie is sent back that nobody has set.
        expect({ type, place, text, ...found }).toEqual({
          type,
          place,
          text,
          status: 200,
          value,
          cookies: [],
        });
      }
    }
  }
});

test("text that a type can't read is refused, in the same words in every place", async () => {
  await using app = await TestApp.start({ plugins });
  for (const [index, { type, refuses = {} }] of rows.entries()) {
    for (const [text, message] of Object.entries(refuses)) {
      for (const [place, { status, errors }] of Object.entries(await sendText(app, index, text))) {
        const part = place === "multipart" || place === "urlencoded" ? "body" : place;
        expect({ type, place, text, status, path: errors?.[0]?.path, message: errors?.[0]?.message }).toEqual(
          { type, place, text, status: 422, path: `/${part}/v`, message },
        );
      }
    }
  }
});

test("a value of the path whose percent signs encode nothing stays what it is", async () => {
  await using app = await TestApp.start({ plugins });
  const index = rows.findIndex(({ type }) => type === "t.String()");
  for (const [text, value] of [
    ["%zz", "%zz"],
    ["%41%zz", "%41%zz"],
    ["%C0%AF", "%C0%AF"],
    ["a%2Fb", "a/b"],
    ["%25zz", "%zz"],
  ] as const)
    expect({ text, ...(await toAnswer(await app.fetch(`/x/params/${index}/${text}`))) }).toMatchObject({
      text,
      status: 200,
      value,
    });
});

test("JSON arrives as it was sent, or is refused", async () => {
  await using app = await TestApp.start({ plugins });
  for (const [index, { type, json = [], noJson = [] }] of rows.entries()) {
    for (const v of json) {
      const { status, value } = await sendJson(app, index, v);
      expect({ type, v, status, value }).toEqual({ type, v, status: 200, value: v });
    }
    for (const v of noJson) {
      const { status, errors } = await sendJson(app, index, v);
      expect({ type, v, status, path: errors?.[0]?.path.slice(0, 7) }).toEqual({
        type,
        v,
        status: 422,
        path: "/body/v",
      });
    }
    expect({ type, ...(await toAnswer(await app.fetch(`/x/query/${index}`))) }).toEqual({
      type,
      status: 200,
      cookies: [],
    });
  }
});

test("t.BigInt() takes a whole number of JSON as well as its digits", async () => {
  await using app = await TestApp.start({ plugins });
  const index = rows.findIndex(({ type }) => type === "t.BigInt()");
  expect(await sendJson(app, index, 12)).toMatchObject({ status: 200, value: "12" });
});
