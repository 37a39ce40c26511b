import { expect, test } from "bun:test";
import { RateLimits } from "../../../src/web/throttling/rate-limits.ts";
import { plugin, TestApp } from "../../setup.ts";

const ROUTER = `
  .get("/", () => ({ open: true }))
  .post("/", ({ body }) => body)
  .get("/mine", ({ user }) => user.email, { auth: true })
  .get("/maybe", ({ user }) => user?.email ?? "nobody", { optionalAuth: true })
  .get("/own", () => "own", { rateLimit: { max: 2, window: 60 } })
  .get("/own/:id", () => "own", { rateLimit: { max: 1, window: 60 } })
  .post("/own", ({ user }) => user.email, { rateLimit: { max: 1, window: 3600 }, auth: true })
  .guard({ rateLimit: { max: 3, window: 60 } }, (app) => app
    .get("/grouped", () => "grouped")
    .get("/grouped/less", () => "less", { rateLimit: { max: 1, window: 60 } })
    .get("/grouped/more", () => "more", { rateLimit: { max: 9, window: 60 } }))`;

interface Limits {
  readonly enabled?: boolean;
  readonly anonymous?: number;
  readonly authenticated?: number;
}

function start({ enabled = true, anonymous = 5, authenticated = 1000 }: Limits = {}, more = {}) {
  const rate_limit = {
    enabled,
    anonymous_per_minute: anonymous,
    authenticated_per_minute: authenticated,
  };
  const files = { "x/public/logo.svg": "<svg/>" };
  return TestApp.start({
    plugins: { ...plugin("x", ROUTER), ...files },
    config: { server: { rate_limit, ...more } },
  });
}

type Init = RequestInit & { readonly path?: string };

/** Statuses of as many requests, one after the other. */
async function statuses(app: TestApp, count: number, { path = "/x", ...init }: Init = {}): Promise<number[]> {
  const found: number[] = [];
  for (let index = 0; index < count; index += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const response = await app.fetch(path, init);
    await response.body?.cancel();
    found.push(response.status);
  }
  return found;
}

const by = (address: string) => ({ headers: { "x-forwarded-for": address } });

const fields = ({ headers }: Response) => [
  headers.get("ratelimit"),
  headers.get("ratelimit-policy"),
  headers.get("retry-after"),
];

test("an address that has used its quota is answered 429, and told when to come back", async () => {
  await using app = await start();
  expect(await statuses(app, 5)).toEqual([200, 200, 200, 200, 200]);
  const response = await app.fetch("/x");
  expect(fields(response)).toEqual([
    expect.stringMatching(/^"default";r=0;t=(60|59)$/),
    '"default";q=5;w=60',
    expect.stringMatching(/^(60|59)$/),
  ]);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  expect(await response.json()).toMatchObject({
    status: 429,
    code: "rate_limited",
    title: "Too Many Requests",
    detail: expect.stringMatching(/^Too many requests: try again in (60|59) seconds$/),
    instance: "/x",
  });
  // Whatever it asks for, errors among it.
  expect(await statuses(app, 1, { path: "/nothing" })).toEqual([429]);
  expect(await statuses(app, 1, { path: "/openapi.json" })).toEqual([429]);
  expect(await statuses(app, 1, { method: "POST", body: "a" })).toEqual([429]);
});

test("a client is told of its quota from the half of it on, and of the quota of a route always", async () => {
  await using app = await start({ anonymous: 6 });
  const told = [];
  for (let index = 0; index < 5; index += 1) told.push(fields(await app.fetch("/x")));
  const policy = '"default";q=6;w=60';
  const of = (left: number) => [
    expect.stringMatching(new RegExp(`^"default";r=${left};t=(60|59)$`)),
    policy,
    null,
  ];
  expect(told).toEqual([[null, null, null], [null, null, null], [null, null, null], of(2), of(1)]);
  const own = await app.fetch("/x/own");
  expect(fields(own)).toEqual(['"route";r=1;t=60', '"route";q=2;w=60', null]);
});

test("errors of a handler say what is left too, and scripts of other origins may read it", async () => {
  await using app = await start({ anonymous: 3 }, { cors: { allow_origins: ["https://a.example"] } });
  const ask = () => app.fetch("/nothing", { headers: { origin: "https://a.example" } });
  await ask();
  const response = await ask();
  expect([response.status, response.headers.get("ratelimit")]).toEqual([
    404,
    expect.stringMatching(/^"default";r=1;t=/),
  ]);
  expect(response.headers.get("access-control-expose-headers")).toBe(
    "x-request-id, ratelimit, ratelimit-policy",
  );
});

test("requests of a user count against the user, from whatever session, key or address", async () => {
  await using app = await start({ anonymous: 3, authenticated: 8 });
  const { headers } = await app.createUser("a@example.com");
  expect(await statuses(app, 4, { path: "/x/mine", headers })).toEqual([200, 200, 200, 200]);
  const again = await app.createUser("b@example.com");
  expect(await statuses(app, 2, { path: "/x/maybe", headers })).toEqual([200, 200]);
  expect(await statuses(app, 2, { path: "/x/mine", headers: again.headers })).toEqual([200, 200]);
  // The address has used nothing yet but the first request of each token, which had to be verified.
  expect(await statuses(app, 1)).toEqual([200]);
  expect(await statuses(app, 3, { path: "/x/mine", headers })).toEqual([200, 200, 429]);
  expect(await statuses(app, 1, { path: "/x/mine", headers: again.headers })).toEqual([200]);
});

test("a user goes on where the address has used its quota, also at routes that don't ask who it is", async () => {
  await using app = await start({ anonymous: 2, authenticated: 6 });
  const { headers } = await app.createUser("a@example.com");
  expect(await statuses(app, 3)).toEqual([200, 200, 429]);
  expect(await statuses(app, 3, { headers })).toEqual([200, 200, 200]);
  expect(await statuses(app, 4, { path: "/x/mine", headers })).toEqual([200, 200, 200, 429]);
  expect(await statuses(app, 1)).toEqual([429]);
});

test("an address that has used its quota may try only so many tokens and keys", async () => {
  await using app = await start({ anonymous: 2 });
  const { headers } = await app.createUser("a@example.com");
  expect(await statuses(app, 3)).toEqual([200, 200, 429]);
  expect(await statuses(app, 2, { headers })).toEqual([200, 200]);
  const wrong = { headers: { authorization: "Bearer xc_nothing" } };
  expect(await statuses(app, 3, wrong)).toEqual([429, 429, 429]);
  const log = await app.log("app");
  expect(log).not.toContain("request failed");
});

test("a route's own limit takes the place of the server's, for each route and client", async () => {
  await using app = await start({ anonymous: 4 });
  const [a, b] = [await app.createUser("a@example.com"), await app.createUser("b@example.com")];
  const path = "/x/own";
  expect(await statuses(app, 3, { path })).toEqual([200, 200, 429]);
  expect(await statuses(app, 3, { path, headers: a.headers })).toEqual([200, 200, 429]);
  // What stands in a path makes no other route of it.
  expect(await statuses(app, 1, { path: "/x/own/1" })).toEqual([200]);
  expect(await statuses(app, 1, { path: "/x/own/2" })).toEqual([429]);
  expect(await statuses(app, 2, { path, method: "POST", headers: b.headers })).toEqual([200, 429]);
  // Of several, the strictest counts.
  expect(await statuses(app, 4, { path: "/x/grouped" })).toEqual([200, 200, 200, 429]);
  expect(await statuses(app, 2, { path: "/x/grouped/less" })).toEqual([200, 429]);
  expect(await statuses(app, 4, { path: "/x/grouped/more" })).toEqual([200, 200, 200, 429]);
  const refused = await app.fetch(path, { method: "POST", headers: b.headers });
  expect([refused.headers.get("ratelimit-policy"), refused.status]).toEqual(['"route";q=1;w=3600', 429]);
});

test("a route's own limit may be larger than the server's", async () => {
  await using app = await start({ anonymous: 1 });
  expect(await statuses(app, 2)).toEqual([200, 429]);
  expect(await statuses(app, 4, { path: "/x/grouped" })).toEqual([200, 200, 200, 429]);
});

test("health, and files of plugins and of the API documentation aren't limited", async () => {
  await using app = await start({ anonymous: 1 });
  expect(await statuses(app, 2)).toEqual([200, 429]);
  for (const path of ["/health", "/x/static/logo.svg", "/docs/swagger-ui.css", "/docs/guide/logs"]) {
    expect([path, await statuses(app, 1, { path })]).toEqual([path, [200]]);
  }
  // To search is work.
  expect(await statuses(app, 1, { path: "/docs/guide/search?q=a" })).toEqual([429]);
});

test("clients behind a trusted proxy have a quota each, by networks of 64 bits; nobody else is believed", async () => {
  await using app = await start({ anonymous: 1 }, { trusted_proxies: ["127.0.0.1"] });
  expect(await statuses(app, 2, by("192.0.2.1"))).toEqual([200, 429]);
  expect(await statuses(app, 1, by("192.0.2.2"))).toEqual([200]);
  expect(await statuses(app, 1, by("2001:db8::1"))).toEqual([200]);
  expect(await statuses(app, 1, by("2001:db8:0:0:ffff::1"))).toEqual([429]);
  expect(await statuses(app, 1, by("2001:db8:0:1::1"))).toEqual([200]);
});

test("the log says once that a proxy isn't named, whose clients share one limit", async () => {
  await using app = await start({ anonymous: 1 });
  const headers = { "x-forwarded-for": "192.0.2.1" };
  expect(await statuses(app, 3, { headers })).toEqual([200, 429, 429]);
  const lines = (await app.log("app")).split("\n").filter((line) => line.includes("server.trusted_proxies"));
  expect(lines).toHaveLength(1);
});

test("nothing is limited without it, and a change of config.json applies at once", async () => {
  await using app = await start({ anonymous: 1, enabled: false });
  expect(await statuses(app, 3)).toEqual([200, 200, 200]);
  expect(await statuses(app, 3, { path: "/x/own" })).toEqual([200, 200, 200]);

  const flags = { logging: { console: false } };
  const { loadConfig } = await import("../../../src/config/load.ts");
  await app.folder.write({ "config.json": { server: { rate_limit: { anonymous_per_minute: 2 } } } });
  await app.app.configure(loadConfig({ cwd: app.folder.path, env: {}, flags }));
  expect(await statuses(app, 3)).toEqual([200, 200, 429]);
});

test("a route's limit is checked when the plugin is loaded, and shown in the API documentation", async () => {
  await using app = await start();
  const { paths } = (await app.get("/openapi.json")).body;
  expect(paths["/x/own"].get.responses["429"]).toMatchObject({
    description: "Too many requests: a client may make 2 requests within 60 seconds",
    content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
    headers: { "Retry-After": { schema: { type: "integer" } } },
  });
  expect(paths["/x/grouped/less"].get.responses["429"].description).toContain("1 request within");
  expect(paths["/x/"].get.responses["429"]).toBeUndefined();

  const wrong = [
    "{ max: 0, window: 60 }",
    "{ max: 1.5, window: 1 }",
    "{ max: 1, window: 1e9 }",
    "{ max: 1 }",
    "5",
    "null",
    "{ max: 1n, window: 60 }",
    "{ max: 1, window: 60n }",
  ];
  for (const [index, limit] of wrong.entries()) {
    const name = `wrong${index}`;
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await app.after(
      "plugin.failed",
      () => app.writePlugins(plugin(name, `.get("/", () => 1, { rateLimit: ${limit} })`)),
      ({ data }) => data.name === name && data.message.includes("expected { max, window }"),
    );
  }
});

const NEVER = { enabled: true, anonymous_per_minute: 300, authenticated_per_minute: 3000 };

test("on a busy server a part of the addresses is looked at, until one has used half of its quota", () => {
  let now = 0;
  let asked = 0;
  let seed = 1;
  const random = () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
  const limits = new RateLimits(NEVER, () => now, random);
  const ask = (address: string): boolean => {
    if (!limits.isDue()) return true;
    asked += 1;
    return limits.countAddress(new Request("http://localhost/"), address, now) === null;
  };
  // 5,000 clients with 20 requests a minute each.
  for (let index = 0; index < 100_000; index += 1) {
    now += 0.6;
    expect(ask(`10.0.0.${index % 5000}`)).toBe(true);
  }
  expect(asked).toBeLessThan(25_000);
  // One of them asks for all that it gets, among the others.
  let given = 0;
  for (let index = 0; index < 10_000; index += 1) {
    now += 0.6;
    if (index % 2 === 0) ask(`10.0.1.${index % 5000}`);
    else if (ask("192.0.2.1")) given += 1;
  }
  expect(given).toBeGreaterThan(240);
  expect(given).toBeLessThan(360);
});

test("a million addresses take a bounded amount of memory", () => {
  const limits = new RateLimits(NEVER, () => 0);
  const request = new Request("http://localhost/");
  for (let index = 0; index < 1_000_000; index += 1) {
    if (limits.isDue()) limits.countAddress(request, `2001:db8:${index}::/64`, index / 100);
  }
  expect(limits.size).toBeLessThanOrEqual(50_000);
});
