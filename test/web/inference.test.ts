import { expect, test } from "bun:test";
import { type Files, TestApp } from "../setup.ts";

/** What stands in another file of the plugin. */
const LOOK = `export function look(context) {
  const { query, headers, body, cookie, set, server, url, route, path, request, params, user } = context;
  set.headers["x-own"] = "set";
  set.status = 418;
  cookie.given.value = "baked";
  const own = [path.endsWith("/7"), route.endsWith("/:id"), url.endsWith("?a=query"), typeof server.requestIP, request.method, params.id];
  return { seen: [query.a, headers["x-a"], cookie.a.value, body?.a, user?.email, ...own].join() };
}
export const later = async (context) => { await Promise.resolve(); return look(context); };
export const whole = (context) => look(context);
export class Looking {
  look = whole;
  static look(context) { return look(context); }
  #own(context) { return look(context); }
  get own() { return this.#own; }
}
`;

/** Ways to write a function that looks at all of its context. */
const FORMS = [
  `(c) => look(c)`,
  `$ => look($)`,
  `async (c) => look(c)`,
  `(context) => { const own = context; const seen = look(own); return seen; }`,
  `({ request, ...rest }) => look({ request, ...rest })`,
  `({ request: { method: how = ") =>" }, query: q = {}, headers: h, body, cookie, set, server, url, route, path, params, request, user = [(a) => ({ a })] && undefined }) =>
    look({ query: q, headers: h, body, cookie, set, server, url, route, path, params, request, user })`,
  `({ ["query"]: query, "headers": headers, body, ["coo" + "kie"]: cookie, set, server, url, route, path, params, request, user }) => {
    const text = "=> ) return";
    return look({ query, headers, body, cookie, set, server, url, route, path, params, request, user, text });
  }`,
  `(c) => {
    const { query, cookie, set, server, url } = c;
    return look({ query, headers: c?.headers, body: c["body"], cookie, set, server, url, route: c.route, path: c.path, params: c.params, request: c.request, user: c.user });
  }`,
  `(c, own = c) => look(own)`,
  `function () { return look(arguments[0]); }`,
  `function looking(...all) { return look.apply(this, all); }`,
  `look`,
  `whole`,
  `look.bind(null)`,
  `new Proxy(look, {})`,
  `Looking.look`,
  `new Looking().look`,
  `new Looking().own`,
  `guard(look)`,
  `((fn) => (...all) => fn(...all))(look)`,
  `((fn) => async (c) => { await 0; return fn({ ...c, more: 1 }); })(look)`,
  `(c) => c.looking()`,
  `(c) => [c].map(look)[0]`,
  `(c) => { if (c.request.method === "") return; return later(c); }`,
  `(c) => !c.request ? undefined : later(c)`,
  `(c) => "a" && later(c)`,
  `(c) => typeof c === "string" ? [] : later(c)`,
  `(c) => (0, later(c))`,
  `(c) => { return [later(c)][0]; }`,
  `(c) => { const found = { then: (done) => done(look(c)) }; return found; }`,
];

/** Places of a route that such a function may stand at, each with what makes its answer that of the route. */
const PLACES: Readonly<Record<string, (form: string) => string>> = {
  handler: (form) => `${form}, options`,
  beforeHandle: (form) => `() => "no", { ...options, beforeHandle: ${form} }`,
  transform: (form) => `({ seen }) => ({ seen }), { ...options, transform: ${form} }`,
  afterHandle: (form) => `() => ({}), { ...options, afterHandle: ${form} }`,
  mapResponse: (form) => `() => ({}), { ...options, mapResponse: ${form} }`,
  error: (form) => `() => { throw new Error("thrown"); }, { ...options, error: ${form} }`,
  macro: (form) => `() => "no", { ...options, before: ${form} }`,
  resolving: (form) => `({ seen }) => ({ seen }), { ...options, resolving: ${form} }`,
};
const APP_HOOKS = ["derive", "resolve"];

const HEAD = `import { t } from "elysia";
import { createRouter } from "xcore";
import { later, look, Looking, whole } from "./look.ts";
const guard = (fn) => (context) => fn(context);
const known = {
  auth: true, params: t.Object({ id: t.String() }), query: t.Object({ a: t.String() }), cookie: t.Cookie({ a: t.String() }),
  body: t.Object({ a: t.String() }), response: { 418: t.Object({ seen: t.String() }) },
};
const create = () => createRouter().decorate("looking", function () { return look(this); });
const router = create().macro({ before: (beforeHandle) => ({ beforeHandle }), resolving: (resolve) => ({ resolve }) });
export default router;
`;

const OF_ROUTES = Object.entries(PLACES).flatMap(([place, write]) =>
  FORMS.flatMap((form, index) => [
    `{ const options = {}; router.get("/${place}/${index}/:id", ${write(form)}); }`,
    `{ const options = known; router.post("/${place}/${index}/:id", ${write(form)}); }`,
  ]),
);
const OF_APPS = APP_HOOKS.flatMap((hook) =>
  FORMS.map(
    (form, index) =>
      `router.use(create().${hook}(${form}).get("/${hook}/${index}/:id", ({ seen }) => ({ seen })));`,
  ),
);

function filesOf(name: string, run: string, others: Files = {}): Files {
  const files = { "plugin.json": { name, version: "1.0.0" }, "run.ts": run, ...others };
  return Object.fromEntries(Object.entries(files).map(([file, text]) => [`${name}/${file}`, text]));
}

test("handlers and hooks see all of their context however they are written", async () => {
  // Two plugins: what Elysia finds in the hook of an app holds for all of its routes.
  const others = { "look.ts": LOOK };
  const plugins = {
    ...filesOf("routes", HEAD + OF_ROUTES.join("\n"), others),
    ...filesOf("apps", HEAD + OF_APPS.join("\n"), others),
  };
  await using app = await TestApp.start({ plugins });
  const user = await app.createUser("ann@example.com");
  const ask = async (path: string, method: string): Promise<string> => {
    const isKnown = method === "POST";
    const { headers, status, ...answer } = await given(
      app.fetch(`${path}/7?a=query`, {
        method,
        headers: { ...user.headers, "x-a": "header", cookie: "a=cookie", "content-type": "application/json" },
        body: isKnown ? `{"a":"body"}` : null,
      }),
    );
    const own = `${status} ${headers.get("x-own")} ${headers.get("set-cookie")} ${answer.text}`;
    const seen = `query,header,cookie,${isKnown ? "body,ann@example.com" : ","},true,true,true,function,${method},7`;
    return own === `418 set given=baked; Path=/ {"seen":"${seen}"}` ? "" : `${method} ${path}: ${own}`;
  };
  const asked = FORMS.flatMap((_, index) => [
    ...Object.keys(PLACES).flatMap((place) =>
      ["GET", "POST"].map((method) => ask(`/routes/${place}/${index}`, method)),
    ),
    ...APP_HOOKS.map((hook) => ask(`/apps/${hook}/${index}`, "GET")),
  ]);
  expect((await Promise.all(asked)).filter((wrong) => wrong !== "")).toEqual([]);
});

const ODD = `import { t } from "elysia";
import { createRouter } from "xcore";
const lazy = { then: (done) => void done({ n: 1 }) }; // as a query of drizzle's
const read = async (context) => ({ text: await context.request.text(), ...context.body });
class Thing { n = 1; double() { return this.n * 2; } }
let runs = 0;
export default createRouter()
  .decorate("it's", 1).parser("text/x-own's", ({ request }) => request.text()).parser("it's", () => ({ n: 2 }))
  .get("/it's/a\`b", (context) => ({ n: context["it's"], route: [context].map(({ route }) => route)[0] }))
  .get("/lazy", ({ query }) => (query.x ? 0 : lazy)).get("/lazy-checked", () => { const rows = lazy; return rows; }, { response: t.Object({ n: t.Number() }) })
  .get("/instance", () => new Thing()).get("/instance-set", ({ set }) => { set.headers["x-own"] = "1"; return new Thing(); }).get("/instance-early", () => 0, { beforeHandle: () => new Thing() })
  .get("/null", () => 1, { beforeHandle: () => null })
  .get("/response", ({ cookie }) => new Response(cookie.none.value ?? "text")).get("/static", "text", { beforeHandle: ({ cookie }) => void cookie.a })
  .get("/quoted", { "it's"() { return "text"; } }["it's"], { beforeHandle: { "it's"() {} }["it's"] })
  .trace(({ onHandle, set }) => onHandle(({ onStop }) => onStop(() => { set.headers["x-traced"] = "1"; })))
  .post("/parsed", ({ body }) => body, { parse: "it's" }).post("/own", ({ body }) => ({ body }), { parse: "text/x-own's" })
  .post("/read", (context) => read(context))
  .post("/rest", async ({ request, ...rest }) => ({ ...(await request.clone().json()), bytes: (await request.bytes()).length, used: request.bodyUsed, more: rest.body.n }))
  .post("/file", ({ body }) => ({ n: body["my-file"].size }), { body: t.Object({ "my-file": t.File({ type: "image/png" }) }) })
  .ws("/socket", { beforeHandle: () => { runs += 1; }, open: () => String(runs) });
`;

test("names, answers and bodies of any kind go through what Elysia makes of a route", async () => {
  await using app = await TestApp.start({ plugins: filesOf("x", ODD) });
  const json = "application/json;charset=utf-8";
  const text = "text/plain;charset=utf-8";
  const get = async (path: string, init?: RequestInit): Promise<unknown[]> => {
    const answer = await given(app.fetch(`/x${path}`, init));
    return [answer.status, answer.headers.get("content-type"), answer.text];
  };
  const post = (path: string, type = "application/json"): Promise<unknown[]> =>
    get(path, { method: "POST", body: `{"n":3}`, headers: { "content-type": type } });
  expect(await get("/it's/a`b")).toEqual([200, json, `{"n":1,"route":"/x/it's/a\`b"}`]);
  for (const path of ["/lazy", "/lazy-checked", "/instance", "/instance-set", "/instance-early"])
    expect(await get(path)).toEqual([200, json, `{"n":1}`]);
  expect(await get("/null")).toEqual([200, null, ""]);
  for (const path of ["/response", "/static", "/quoted"])
    expect(await get(path)).toEqual([200, text, "text"]);
  expect(await post("/parsed")).toEqual([200, json, `{"n":2}`]);
  expect(await post("/own", "text/x-own's")).toEqual([200, json, `{"body":"{\\"n\\":3}"}`]);
  expect(await post("/read")).toEqual([200, json, `{"text":"{\\"n\\":3}","n":3}`]);
  expect(await post("/rest")).toEqual([200, json, `{"n":3,"bytes":7,"used":false,"more":3}`]);
  const form = new FormData();
  form.set("my-file", new File([PNG], "a.png", { type: "image/png" }));
  expect(await get("/file", { method: "POST", body: form })).toEqual([200, json, `{"n":${PNG.length}}`]);
  const socket = new WebSocket(`${app.url.replace("http", "ws")}/x/socket`);
  const message = await new Promise((resolve) => {
    socket.addEventListener("message", ({ data }) => resolve(data));
  });
  socket.close();
  expect(message).toBe("1");
});

const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);

async function given(response: Promise<Response>) {
  const answer = await response;
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}
