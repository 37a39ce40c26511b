import { join } from "node:path";
import { CookieJar, SECURITY } from "../../accounts/browser/browser.ts";
import type { ConfigOverrides } from "../../../src/config/schema.ts";
import { crmPlugin } from "../../resources/crm.ts";
import { type Files, TestApp } from "../../setup.ts";

/** What nothing that is shown may become. */
export const SCRIPT = `"><script>alert(1)</script>`;
export const DEALS = "/ui/records/crm/deals";
export const COMPANIES = "/ui/records/crm/companies";
const RUN = join(import.meta.dir, "../../../plugins/crm/run.ts");

/** A server with plugins/crm, and somebody who is signed in with a browser. */
export class Office implements AsyncDisposable {
  readonly app: TestApp;
  readonly jar: CookieJar;

  private constructor(app: TestApp, jar: CookieJar) {
    this.app = app;
    this.jar = jar;
  }

  /**
   * @param run in the place of that of plugins/crm
   * @param files of plugins, beside
   */
  static async open({
    run,
    files = {},
    roles = ["admin"],
    config = {},
  }: { run?: string; files?: Files; roles?: readonly string[]; config?: ConfigOverrides } = {}) {
    const plugins = { ...(await crmPlugin(run ?? (await Bun.file(RUN).text()))), ...files };
    const app = await TestApp.start({
      plugins,
      config: { app: { debug: true }, security: SECURITY, ...config },
    });
    const jar = new CookieJar(app);
    await jar.register("ada@example.com", roles);
    await jar.signIn("ada@example.com");
    return new Office(app, jar);
  }

  /** Sends JSON in the name of whoever is signed in. */
  // oxlint-disable-next-line typescript/no-explicit-any -- a test reads what it knows to be there
  async send(method: string, path: string, body?: unknown): Promise<any> {
    const response = await this.jar.send(method, path, body);
    const text = await response.text();
    if (response.status >= 400) throw new Error(text);
    return text === "" ? null : JSON.parse(text);
  }

  /** A company and this many deals of it. */
  async fill(deals: number): Promise<void> {
    await this.send("POST", "/crm/companies", { name: "Acme", city: "Paris" });
    const create = Array.from({ length: deals }, (_, at) => ({
      title: `Deal ${at + 1}`,
      amount: `${(at + 1) * 10}.50`,
      company_id: 1,
      close_on: `2026-03-${String((at % 28) + 1).padStart(2, "0")}`,
    }));
    await this.send("POST", "/crm/deals/batch", { create });
  }

  /** The text of a page, as it is sent. */
  async page(path: string, status = 200): Promise<string> {
    const response = await this.jar.get(path);
    const html = await response.text();
    if (response.status !== status) throw new Error(`${path}: ${response.status}\n${html}`);
    return html;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.app[Symbol.asyncDispose]();
  }
}

/** What a page shows, without its tags. */
export function textOf(html: string): string {
  return html
    .replaceAll(/<(script|style|svg)[^]*?<\/\1>/g, "")
    .replaceAll(/<[^>]*>/g, " ")
    .replaceAll(/\s+/g, " ");
}

/** Rows of the table of a page, by the text of their cells. */
export function rowsOf(html: string): string[][] {
  const [, body = ""] = /<tbody>([^]*?)<\/tbody>/.exec(html) ?? [];
  return [...body.matchAll(/<tr[^]*?<\/tr>/g)].map(([row]) =>
    [...row.matchAll(/<t[hd][^]*?<\/t[hd]>/g)].map(([cell]) => textOf(cell).trim()).slice(1),
  );
}
