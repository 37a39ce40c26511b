import { inArray, ne, type SQL, sql } from "drizzle-orm";
import pino from "pino";
import { createAccessTokens } from "../../../src/accounts/identity/access-tokens.ts";
import { createSecretKey } from "../../../src/accounts/keys/secret.ts";
import { type CoreStore, openCoreStore } from "../../../src/accounts/people/store.ts";
import { insertAccount } from "../../../src/accounts/people/users.ts";
import { parseDatabaseUrl } from "../../../src/db/contract/database-url.ts";
import type { Driver } from "../../../src/db/contract/driver.ts";
import { openDatabase } from "../../../src/db/open.ts";
import type { NewTestUser } from "../../../src/sdk/testing.ts";
import { TestUsers } from "../../../src/testing/users.ts";
import { XcoreServer } from "../../cli/xcore-process.ts";
import { findProgram } from "../../database-programs.ts";
import { createTestDatabase, testWithServer } from "../../database-servers.ts";
import { PrivateServer } from "../../faults/private-server.ts";
import { testUnlessMissing } from "../../programs.ts";
import { type Files, TestFolder } from "../../setup.ts";
import { startNginx } from "./nginx.ts";
import { SHOP } from "./shop-plugin.ts";

export const PASSWORD = "correct horse battery staple";

const SECRET = "one secret for all of the instances of these tests";
const COUNT = 3;
const LOOK_MS = 20;
const TIMEOUT_MS = 240_000;

/** Headers of somebody who is logged in. */
export type Credentials = { readonly authorization: string };

/** One of the instances: a folder and a port of its own, whichever process runs there. */
export class Instance implements AsyncDisposable {
  server: XcoreServer;
  readonly folder: TestFolder;
  readonly #env: Readonly<Record<string, string>>;
  readonly #port: string;

  private constructor(server: XcoreServer, folder: TestFolder, env: Readonly<Record<string, string>>) {
    this.server = server;
    this.folder = folder;
    this.#env = env;
    this.#port = new URL(server.url).port;
  }

  static async start(folder: TestFolder, env: Readonly<Record<string, string>>): Promise<Instance> {
    return new Instance(await XcoreServer.start(folder, { env }), folder, env);
  }

  fetch(path: string, init?: RequestInit): Promise<Response> {
    return this.server.fetch(path, init);
  }

  /** Ends it without a warning; resolves once its process is gone, with its id. */
  async kill(): Promise<number> {
    const { server } = this;
    server.kill("SIGKILL");
    await server.exited;
    return server.pid;
  }

  /** Asks it to end; resolves with its exit code. */
  stop(): Promise<number> {
    this.server.kill("SIGTERM");
    return this.server.exited;
  }

  /** Runs it again, at the same address. */
  async restart(): Promise<void> {
    const args = ["serve", "--port", this.#port];
    this.server = await XcoreServer.start(this.folder, { args, env: this.#env });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.server[Symbol.asyncDispose]();
  }
}

/** Three instances, each a process, on one PostgreSQL and one Redis, behind one nginx. */
export class ThreeInstances implements AsyncDisposable {
  readonly redis: PrivateServer;
  readonly nginx: PrivateServer;
  readonly instances: readonly Instance[];
  readonly driver: Driver;
  readonly store: CoreStore;
  readonly users: TestUsers;
  readonly #disposals: AsyncDisposableStack;
  #made = 0;

  private constructor(
    parts: Pick<ThreeInstances, "redis" | "nginx" | "instances" | "driver">,
    disposals: AsyncDisposableStack,
  ) {
    this.redis = parts.redis;
    this.nginx = parts.nginx;
    this.instances = parts.instances;
    this.driver = parts.driver;
    this.store = openCoreStore(parts.driver);
    const accessTokens = createAccessTokens({ secretKey: createSecretKey(SECRET), lifetime: 1800 });
    this.users = new TestUsers({ store: this.store, accessTokens });
    this.#disposals = disposals;
  }

  /** @param filesOf the project of each instance, by number; the plugin "shop" by default */
  static async start(filesOf: (index: number) => Files = () => SHOP): Promise<ThreeInstances> {
    await using disposals = new AsyncDisposableStack();
    const database = disposals.use(await createTestDatabase("postgres"));
    const redis = disposals.use(await PrivateServer.start("redis"));
    const env = {
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      JWT_SECRET_KEY: SECRET,
      XCORE_SERVER__TRUSTED_PROXIES: '["127.0.0.1"]',
      XCORE_SERVER__SHUTDOWN_TIMEOUT: "6",
    };
    const instances: Instance[] = [];
    for (let n = 0; n < COUNT; n += 1) {
      /* oxlint-disable no-await-in-loop -- the first makes the tables */
      const folder = disposals.use(await TestFolder.create(filesOf(n)));
      instances.push(disposals.use(await Instance.start(folder, env)));
      /* oxlint-enable no-await-in-loop */
    }
    const driver = await openDatabase({
      url: parseDatabaseUrl(database.url, database.folder.path),
      poolSize: 2,
      echo: false,
      log: pino({ level: "silent" }),
    });
    disposals.defer(() => driver.close());
    const nginx = disposals.use(await startNginx(instances.map(({ server }) => server.url)));
    return new ThreeInstances({ redis, nginx, instances, driver }, disposals.move());
  }

  get first(): Instance {
    return this.instances[0] as Instance;
  }

  /** The status that each of the instances answers somebody with. */
  askAll(headers: Credentials): Promise<number[]> {
    return Promise.all(
      this.instances.map(async (instance) => (await instance.fetch("/shop/", { headers })).status),
    );
  }

  /** Emits an event on all instances. */
  async tell(name: string): Promise<void> {
    const headers = await this.credentials();
    const { ok, status } = await this.fetch(`/shop/told/${name}`, { method: "POST", headers });
    if (!ok) throw new Error(`POST /shop/told/${name} was answered with ${status}`);
  }

  /** Asks any of the instances, by nginx. */
  fetch(path: string, init?: RequestInit): Promise<Response> {
    return fetch(this.nginx.url + path, init);
  }

  /** Headers of a session of a new account. */
  async credentials(user: NewTestUser = {}): Promise<Credentials> {
    const { token } = await this.users.create(user);
    return { authorization: `Bearer ${token}` };
  }

  /** An account that logs in with PASSWORD; returns its email. */
  async createAccount(): Promise<string> {
    const email = `person-${++this.#made}@example.com`;
    const hash = await Bun.password.hash(PASSWORD, { algorithm: "bcrypt", cost: 4 });
    const { db, tables } = this.store;
    await insertAccount(db, tables, { email, fullName: null, password: { hash, isLong: true } });
    return email;
  }

  /** Logs in by nginx. */
  async logIn(email: string): Promise<Response> {
    const body = JSON.stringify({ email, password: PASSWORD });
    return this.fetch("/auth/login", {
      method: "POST",
      body,
      headers: { "content-type": "application/json" },
    });
  }

  /** Resolves once the database says so. */
  async until(isTrue: () => Promise<boolean>): Promise<void> {
    // oxlint-disable-next-line no-await-in-loop -- one look after another
    while (!(await isTrue())) await Bun.sleep(LOOK_MS);
  }

  /** Resolves once there are no jobs left to be done. @throws Error where one has failed for good */
  async untilDone(): Promise<void> {
    const { jobs } = this.store.tables;
    const { db } = this.store;
    await this.until(async () => {
      const failed = inArray(jobs.state, ["dead", "cancelled", "incompatible"]);
      const [job] = await db.select().from(jobs).where(failed).limit(1);
      if (job !== undefined) throw new Error(`A job "${job.name}" is ${job.state}: ${job.error}`);
      return (await db.$count(jobs, ne(jobs.state, "completed"))) === 0;
    });
  }

  /** Which processes have run each job, in the order in which they began. */
  async readRuns(): Promise<Map<string, number[]>> {
    const rows = await this.#read<{ job: string; pid: number }>(
      sql`select job, pid from shop_runs order by id`,
    );
    return toLists(rows.map(({ job, pid }) => [job, pid]));
  }

  /** Which processes have heard of what, in this order. */
  async readHeard(): Promise<Map<string, number[]>> {
    const rows = await this.#read<{ what: string; pid: number }>(
      sql`select what, pid from shop_heard order by id`,
    );
    return toLists(rows.map(({ what, pid }) => [what, pid]));
  }

  /** The notes of all orders that were made. */
  async readNotes(): Promise<string[]> {
    const rows = await this.#read<{ note: string }>(sql`select note from shop_orders`);
    return rows.map(({ note }) => note);
  }

  #read<Row>(statement: SQL): Promise<Row[]> {
    return this.store.db.execute(statement) as Promise<unknown> as Promise<Row[]>;
  }

  /** Does something and waits until the logs of all instances have said so since. */
  async say(pattern: RegExp, act: () => unknown): Promise<void> {
    const { promise: acted, resolve } = Promise.withResolvers<void>();
    const said = this.instances.map(({ server }) => server.after(() => acted, pattern));
    await act();
    resolve();
    await Promise.all(said);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#disposals.disposeAsync();
  }
}

function toLists(pairs: readonly (readonly [string, number])[]): Map<string, number[]> {
  const lists = Map.groupBy(pairs, ([name]) => name);
  return new Map([...lists].map(([name, list]) => [name, list.map(([, pid]) => pid)]));
}

/** Declares a test that is given three instances, with the plugin "shop" or a project by number. */
export function testBehindNginx(
  name: string,
  run: (cluster: ThreeInstances) => Promise<void>,
  filesOf?: (index: number) => Files,
): void {
  const missing = ["nginx", "redis-server"].find((program) => findProgram(program) === null);
  const start = async (): Promise<void> => {
    await using cluster = await ThreeInstances.start(filesOf);
    await run(cluster);
  };
  if (missing === undefined) testWithServer("postgres", name, TIMEOUT_MS, start);
  else testUnlessMissing(missing, name, start, TIMEOUT_MS);
}
