import { expect, test } from "bun:test";
import { TestApp } from "../../setup.ts";

const RUN = `import { t } from "elysia";
import { createRouter } from "xcore";
const secrets = "a secret of the plugin that is long enough";
export default createRouter()
  .get("/any", ({ cookie }) => ({ v: cookie.v.value ?? null }))
  .get("/typed", ({ cookie: { n, o, l } }) => ({ n: n.value, o: o.value, l: l.value }), { cookie: t.Cookie({
    n: t.Optional(t.Integer()), o: t.Optional(t.Object({ a: t.Number() })), l: t.Optional(t.Array(t.Integer())) }) })
  .get("/count", ({ cookie: { n } }) => { n.value = (n.value ?? 0) + 1; return { n: n.value }; }, { cookie: t.Cookie({ n: t.Optional(t.Integer()) }) })
  .get("/object", ({ cookie: { v } }) => { v.value = { text: "100%; é", list: [1] }; return 1; })
  .get("/sign", ({ cookie: { v } }) => { v.value = "a%b;c"; return 1; }, { cookie: t.Cookie({ v: t.Optional(t.String()) }, { secrets, sign: ["v"] }) })
  .get("/signed", ({ cookie: { v } }) => ({ v: v.value }), { cookie: t.Cookie({ v: t.String() }, { secrets, sign: ["v"] }) });
`;
const plugins = { "x/plugin.json": { name: "x", version: "1.0.0" }, "x/run.ts": RUN };

async function ask(app: TestApp, path: string, cookie: string) {
  const response = await app.fetch(`/x${path}`, { headers: { cookie } });
  return {
    status: response.status,
    value: (await response.json()) as unknown,
    sent: response.headers.getSetCookie(),
  };
}

function toCookie([set = ""]: readonly string[]): string {
  return set.slice(0, set.indexOf(";"));
}

test("a cookie is decoded once, and read as the schema says", async () => {
  await using app = await TestApp.start({ plugins });
  const deep = encodeURIComponent(`${"[".repeat(100)}${"]".repeat(100)}`);
  const cases: readonly [path: string, cookie: string, value: unknown][] = [
    ["/any", "v=a", { v: "a" }],
    ["/any", "v=%2525", { v: "%25" }],
    ["/any", "v=%zz", { v: "%zz" }],
    ["/any", "w=1", { v: null }],
    ["/any", 'v={"a":1}', { v: { a: 1 } }],
    ["/any", `v=${deep}`, { v: decodeURIComponent(deep) }], // deeper than a body may be: it stays text
    ["/typed", 'n=7; o={"a":1}; l=[1,2]', { n: 7, o: { a: 1 }, l: [1, 2] }],
    ["/typed", "other=1", {}],
  ];
  for (const [path, cookie, value] of cases)
    expect({ cookie, ...(await ask(app, path, cookie)) }).toEqual({ cookie, status: 200, value, sent: [] });
  for (const cookie of ["n=x", "n=1.5", 'o={"a":"1"}', "l=[x]", `o=${deep}`])
    expect({ cookie, status: (await ask(app, "/typed", cookie)).status }).toEqual({ cookie, status: 422 });
});

test("only a cookie that a handler sets is sent, and comes back as it was set", async () => {
  await using app = await TestApp.start({ plugins });
  expect(await ask(app, "/count", "n=7")).toEqual({ status: 200, value: { n: 8 }, sent: ["n=8; Path=/"] });
  const object = toCookie((await ask(app, "/object", "")).sent);
  expect((await ask(app, "/any", object)).value).toEqual({ v: { text: "100%; é", list: [1] } });
  const signed = toCookie((await ask(app, "/sign", "")).sent);
  expect((await ask(app, "/signed", signed)).value).toEqual({ v: "a%b;c" });
  expect((await ask(app, "/signed", "v=a%25b.forged")).status).toBe(400);
});
