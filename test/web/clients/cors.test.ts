import { expect, test } from "bun:test";
import type { ConfigOverrides } from "../../../src/config/schema.ts";
import { plugin, TestApp } from "../../setup.ts";

type Cors = NonNullable<NonNullable<ConfigOverrides["server"]>["cors"]>;

const ROUTER = `.get("/", () => 1).post("/", ({ body }) => body)
  .get("/error", () => { throw new Error("x"); })
  .get("/null", () => { throw null; })
  .get("/own", ({ set }) => { set.headers["access-control-allow-origin"] = "https://own.example"; return 1; })
  .get("/vary", ({ set }) => { set.headers.vary = "Accept, Origin"; return 1; })
  .get("/redirect", () => Response.redirect("/x"))`;
const APP = "https://app.example.com";
const ALLOW_ORIGIN = "access-control-allow-origin";

function start(cors: Cors | undefined): Promise<TestApp> {
  const server = { body_limit: 100, ...(cors === undefined ? {} : { cors }) };
  return TestApp.start({ plugins: plugin("x", ROUTER), config: { server } });
}

function preflight(origin: string, method = "PUT", headers?: string): RequestInit {
  const asked = headers === undefined ? {} : { "access-control-request-headers": headers };
  return { method: "OPTIONS", headers: { origin, "access-control-request-method": method, ...asked } };
}

function corsHeaders(response: Response): Record<string, string> {
  const entries = [...response.headers]
    .filter(([name]) => name === "vary" || name.startsWith("access-control-"))
    // Titles of problems depend on it.
    .map(([name, value]) => [name, value.replace(/^accept-(?:language|encoding)(, )?/, "")] as const)
    .filter(([, value]) => value !== "");
  return Object.fromEntries(entries);
}

test("CORS is off by default: no headers, and a preflight is a request like any other", async () => {
  await using app = await start(undefined);
  for (const init of [{ headers: { origin: APP } }, preflight(APP)]) {
    expect(corsHeaders(await app.fetch("/x", init))).toEqual({});
  }
  expect((await app.fetch("/x", preflight(APP))).status).toBe(405);
});

const everywhere: [string, RequestInit, number][] = [
  ["/x", {}, 200],
  ["/health", {}, 200],
  ["/openapi.json", {}, 200],
  ["/nothing", {}, 404],
  ["/x", { method: "PUT" }, 405],
  ["/x/error", {}, 500],
  ["/x/null", {}, 500],
  ["/x/redirect", { redirect: "manual" }, 302],
  ["/x", { method: "POST", body: "x".repeat(101) }, 413],
];

test("allowOrigin() lets an allowed origin read every answer, errors too", async () => {
  await using app = await start({ allow_origins: ["https://other.example", APP], allow_credentials: true });
  for (const [path, init, status] of everywhere) {
    const response = await app.fetch(path, { ...init, headers: { origin: APP } });
    expect([path, response.status, corsHeaders(response)]).toEqual([
      path,
      status,
      {
        [ALLOW_ORIGIN]: APP,
        "access-control-allow-credentials": "true",
        "access-control-expose-headers": "x-request-id",
        vary: "origin",
      },
    ]);
  }
});

test("allowOrigin() tells no other origin anything, but caches that it depends on the origin", async () => {
  await using app = await start({ allow_origins: [APP] });
  const others = [
    "https://app.example.com.evil.example",
    "http://app.example.com",
    "null",
    `${APP}:8443`,
    APP.toUpperCase(),
  ];
  for (const origin of others) {
    expect([origin, corsHeaders(await app.fetch("/x", { headers: { origin } }))]).toEqual([
      origin,
      { vary: "origin" },
    ]);
  }
  expect(corsHeaders(await app.fetch("/x"))).toEqual({ vary: "origin" });
});

test("allowOrigin() allows any origin with *", async () => {
  await using app = await start({ allow_origins: ["*"] });
  expect(corsHeaders(await app.fetch("/x", { headers: { origin: "https://any.example" } }))).toEqual({
    [ALLOW_ORIGIN]: "*",
    "access-control-expose-headers": "x-request-id",
  });
});

test("allowOrigin() leaves what a handler allows and varies by", async () => {
  await using app = await start({ allow_origins: [APP] });
  const own = await app.fetch("/x/own", { headers: { origin: APP } });
  expect(own.headers.get(ALLOW_ORIGIN)).toBe("https://own.example");
  expect((await app.fetch("/x/vary", { headers: { origin: APP } })).headers.get("vary")).toBe(
    "Accept, Origin",
  );
});

test("answerPreflight() answers for plugins, the core and paths that aren't served", async () => {
  await using app = await start({ allow_origins: [APP] });
  for (const path of ["/x", "/x/nothing", "/health", "/nothing"]) {
    const response = await app.fetch(path, preflight(APP, "PUT", "content-type, x-custom"));
    expect([path, response.status, await response.text(), corsHeaders(response)]).toEqual([
      path,
      204,
      "",
      {
        [ALLOW_ORIGIN]: APP,
        "access-control-allow-headers": "content-type, x-custom",
        "access-control-allow-methods": "PUT",
        "access-control-expose-headers": "x-request-id",
        "access-control-max-age": "600",
        vary: "access-control-request-method, access-control-request-headers, origin",
      },
    ]);
    expect(response.headers.get("x-request-id")).toMatch(/./);
  }
});

test("answerPreflight() names the configured methods and headers", async () => {
  await using app = await start({
    allow_origins: ["*"],
    allow_methods: ["GET", "POST"],
    allow_headers: ["Content-Type"],
  });
  const { headers } = await app.fetch("/x", preflight(APP, "DELETE", "x-evil"));
  expect(headers.get("access-control-allow-methods")).toBe("GET, POST");
  expect(headers.get("access-control-allow-headers")).toBe("Content-Type");
});

test("answerPreflight() leaves other origins, and OPTIONS that is no preflight, to the routes", async () => {
  await using app = await start({ allow_origins: [APP] });
  const refused = await app.fetch("/x", preflight("https://evil.example"));
  expect([refused.status, corsHeaders(refused)]).toEqual([405, { vary: "origin" }]);
  expect((await app.fetch("/x", { method: "OPTIONS", headers: { origin: APP } })).status).toBe(405);
});

test("CORS follows the configuration of a running server", async () => {
  await using app = await start(undefined);
  app.app.web.configure({
    bodyLimit: 100,
    trustedProxies: [],
    cors: { allow_origins: [APP], allow_credentials: false, allow_methods: ["*"], allow_headers: ["*"] },
  });
  expect((await app.fetch("/x", { headers: { origin: APP } })).headers.get(ALLOW_ORIGIN)).toBe(APP);
});
