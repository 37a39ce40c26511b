import { expect } from "bun:test";
import { XcoreServer } from "../cli/xcore-process.ts";
import { PrivateServer } from "../faults/private-server.ts";
import { testWithProgram } from "../programs.ts";
import { plugin, TestApp, TestFolder } from "../setup.ts";

const test = (name: string, run: () => Promise<void>): void =>
  testWithProgram("redis-server", name, run, 120_000);

const SECRET = "one secret for all the instances of these tests";
const HOUR = 3600; // seconds
const MAX = 800;
const ROUTER = `
  .get("/", () => "ok")
  .get("/mine", ({ user }) => user.email, { auth: true })
  .get("/own", () => "own", { rateLimit: { max: ${MAX}, window: ${HOUR} } })`;

/** Several instances, and one Redis. */
class Cluster implements AsyncDisposable {
  readonly redis: PrivateServer;
  readonly apps: readonly TestApp[];
  readonly #disposals: AsyncDisposableStack;

  private constructor(redis: PrivateServer, apps: readonly TestApp[], disposals: AsyncDisposableStack) {
    this.redis = redis;
    this.apps = apps;
    this.#disposals = disposals;
  }

  static async start(count: number): Promise<Cluster> {
    await using disposals = new AsyncDisposableStack();
    const redis = disposals.use(await PrivateServer.start("redis"));
    const apps: TestApp[] = [];
    for (let n = 0; n < count; n += 1) {
      // oxlint-disable-next-line no-await-in-loop -- each needs a processor
      const app = await TestApp.start({
        plugins: plugin("x", ROUTER),
        config: {
          redis: { url: redis.url },
          security: { jwt_secret_key: SECRET, allow_registration: true, bcrypt_cost: 4 },
          server: {
            trusted_proxies: ["127.0.0.1"],
            rate_limit: { anonymous_per_minute: MAX, authenticated_per_minute: MAX },
          },
        },
      });
      apps.push(disposals.use(app));
    }
    return new Cluster(redis, apps, disposals.move());
  }

  app(n: number): TestApp {
    return this.apps[n] as TestApp;
  }

  /** The statuses of as many requests at the same time, each to another instance than the one before. */
  async spread(count: number, ask: (app: TestApp, n: number) => Promise<Response>): Promise<number[]> {
    const answers = Array.from({ length: count }, async (_, n) => {
      const response = await ask(this.app(n % this.apps.length), n);
      await response.body?.cancel();
      return response.status;
    });
    return Promise.all(answers);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#disposals.disposeAsync();
  }
}

const by = (address: string) => ({ "x-forwarded-for": address });

let addresses = 0;
/** One that nobody has used. */
const newAddress = (): string => `2001:db8:${(addresses += 1).toString(16)}::1`;

interface Used {
  readonly letIn: number;
  readonly refusal: Response;
}

/** Asks one instance until it refuses. */
async function useUp(app: TestApp, path: string, headers: Record<string, string>): Promise<Used> {
  for (let letIn = 0; ; letIn += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const response = await app.fetch(path, { headers });
    // oxlint-disable-next-line no-await-in-loop
    await response.body?.cancel();
    if (response.status === 429) return { letIn, refusal: response };
    expect(response.status).toBe(200);
  }
}

const post = (path: string, body: object, address: string) => (app: TestApp) =>
  app.fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", ...by(address) },
    body: JSON.stringify(body),
  });

const wrongLogin = (n: number) => ({ email: `nobody${n}@example.com`, password: "a wrong password" });

const count = (statuses: readonly number[], status: number): number =>
  statuses.filter((one) => one === status).length;

/** On a busy machine Redis may be late for some, which are let in by what their instance has counted. */
function expectLimit(
  statuses: readonly number[],
  { status, limit }: { readonly status: number; readonly limit: number },
): void {
  const letIn = count(statuses, status);
  expect(letIn + count(statuses, 429)).toBe(statuses.length);
  expect(letIn).toBeGreaterThanOrEqual(limit);
  expect(letIn).toBeLessThan(Math.min(limit + 8, statuses.length));
}

test("what one instance has let in counts on the others: by address, by user, and by route", async () => {
  await using cluster = await Cluster.start(3);
  const [first, second, third] = [cluster.app(0), cluster.app(1), cluster.app(2)];
  const users = await Promise.all(cluster.apps.map((app) => app.createUser("a@example.com")));
  const headersOf = (path: string, n: number): Record<string, string> =>
    path === "/x/mine" ? { ...users[n]?.headers } : by("192.0.2.1");
  for (const path of ["/x/own", "/x/mine", "/x"]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect((await useUp(first, path, headersOf(path, 0))).letIn).toBe(MAX);
    for (const [n, app] of [second, third].entries()) {
      // oxlint-disable-next-line no-await-in-loop
      const { letIn, refusal } = await useUp(app, path, headersOf(path, n + 1));
      // It learns of them with the first thirty-second of its own.
      expect([path, letIn < MAX]).toEqual([path, true]);
      const retryAfter = Number(refusal.headers.get("retry-after"));
      const window = path === "/x/own" ? HOUR : 60;
      expect(retryAfter).toBeGreaterThan(window / 2);
      expect(retryAfter).toBeLessThanOrEqual(window * 1.5);
      expect(refusal.headers.get("ratelimit")).toContain(`;r=0;t=${retryAfter}`);
    }
  }
  // Somebody else isn't concerned.
  expect((await first.fetch("/x", { headers: by("192.0.2.2") })).status).toBe(200);
});

test("while Redis is frozen or away each instance counts for itself, and together again afterwards", async () => {
  await using cluster = await Cluster.start(2);
  const { redis } = cluster;
  const [first, second] = [cluster.app(0), cluster.app(1)];
  const untilShared = async (): Promise<void> => {
    for (;;) {
      const headers = by(newAddress());
      // oxlint-disable-next-line no-await-in-loop -- until they know of each other
      await useUp(first, "/x/own", headers);
      // oxlint-disable-next-line no-await-in-loop
      if ((await useUp(second, "/x/own", headers)).letIn < MAX) return;
    }
  };
  await untilShared();
  for (const [away, back] of [
    [() => redis.freeze(), () => redis.thaw()],
    [() => redis.kill(), () => redis.restart()],
  ] as const) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    await away();
    const headers = by(newAddress());
    for (const app of cluster.apps) {
      // oxlint-disable-next-line no-await-in-loop
      expect((await useUp(app, "/x/own", headers)).letIn).toBe(MAX);
    }
    const address = newAddress();
    // oxlint-disable-next-line no-await-in-loop
    const logins = await cluster.spread(
      70,
      post("/auth/login/otp", { otp_token: "a", code: "123456" }, address),
    );
    expect([count(logins, 401), count(logins, 429)]).toEqual([60, 10]);
    // oxlint-disable-next-line no-await-in-loop
    await back();
    // oxlint-disable-next-line no-await-in-loop
    await untilShared();
  }
});

test("attempts of an address at logins, codes and registrations are limited over all instances", async () => {
  await using cluster = await Cluster.start(3);
  const address = newAddress();
  const logins = await cluster.spread(40, (app, n) => post("/auth/login", wrongLogin(n), address)(app));
  expectLimit(logins, { status: 401, limit: 30 });
  const codes = await cluster.spread(
    45,
    post("/auth/login/otp", { otp_token: "a", code: "123456" }, address),
  );
  expectLimit(codes, { status: 401, limit: 30 });
  const taken = { email: "wrong", password: "a long password of nobody" };
  const registrations = await cluster.spread(30, post("/auth/register", taken, address));
  expectLimit(registrations, { status: 422, limit: 20 });
  for (const app of cluster.apps) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const refused = await post("/auth/login", wrongLogin(99), address)(app);
    expect(refused.status).toBe(429);
    const retryAfter = Number(refused.headers.get("retry-after"));
    expect(retryAfter).toBeGreaterThan(0);
    expect(retryAfter).toBeLessThanOrEqual(60);
  }
  const other = await cluster.spread(3, (app, n) => post("/auth/login", wrongLogin(n), newAddress())(app));
  expect(other).toEqual([401, 401, 401]);
});

test("a login that succeeds counts on no instance", async () => {
  await using cluster = await Cluster.start(2);
  const account = { email: "ada@example.com", password: "a long password of Ada" };
  const address = newAddress();
  for (const app of cluster.apps) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect((await post("/auth/register", account, newAddress())(app)).status).toBe(201);
  }
  for (let round = 0; round < 40; round += 1) {
    // oxlint-disable-next-line no-await-in-loop
    const response = await post("/auth/login", account, address)(cluster.app(round % 2));
    expect(response.status).toBe(200);
  }
});

test("the workers of a server count together", async () => {
  await using redis = await PrivateServer.start("redis");
  await using folder = await TestFolder.create();
  await using server = await XcoreServer.start(folder, {
    args: ["serve", "--port", "0", "--workers", "2"],
    env: { REDIS_URL: redis.url, XCORE_SERVER__RATE_LIMIT__ANONYMOUS_PER_MINUTE: String(MAX) },
  });
  await server.waitFor(/"msg":"2 workers listen on /);
  let letIn = 0;
  for (let asked = 0; asked < 2 * MAX; asked += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after another, each by a connection of its own
    const response = await server.fetch("/", { keepalive: false, headers: { connection: "close" } });
    // oxlint-disable-next-line no-await-in-loop
    await response.body?.cancel();
    if (response.status !== 429) letIn += 1;
  }
  expect(letIn).toBeGreaterThanOrEqual(MAX);
  expect(letIn).toBeLessThan(1.5 * MAX);
});
