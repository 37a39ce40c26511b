import { eq } from "drizzle-orm";
import { generateOtpCode } from "../../../src/accounts/two-factor/codes.ts";
import type { TestApp } from "../../setup.ts";

export const PASSWORD = "correct horse battery";
/** Cheap hashes: what is tested here is something else. */
export const SECURITY = { bcrypt_cost: 4 } as const;

interface Sent extends RequestInit {
  readonly headers?: Record<string, string>;
}

/** What a browser does with the server's cookies, and says of where its requests come from. */
export class CookieJar {
  readonly #app: TestApp;
  /** The session's. */
  cookie = "";
  readonly #others = new Map<string, string>();
  /** Every cookie that it was given, in order. */
  readonly given: string[] = [];

  constructor(app: TestApp) {
    this.#app = app;
  }

  /** The value of the session's cookie, "" without one. */
  get value(): string {
    return this.cookie.slice(this.cookie.indexOf("=") + 1);
  }

  /** Asks for a page as somebody does who follows a link. */
  get(path: string, init: Sent = {}): Promise<Response> {
    const headers = {
      accept: "text/html,*/*",
      "sec-fetch-mode": "navigate",
      "sec-fetch-site": "same-origin",
    };
    return this.fetch(path, { ...init, headers: { ...headers, ...init.headers } });
  }

  /** Sends a form from a page of the server. */
  post(path: string, fields: Record<string, string> | string[][], init: Sent = {}): Promise<Response> {
    return this.get(path, { method: "POST", body: new URLSearchParams(fields), ...init });
  }

  /** Sends a request with its cookie. */
  async fetch(path: string, init: Sent = {}): Promise<Response> {
    const cookies = [this.cookie, ...this.#others.values()].filter((cookie) => cookie !== "");
    const headers = { ...init.headers, ...(cookies.length > 0 && { cookie: cookies.join("; ") }) };
    const response = await this.#app.fetch(path, { redirect: "manual", ...init, headers });
    for (const set of response.headers.getSetCookie()) {
      this.given.push(set);
      const [pair = ""] = set.split(";");
      const kept = /Max-Age=0(?:;|$)/.test(set) ? "" : pair;
      if (pair.includes("xcore_session=")) this.cookie = kept;
      else this.#others.set(pair.slice(0, pair.indexOf("=")), kept);
    }
    return response;
  }

  /** Makes an account with PASSWORD, past the limits of registration. */
  async register(email: string, roles: readonly string[] = []): Promise<number> {
    const { accounts, store } = this.#app.app;
    const { id } = await this.#app.createUser(email, roles);
    const { users } = store.tables;
    const password_hash = await accounts.passwords.hash(PASSWORD);
    await store.db.update(users).set({ password_hash, has_long_password: true }).where(eq(users.id, id));
    return id;
  }

  /** Signs in with the page's form. */
  signIn(email: string, { password = PASSWORD, next = "/" } = {}): Promise<Response> {
    return this.post(`/auth/login?next=${encodeURIComponent(next)}`, { username: email, password });
  }

  /** Sends JSON from a page of the server. */
  send(method: string, path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return this.fetch(path, {
      method,
      body: JSON.stringify(body),
      headers: { "content-type": "application/json", "sec-fetch-site": "same-origin", ...headers },
    });
  }

  /** Turns two factors on; returns what gives codes, each of another time step. */
  async enrol(): Promise<(step?: number) => string> {
    const asked = { name: "My phone", current_password: PASSWORD };
    const { id, secret } = (await (await this.send("POST", "/auth/otp/devices", asked)).json()) as {
      id: number;
      secret: string;
    };
    const code = (step = 0) => generateOtpCode(secret, Date.now() + step * 30_000);
    const confirmed = await this.send("POST", `/auth/otp/devices/${id}/confirm`, { code: code() });
    if (confirmed.status !== 200) throw new Error(await confirmed.text());
    return code;
  }
}

/** Where an answer leads a browser that has asked for `path`. */
export function placeOf(response: Response, path: string, origin = "http://own.example"): string {
  return new URL(response.headers.get("location") ?? "", origin + path).href.replace(origin, "");
}
