import { expect } from "bun:test";
import pino from "pino";
import { createAccessTokens } from "../../src/accounts/identity/access-tokens.ts";
import { createSecretKey } from "../../src/accounts/keys/secret.ts";
import { openCoreStore } from "../../src/accounts/people/store.ts";
import { parseDatabaseUrl } from "../../src/db/contract/database-url.ts";
import { openDatabase } from "../../src/db/open.ts";
import { type KnownTestUser, TestUsers } from "../../src/testing/users.ts";
import { XcoreServer } from "../cli/xcore-process.ts";
import { createTestDatabase, testWithServer } from "../database-servers.ts";
import { PrivateServer } from "../faults/private-server.ts";
import { TestFolder } from "../setup.ts";

const SECRET = "one secret for the two instances of these tests";
/** When what is open is first looked at, without word of the other instance. */
const LOOK_MS = 400;
const ROUNDS = 20;

const PLUGIN = {
  "plugins/x/plugin.json": { name: "x", version: "1.0.0" },
  "plugins/x/run.ts": `import { createRouter } from "xcore";
import { sse } from "elysia";
export default createRouter()
  .get("/", () => "ok", { auth: true })
  .get("/events", async function* () { yield sse("hello"); await new Promise(() => {}); }, { auth: true });
`,
};

/** Two instances, each a process, on one PostgreSQL and one Redis, and a user for each session that is to end. */
class Cluster implements AsyncDisposable {
  readonly redis: PrivateServer;
  readonly instances: readonly XcoreServer[];
  readonly #users: TestUsers;
  readonly #disposals: AsyncDisposableStack;

  private constructor(
    redis: PrivateServer,
    instances: readonly XcoreServer[],
    users: TestUsers,
    disposals: AsyncDisposableStack,
  ) {
    this.redis = redis;
    this.instances = instances;
    this.#users = users;
    this.#disposals = disposals;
  }

  static async start(): Promise<Cluster> {
    await using disposals = new AsyncDisposableStack();
    const database = disposals.use(await createTestDatabase("postgres"));
    const redis = disposals.use(await PrivateServer.start("redis"));
    const env = { DATABASE_URL: database.url, REDIS_URL: redis.url, JWT_SECRET_KEY: SECRET };
    const instances: XcoreServer[] = [];
    for (let n = 0; n < 2; n += 1) {
      // oxlint-disable-next-line no-await-in-loop -- the first makes the tables
      const folder = disposals.use(await TestFolder.create(PLUGIN));
      // oxlint-disable-next-line no-await-in-loop
      instances.push(disposals.use(await XcoreServer.start(folder, { env })));
    }
    const driver = await openDatabase({
      url: parseDatabaseUrl(database.url, database.folder.path),
      poolSize: 2,
      echo: false,
      log: pino({ level: "silent" }),
    });
    disposals.defer(() => driver.close());
    const accessTokens = createAccessTokens({ secretKey: createSecretKey(SECRET), lifetime: 1800 });
    const users = new TestUsers({ store: openCoreStore(driver), accessTokens });
    return new Cluster(redis, instances, users, disposals.move());
  }

  get first(): XcoreServer {
    return this.instances[0] as XcoreServer;
  }

  get second(): XcoreServer {
    return this.instances[1] as XcoreServer;
  }

  user(): Promise<KnownTestUser> {
    return this.#users.create({});
  }

  /** A session that both know ends at the first: returns for how long a stream of the second was open, in ms. */
  async endSession(): Promise<number> {
    const { headers } = await this.user();
    const known = await Promise.all(this.instances.map((instance) => instance.fetch("/x", { headers })));
    const startedAt = performance.now();
    const stream = await this.second.fetch("/x/events", { headers });
    const reader = (stream.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    const answer = await this.first.fetch("/auth/logout", { method: "POST", headers });
    const refused = await this.second.fetch("/x", { headers });
    expect([...known, answer, refused].map(({ status }) => status)).toEqual([200, 200, answer.status, 401]);
    expect(answer.ok).toBe(true);
    // oxlint-disable-next-line no-await-in-loop
    while (!(await reader.read().catch(() => ({ done: true }))).done);
    return performance.now() - startedAt;
  }

  /** Whether the first tells the second of ends of sessions: a busy machine may let some of them come after a look. */
  async isToldAtOnce(): Promise<boolean> {
    for (let round = 0; round < ROUNDS; round += 1) {
      // oxlint-disable-next-line no-await-in-loop
      if ((await this.endSession()) < LOOK_MS) return true;
    }
    return false;
  }

  /** Does something and waits until the logs of all instances have said so since. */
  async say(pattern: RegExp, act: () => unknown): Promise<void> {
    const { promise: acted, resolve } = Promise.withResolvers<void>();
    const said = this.instances.map((instance) => instance.after(() => acted, pattern));
    await act();
    resolve();
    await Promise.all(said);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#disposals.disposeAsync();
  }
}

/** Asks all instances all the time, until it is told to end: returns the answers that weren't 200. */
function ask(cluster: Cluster, { headers }: KnownTestUser): () => Promise<number[]> {
  const wrong: number[] = [];
  let isOver = false;
  const clients = cluster.instances.map(async (instance) => {
    while (!isOver) {
      // oxlint-disable-next-line no-await-in-loop -- one request after another
      const { status } = await instance.fetch("/x", { headers });
      if (status !== 200) wrong.push(status);
    }
  });
  return async () => {
    isOver = true;
    await Promise.all(clients);
    return wrong;
  };
}

testWithServer(
  "postgres",
  "a session that ends is refused on every instance at once, also while Redis is frozen or stopped",
  120_000,
  async () => {
    await using cluster = await Cluster.start();
    const { redis } = cluster;
    const finish = ask(cluster, await cluster.user());
    expect(await cluster.isToldAtOnce()).toBe(true);

    await cluster.say(/Redis is away/, () => redis.freeze());
    // The database is asked all the same: by each request, and for streams twice a second.
    expect(await cluster.endSession()).toBeGreaterThanOrEqual(LOOK_MS);
    await cluster.say(/Redis is back/, () => redis.thaw());
    expect(await cluster.isToldAtOnce()).toBe(true);

    await cluster.say(/Redis is away/, () => redis.kill());
    await cluster.endSession();
    await cluster.say(/Redis is back/, () => redis.restart());
    expect(await cluster.isToldAtOnce()).toBe(true);
    expect(await finish()).toEqual([]);
  },
);
