import type { Configuration } from "oidc-provider";
import type { ProviderSettings } from "../../../src/config/schema.ts";
import { TestApp } from "../../setup.ts";
import { CookieJar, SECURITY } from "../browser/browser.ts";
import { CLIENT_ID, CLIENT_SECRET, TestIssuer } from "./issuer.ts";

export type Settings = Readonly<Record<string, Partial<ProviderSettings>>>;

/** An app, a real issuer that it knows as `acme`, and browsers. */
export class World implements AsyncDisposable {
  readonly app: TestApp;
  readonly issuer: TestIssuer;
  readonly #disposals: AsyncDisposableStack;

  private constructor(app: TestApp, issuer: TestIssuer, disposals: AsyncDisposableStack) {
    this.app = app;
    this.issuer = issuer;
    this.#disposals = disposals;
  }

  static async start(
    acme: Partial<ProviderSettings> = {},
    { database, issuer: more }: { readonly database?: string; readonly issuer?: Partial<Configuration> } = {},
  ): Promise<World> {
    await using disposals = new AsyncDisposableStack();
    const config = { security: SECURITY, ...(database !== undefined && { database: { url: database } }) };
    const app = disposals.use(await TestApp.start({ config }));
    const issuer = disposals.use(await TestIssuer.start(`${app.url}/auth/providers/acme/callback`, more));
    const world = new World(app, issuer, disposals.move());
    await world.configure({ acme });
    return world;
  }

  /** Gives the app these providers; what isn't said is the issuer's. */
  async configure(providers: Settings, redirect_uris: readonly string[] = []): Promise<void> {
    const common = { issuer: this.issuer.url, client_id: CLIENT_ID, client_secret: CLIENT_SECRET };
    const entries = Object.entries(providers).map(([id, settings]) => [id, { ...common, ...settings }]);
    await this.app.folder.write({
      "config.json": { auth: { redirect_uris, providers: Object.fromEntries(entries) } },
    });
    await this.app.reloadConfig();
  }

  browser(): CookieJar {
    return new CookieJar(this.app);
  }

  /** Sends a browser to the issuer; returns where it is sent back to. */
  async lead(browser: CookieJar, path = "/auth/providers/acme/start"): Promise<string> {
    const sent = await browser.get(path);
    if (sent.status !== 303) throw new Error(`${path} isn't led on: ${sent.status} ${await sent.text()}`);
    const back = new URL(await this.issuer.follow(sent.headers.get("location") ?? ""));
    return back.pathname + back.search;
  }

  /** Signs a browser in by the issuer. */
  async signIn(browser: CookieJar, path?: string): Promise<Response> {
    return comeBack(browser, await this.lead(browser, path));
  }

  /** Who a browser is signed in as. */
  async whoIs(browser: CookieJar): Promise<{ email?: string; roles?: string[]; status: number }> {
    const response = await browser.fetch("/auth/me");
    return { ...((await response.json()) as object), status: response.status };
  }

  /** The audit log's entries of an action, without who and when. */
  async audited(action: string) {
    const { db, tables } = this.app.app.store;
    const rows = await db.select().from(tables.auditLog);
    return rows.filter((row) => row.action === action);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#disposals.disposeAsync();
  }
}

/** Has a browser come back from another site. */
export function comeBack(browser: CookieJar, path: string): Promise<Response> {
  return browser.get(path, { headers: { "sec-fetch-site": "cross-site" } });
}
