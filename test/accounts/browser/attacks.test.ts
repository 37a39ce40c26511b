import { afterAll, expect, test } from "bun:test";
import { plugin, TestApp } from "../../setup.ts";
import { CookieJar, placeOf, SECURITY } from "./browser.ts";

const ROUTER = `
  .get("/", () => "page", { auth: true })
  .all("/orders", ({ user, request }) => ({ by: user.email, method: request.method }), { auth: true })
  .get("/stream", async function* () { yield "x"; }, { auth: true })`;
const app = await TestApp.start({ plugins: plugin("shop", ROUTER), config: { security: SECURITY } });
afterAll(() => app[Symbol.asyncDispose]());

const jar = new CookieJar(app);
await jar.register("ada@example.com", ["admin"]);
await jar.signIn("ada@example.com");

const BODIES: readonly (readonly [type: string, body: () => BodyInit])[] = [
  ["text/plain", () => '{"item":"x","a=":"b"}'],
  ["application/x-www-form-urlencoded", () => "item=x"],
  ["application/json", () => '{"item":"x"}'],
];

for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
  for (const [type, body] of BODIES) {
    for (const origin of ["null", "https://evil.example", "http://127.0.0.1", undefined]) {
      test(`${method} with ${type} and the origin ${origin ?? "of nobody"} does nothing by the cookie alone`, async () => {
        const headers = {
          "content-type": type,
          accept: "text/html",
          ...(origin !== undefined && { origin }),
        };
        const answer = await jar.fetch("/shop/orders", { method, headers, body: body() });
        expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([
          403,
          "cross_site_request",
        ]);
      });
    }
  }
}

test("a multipart form of another site does nothing", async () => {
  const body = new FormData();
  body.set("csrf_token", "x");
  const answer = await jar.fetch("/shop/orders", { method: "POST", body, headers: { origin: "null" } });
  expect(answer.status).toBe(403);
});

test("no header and no field makes another method of one that is let through", async () => {
  for (const name of ["x-http-method-override", "x-http-method", "x-method-override"]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const answer = await jar.fetch("/shop/orders?_method=DELETE", { headers: { [name]: "DELETE" } });
    // oxlint-disable-next-line no-await-in-loop
    expect(await answer.json()).toEqual({ by: "ada@example.com", method: "GET" });
  }
});

for (const [accept, status] of [
  ["text/html", 303],
  ["text/plain", 401],
  ["application/json", 401],
] as const) {
  test(`a ticket opens nothing that is asked for as ${accept}, nor from a Referer`, async () => {
    const { ticket } = (await (await jar.send("POST", "/auth/ticket", {})).json()) as { ticket: string };
    const asked = await app.fetch(`/shop/?ticket=${ticket}`, { headers: { accept }, redirect: "manual" });
    const referred = await app.fetch("/shop/stream", {
      headers: { accept: "text/event-stream", referer: `${app.url}/shop/?ticket=${ticket}` },
    });
    expect([asked.status, referred.status]).toEqual([status, 401]);
    // Nor is it used up by that.
    const stream = await app.fetch(`/shop/stream?ticket=${ticket}`, {
      headers: { accept: "text/event-stream" },
    });
    expect(stream.status).toBe(200);
    await stream.body?.cancel();
  });
}

const COOKIES = [
  "xs_",
  `xs_${"a".repeat(100_000)}`,
  "xs_00000000-0000-0000-0000-000000000000.zzzzzzzzz.AAAAAAAA.!!!",
  "xs_00000000-0000-0000-0000-000000000000.1.AAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
  "xc_0123456789.key",
  "xt_ticket",
  '"quoted"',
  "%00",
];
test.each(COOKIES)("nobody is known by the cookie %p", async (value) => {
  const answer = await app.fetch("/auth/me", {
    headers: { cookie: `xcore_session=${value.slice(0, 12_000)}` },
  });
  expect(answer.status).toBe(401);
});

const ELSEWHERE = [
  "http:/evil.example",
  "http:\\\\evil.example",
  "//evil.example:80/",
  "/\\/evil.example",
  "\\/evil.example",
  "/%5c/../..//evil.example",
  "//%65vil.example",
  "///",
  "////evil.example//",
  "/a/..//evil.example",
  "/;@evil.example/..//x",
  "data:text/html,x",
  "vbscript:x",
  "JaVaScRiPt:alert(1)",
  "%2f%2fevil.example",
  "?x",
  "#//evil.example",
  "/\u2028/evil.example",
  "/\u202e//x",
  "//user@evil.example",
  "/\r\nlocation: //evil.example",
  "//[::1]/",
  "/.//evil.example",
  "/..;//evil.example",
  "//evil.example\\@own.example",
  "view-source:x",
  "/auth/login?next=//evil.example",
  "/auth/logout",
  "/AUTH/../auth/login",
  `/${"a".repeat(5000)}`,
];
test.each(ELSEWHERE)("nobody is led from the login to %p", async (next) => {
  const answer = await jar.get(`/auth/login?next=${encodeURIComponent(next)}`);
  if (answer.status === 422) return; // too long
  const { pathname, origin } = new URL(placeOf(answer, "/auth/login"), "http://own.example");
  expect([answer.status, origin, pathname.startsWith("//"), pathname]).toEqual([
    303,
    "http://own.example",
    false,
    expect.not.stringMatching(/^\/auth\/log/),
  ]);
});
