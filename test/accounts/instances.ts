import { setImmediate } from "node:timers/promises";
import { createAccessTokens } from "../../src/accounts/identity/access-tokens.ts";
import { ApiKeys } from "../../src/accounts/api-keys/api-keys.ts";
import { Authenticator, type LoadAccess } from "../../src/accounts/authenticator.ts";
import { type CoreStore, openCoreStore } from "../../src/accounts/people/store.ts";
import type { Principal } from "../../src/accounts/identity/principal.ts";
import { Principals } from "../../src/accounts/identity/principals.ts";
import { createSecretKey, type SecretKey } from "../../src/accounts/keys/secret.ts";
import { parseDatabaseUrl } from "../../src/db/contract/database-url.ts";
import type { Driver } from "../../src/db/contract/driver.ts";
import { openDatabase } from "../../src/db/open.ts";
import { AppError } from "../../src/errors/errors.ts";
import { createAccessLoader } from "../../src/accounts/rights/access.ts";
import { restrictPermissions } from "../../src/accounts/rights/permission-set.ts";
import type { DialectTest } from "../database-servers.ts";
import { type Clock, silent } from "./factor-accounts.ts";

const SECRET = createSecretKey("one secret for all instances of these tests");

/** What one server of several asks who somebody is with: caches of its own, on the database of all. */
export class Instance {
  readonly authenticator: Authenticator;
  readonly principals = new Principals();
  readonly tokens;
  readonly apiKeys: ApiKeys;
  /** How often somebody was looked up in the database. */
  loads = 0;
  /** Runs after somebody has been read, before the answer is used. */
  afterLoad: () => Promise<void> = () => Promise.resolve();

  constructor(store: CoreStore, driver: Driver, { now }: Clock, maxEntries?: number) {
    const load = createAccessLoader(store);
    const loadAccess: LoadAccess = async (userId) => {
      this.loads += 1;
      const access = await load(userId);
      await this.afterLoad();
      return access;
    };
    this.tokens = createTokens(SECRET, now);
    this.apiKeys = new ApiKeys({ store, log: silent, now });
    this.authenticator = new Authenticator({
      store,
      driver,
      tokens: this.tokens,
      apiKeys: this.apiKeys,
      loadAccess,
      restrict: restrictPermissions,
      principals: this.principals,
      now,
      ...(maxEntries === undefined ? {} : { maxEntries }),
    });
  }

  /** Who is behind a request with these headers, or the code of why nobody is. */
  async ask(headers: Record<string, string>): Promise<Principal | string> {
    return (await this.askFor(headers)).found;
  }

  /** Who is behind it, and whether that was known without waiting. */
  async askFor(
    headers: Record<string, string>,
  ): Promise<{ found: Principal | string; isWaitedFor: boolean }> {
    await setImmediate(); // comes from outside, as all requests do
    const request = new Request("http://localhost/", { headers });
    const work = this.authenticator.authenticate(request);
    await work;
    try {
      return { found: this.principals.require(request), isWaitedFor: work !== null };
    } catch (error) {
      return { found: error instanceof AppError ? error.code : String(error), isWaitedFor: work !== null };
    }
  }
}

export function createTokens(secretKey: SecretKey, now: () => number) {
  return createAccessTokens({ secretKey, lifetime: 1800, now });
}

/** Does something with a second instance on the same database. */
export async function withOther(
  { url, folder }: DialectTest,
  clock: Clock,
  work: (instance: Instance, store: CoreStore) => Promise<void>,
): Promise<void> {
  const driver = await openDatabase({
    url: parseDatabaseUrl(url, folder.path),
    poolSize: 5,
    echo: false,
    log: silent,
  });
  try {
    const store = openCoreStore(driver);
    await work(new Instance(store, driver, clock), store);
  } finally {
    await driver.close();
  }
}
