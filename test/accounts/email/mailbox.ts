import type { ConfigOverrides } from "../../../src/config/schema.ts";
import { MailServer, type TakenMail } from "../../mail/mail-server.ts";
import { TestApp } from "../../setup.ts";
import { PASSWORD } from "../browser/browser.ts";

/** An app whose mails are taken by a server, with whoever reads them. */
export class Mailbox implements AsyncDisposable {
  readonly app: TestApp;
  readonly #server: MailServer;
  #read = 0;

  private constructor(app: TestApp, server: MailServer) {
    this.app = app;
    this.#server = server;
  }

  static async open(config: ConfigOverrides = {}): Promise<Mailbox> {
    const server = await MailServer.start();
    const app = await TestApp.start({
      config: { ...config, mail: server.config, security: { bcrypt_cost: 4, ...config.security } },
    });
    return new Mailbox(app, server);
  }

  /** The next mail that arrives, with the token of its link. */
  async next(): Promise<TakenMail & { readonly token: string; readonly text: string }> {
    this.#read += 1;
    const mails = await this.#server.taken(this.#read);
    const mail = mails[this.#read - 1] as TakenMail;
    const text = mail.parsed.text ?? "";
    return { ...mail, text, token: /[?&]token=([\w-]{43})/.exec(text)?.[1] ?? "" };
  }

  /** How many have arrived so far. */
  get count(): number {
    return this.#server.mails.length;
  }

  /** Sends JSON. */
  async send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    const response = await this.app.fetch(path, {
      method,
      headers: { ...(body !== undefined && { "content-type": "application/json" }), ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.includes("json") === true;
    // oxlint-disable-next-line typescript/no-explicit-any -- a test reads what it knows to be there
    const json: any = isJson ? JSON.parse(text) : null;
    return { status: response.status, body: json, text };
  }

  register(email: string, headers: Record<string, string> = {}) {
    return this.send("POST", "/auth/register", { email, password: PASSWORD }, headers);
  }

  logIn(email: string, password = PASSWORD) {
    return this.send("POST", "/auth/login", { email, password });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.app[Symbol.asyncDispose]();
    await this.#server[Symbol.asyncDispose]();
  }
}
