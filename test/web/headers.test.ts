import { expect, test } from "bun:test";
import { TestApp, type TestAppOptions } from "../setup.ts";

const APP = "https://app.example.com";

const RUN = `import { AppError, createRouter } from "xcore";
export default createRouter()
  .get("/expose", ({ set }) => { set.headers["access-control-expose-headers"] = "x-total-count, etag"; return { a: 1 }; })
  .get("/expose-id", ({ set }) => { set.headers["access-control-expose-headers"] = "X-Request-ID"; return 1; })
  .get("/expose-response", () => new Response("x", { headers: { "access-control-expose-headers": "etag" } }))
  .get("/expose-all", ({ set }) => { set.headers["access-control-expose-headers"] = "*"; return 1; })
  .get("/expose-error", ({ set }) => { set.headers["access-control-expose-headers"] = "retry-after"; throw new Error("x"); })
  .get("/credentials", ({ set }) => { set.headers["access-control-allow-credentials"] = "false"; return 1; })
  .get("/own-origin", ({ set }) => { set.headers["access-control-allow-origin"] = "https://own.example"; return 1; })
  .get("/vary", ({ set }) => { set.headers["vary"] = "accept-language"; return { a: 1 }; })
  .get("/vary-origin", ({ set }) => { set.headers["vary"] = "Accept, Origin"; return 1; })
  .get("/vary-all", ({ set }) => { set.headers["vary"] = "*"; return 1; })
  .get("/stream", async function* () { yield "é"; })
  .get("/frame", ({ set }) => { set.headers["x-frame-options"] = "DENY"; set.headers["referrer-policy"] = "no-referrer"; return "text"; })
  .get("/frame-json", ({ set }) => { set.headers["x-frame-options"] = "DENY"; return { a: 1 }; })
  .get("/sniff", ({ set }) => { set.headers["x-content-type-options"] = "sniff"; return "text"; })
  .get("/id", ({ set }) => { set.headers["x-request-id"] = "mine"; return { a: 1 }; })
  .get("/csp", () => new Response("x", { headers: { "content-security-policy": "default-src 'none'" } }))
  .get("/cache", ({ set }) => { set.headers["cache-control"] = "public, max-age=60"; return { a: 1 }; })
  .get("/cache-stream", function* ({ set }) { set.headers["cache-control"] = "private"; yield "a"; })
  .get("/problem", ({ set }) => {
    set.headers["retry-after"] = "7";
    set.headers["www-authenticate"] = "Basic";
    set.headers["content-type"] = "text/html";
    throw new AppError("too_early", 425, "Too early", { headers: { "x-of-error": "1" } });
  })
  .get("/basic", ({ set }) => { set.status = 401; set.headers["www-authenticate"] = 'Basic realm="x"'; return "who?"; })
  .get("/cookies", ({ cookie: { a, b } }) => { a.value = "1"; b.value = "2"; return { a: 1 }; })
  .get("/cookies-error", ({ cookie: { a, b } }) => { a.value = "1"; b.value = "2"; throw new Error("x"); })
  .get("/cookies-response", () => {
    const response = new Response("x");
    for (const cookie of ["a=1", "b=2"]) response.headers.append("set-cookie", cookie);
    return response;
  })
  .get("/cookies-both", ({ set }) => {
    set.headers["set-cookie"] = ["a=1", "b=2"];
    return new Response("x", { headers: { "set-cookie": "c=3" } });
  })
  .get("/cookies-passed-on", ({ request }) => fetch(new URL("/x/cookies-response", request.url)))
  .get("/jar-response", ({ cookie: { a, b } }) => { a.value = "1"; b.value = "2"; return new Response("x", { headers: { "set-cookie": "c=3" } }); })
  .get("/jar-response-one", ({ cookie: { a } }) => { a.value = "1"; return new Response("x", { headers: { "set-cookie": "c=3" } }); })
  .get("/jar-responses", ({ cookie: { a, b } }) => {
    a.value = "1"; b.value = "2";
    const response = new Response("x");
    for (const cookie of ["c=3", "d=4"]) response.headers.append("set-cookie", cookie);
    return response;
  })
  .get("/jar-set", ({ cookie: { a, b }, set }) => { a.value = "1"; b.value = "2"; set.headers["set-cookie"] = "c=3"; return { a: 1 }; })
  .get("/jar-set-text", ({ cookie: { a }, set }) => { a.value = "1"; set.headers["set-cookie"] = ["c=3", "d=4"]; return "x"; })
  .get("/jar-stream", function* ({ cookie: { a, b } }) { a.value = "1"; b.value = "2"; yield "x"; })
  .get("/jar-status", ({ cookie: { a, b }, status }) => { a.value = "1"; b.value = "2"; return status(201, { a: 1 }); })
  .get("/jar-thrown", ({ cookie: { a } }) => { a.value = "1"; throw new Response("x", { status: 400, headers: { "set-cookie": "c=3" } }); })
  .get("/jar-redirect", ({ cookie: { a, b }, redirect }) => { a.value = "1"; b.value = "2"; return redirect("/x"); })
  .get("/jar-file", ({ cookie: { a, b } }) => { a.value = "1"; b.value = "2"; return new Blob(["x"], { type: "image/png" }); })
  .options("/own", () => new Response(null, { status: 204, headers: {
    allow: "GET, PURGE", "access-control-allow-methods": "PURGE", "access-control-max-age": "5", "vary": "x-own" } }))
  .get("/response", () => new Response("<p>", { status: 401, headers: {
    "www-authenticate": 'Bearer realm="own"', "content-security-policy": "sandbox", "content-type": "text/html", "x-request-id": "mine",
    "cache-control": "private, max-age=5", vary: "accept, cookie", "strict-transport-security": "max-age=1", etag: '"1"', link: "</a>; rel=next" } }))
  .get("/guarded", () => new Response("x", { headers: { "cache-control": "private" } }), { auth: true })
  .get("/guarded-vary", ({ set }) => { set.headers.vary = ["accept", "x-own"].join(", "); return { a: 1 }; }, { auth: true })
  .get("/beside-text", ({ set }) => { set.headers["x-own"] = "1"; return new Response("text"); })
  .get("/beside", ({ set }) => { set.headers["x-own"] = "set"; return new Response("a", { headers: { "x-own": "response" } }); })
  .get("/beside-blob", ({ set }) => { set.headers["x-own"] = "1"; return new Response(new Blob(["a"], { type: "image/png" })); })
  .get("/beside-status", ({ set }) => { set.headers["x-own"] = "1"; return new Response("a", { status: 202 }); })
  .get("/beside-redirect", ({ set }) => { set.headers["x-own"] = "1"; return Response.redirect("/x"); })
  .get("/gzip", () => new Response(Bun.gzipSync("unpacked"), { headers: { "content-encoding": "gzip", "content-type": "text/x-own" } }))
  .get("/gzip-passed-on", ({ request, set }) => { set.headers["x-own"] = "1"; return fetch(new URL("/x/gzip", request.url)); })
  .get("/gzip-guarded", ({ request, set }) => { set.headers["x-own"] = "1"; return fetch(new URL("/x/gzip", request.url)); }, { auth: true })
  .get("/length", () => new Response("abc", { headers: { "content-length": "3" } }));
`;

type Expected = Readonly<Record<string, string | null>>;
const EXPOSED = "access-control-expose-headers";

/** Paths, and the headers that answers to them must have; null for none. */
const table: Readonly<Record<string, Expected>> = {
  // Lists are added to.
  "/expose": { [EXPOSED]: "x-total-count, etag, x-request-id", "access-control-allow-origin": APP },
  "/expose-id": { [EXPOSED]: "X-Request-ID" },
  "/expose-response": { [EXPOSED]: "etag, x-request-id" },
  "/expose-all": { [EXPOSED]: "*, x-request-id" }, // with credentials "*" is only a name
  "/expose-error": { [EXPOSED]: "retry-after, x-request-id" },
  "/vary": { vary: "accept-language, origin" },
  "/vary-origin": { vary: "Accept, Origin" },
  "/vary-all": { vary: "*" },
  // The plugin's own value wins.
  "/credentials": { "access-control-allow-credentials": "false" },
  "/own-origin": {
    "access-control-allow-origin": "https://own.example",
    "access-control-allow-credentials": null,
  },
  "/stream": { "content-type": "text/plain;charset=utf-8" },
  "/frame": { "x-frame-options": "DENY", "referrer-policy": "no-referrer" },
  "/frame-json": { "x-frame-options": "DENY", "referrer-policy": null },
  "/csp": { "content-security-policy": "default-src 'none'", "x-frame-options": "SAMEORIGIN" },
  "/cache": { "cache-control": "public, max-age=60" },
  "/cache-stream": { "cache-control": "private" },
  "/basic": { "www-authenticate": 'Basic realm="x"' },
  "/response": {
    "www-authenticate": 'Bearer realm="own"',
    "content-security-policy": "sandbox",
    "content-type": "text/html",
    "cache-control": "private, max-age=5",
    vary: "accept, cookie, origin",
    "strict-transport-security": "max-age=1",
    etag: '"1"',
    link: "</a>; rel=next",
    "access-control-allow-origin": APP,
  },
  "/length": { "content-length": "3" },
  // What is set before an error is answered with it; the problem's own content type stays.
  "/problem": {
    "retry-after": "7",
    "www-authenticate": "Basic",
    "x-of-error": "1",
    "content-type": "application/problem+json",
  },
  // The host's value wins: others mean nothing, or would be lies in the log.
  "/sniff": { "x-content-type-options": "nosniff" },
  "/id": { "x-content-type-options": "nosniff" },
  // Beside a Response.
  "/beside-text": { "x-own": "1", "content-type": "text/plain;charset=utf-8" },
  "/beside": { "x-own": "response" },
  "/beside-blob": { "x-own": "1", "content-type": "image/png" },
  "/beside-status": { "x-own": "1" },
  "/beside-redirect": { "x-own": "1", location: "/x" },
};

const cookies: Readonly<Record<string, readonly string[]>> = {
  "/cookies": ["a=1; Path=/", "b=2; Path=/"],
  "/cookies-error": ["a=1; Path=/", "b=2; Path=/"],
  "/cookies-response": ["a=1", "b=2"],
  "/cookies-both": ["c=3", "a=1", "b=2"],
  "/jar-response": ["c=3", "a=1; Path=/", "b=2; Path=/"],
  "/jar-response-one": ["c=3", "a=1; Path=/"],
  "/jar-responses": ["c=3", "d=4", "a=1; Path=/", "b=2; Path=/"],
  "/jar-set": ["c=3", "a=1; Path=/", "b=2; Path=/"],
  "/jar-set-text": ["c=3", "d=4", "a=1; Path=/"],
  "/jar-stream": ["a=1; Path=/", "b=2; Path=/"],
  "/jar-status": ["a=1; Path=/", "b=2; Path=/"],
  "/jar-thrown": ["c=3", "a=1; Path=/"],
  "/jar-redirect": ["a=1; Path=/", "b=2; Path=/"],
  "/jar-file": ["a=1; Path=/", "b=2; Path=/"],
  "/cookies-passed-on": ["a=1", "b=2"],
};

async function start(): Promise<TestApp> {
  return TestApp.start({
    plugins: { "x/plugin.json": { name: "x", version: "1.0.0" }, "x/run.ts": RUN },
    config: { server: { cors: { allow_origins: [APP], allow_credentials: true } } },
  });
}

test("headers of a plugin are kept: the host adds to them", async () => {
  await using app = await start();
  for (const [path, expected] of Object.entries(table)) {
    const { headers } = await app.fetch(`/x${path}`, { redirect: "manual", headers: { origin: APP } });
    const found = Object.fromEntries(Object.keys(expected).map((name) => [name, headers.get(name)]));
    expect([path, found]).toEqual([path, expected]);
    expect(headers.get("x-request-id")).toMatch(/^[0-9a-f]+-/);
  }
});

function atUrl(url: string): TestAppOptions["config"] & object {
  return { server: { public_url: url } };
}

test("browsers are told to keep to HTTPS where clients reach the server by it", async () => {
  const plugins = { "x/plugin.json": { name: "x", version: "1.0.0" }, "x/run.ts": RUN };
  await using app = await TestApp.start({ plugins, config: atUrl("https://erp.example.com") });
  await using plain = await TestApp.start({ config: atUrl("http://erp.example.com") });
  const read = async (path: string, of = app) =>
    (await of.fetch(path)).headers.get("strict-transport-security");
  for (const path of ["/", "/health", "/nowhere", "/x/credentials", "/x/frame-json", "/x/length"]) {
    expect([path, await read(path)]).toEqual([path, "max-age=31536000"]);
  }
  expect(await read("/health", plain)).toBeNull();
});

function configFile(server: object) {
  return {
    "config.json": { server: { trusted_proxies: ["127.0.0.1"], hsts_max_age: 60, ...server } },
  };
}

test("behind a trusted proxy browsers are told to keep to HTTPS where they have asked it by that", async () => {
  await using app = await TestApp.start({ files: configFile({}) });
  const configure = async (server: object): Promise<void> => {
    await app.folder.write(configFile(server));
    await app.reloadConfig();
  };
  const read = async (proto?: string) => {
    const headers = proto === undefined ? undefined : { "x-forwarded-proto": proto };
    return (await app.fetch("/health", { headers: headers ?? {} })).headers.get("strict-transport-security");
  };
  expect([await read("https"), await read("https, http"), await read()]).toEqual(["max-age=60", null, null]);
  await configure({ public_url: "https://erp.example.com" });
  expect([await read(), await read("http")]).toEqual(["max-age=60", null]);
  await configure({ hsts_max_age: null, public_url: "https://erp.example.com" });
  expect(await read("https")).toBeNull();
  await configure({ trusted_proxies: ["203.0.113.1"], public_url: "https://erp.example.com" });
  expect(await read("https")).toBeNull(); // by anybody
});

test("a Response of fetch() is passed on unpacked, with its headers, also behind a guard", async () => {
  await using app = await start();
  const { headers: known } = await app.admin();
  for (const path of ["/x/gzip-passed-on", "/x/gzip-guarded"]) {
    const response = await app.fetch(path, { headers: known });
    const found = ["content-encoding", "content-type", "x-own"].map((name) => response.headers.get(name));
    expect([path, await response.text(), ...found]).toEqual([path, "unpacked", null, "text/x-own", "1"]);
  }
});

test("all cookies of a plugin are sent", async () => {
  await using app = await start();
  for (const [path, expected] of Object.entries(cookies)) {
    const { headers } = await app.fetch(`/x${path}`, { redirect: "manual" });
    expect([path, headers.getSetCookie()]).toEqual([path, [...expected]]);
  }
});

test("an answer to OPTIONS of a plugin is its own, where it is no preflight", async () => {
  await using app = await start();
  const { status, headers } = await app.fetch("/x/own", { method: "OPTIONS", headers: { origin: APP } });
  const names = ["allow", "access-control-allow-methods", "access-control-max-age", "vary"];
  expect([status, ...names.map((name) => headers.get(name))]).toEqual([
    204,
    "GET, PURGE",
    "PURGE",
    "5",
    "x-own, origin",
  ]);
  expect(headers.get("access-control-allow-origin")).toBe(APP);
});

test("what a guarded route says of caches is kept, and private where it says nothing", async () => {
  await using app = await start();
  const { headers: known } = await app.admin();
  const found = async (path: string, name: string) =>
    (await app.fetch(path, { headers: known })).headers.get(name);
  expect(await found("/x/guarded", "cache-control")).toBe("private");
  expect(await found("/x/guarded-vary", "cache-control")).toBe("no-store");
  expect(await found("/x/guarded-vary", "vary")).toBe("accept, x-own, origin");
});
