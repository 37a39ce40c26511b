import { join } from "node:path";
import pino from "pino";
import type { Config } from "../../src/config/schema.ts";
import type { Driver } from "../../src/db/contract/driver.ts";
import { Mail } from "../../src/mail/mail.ts";
import { MailDesk } from "../../src/mail/desk.ts";
import { Templates } from "../../src/templates/templates.ts";
import { JobHost, type JobHostOptions } from "../jobs/job-host.ts";

export const DEFAULTS: Config["mail"] = {
  url: null,
  from: null,
  require_tls: true,
  recipient_per_hour: 30,
  keep_days: 30,
};

/** Mail on a database, without an app around it. */
export class MailHost implements AsyncDisposable {
  readonly host: JobHost;
  readonly mail: Mail;
  readonly desk: MailDesk;
  settings: Config["mail"];

  private constructor(host: JobHost, settings: Partial<Config["mail"]>) {
    this.host = host;
    this.settings = { ...DEFAULTS, ...settings };
    const log = pino({ level: "silent" });
    this.mail = new Mail({
      store: host.store,
      jobs: host.jobs,
      hooks: host.hooks,
      log,
      templates: new Templates({
        directory: join(import.meta.dir, "none"),
        toDisplayPath: (file) => file,
        watches: false,
        log,
        appName: () => "test",
        theme: () => "light",
        isDebug: () => true,
        basePath: () => "",
        globalsOf: () => ({}),
      }),
      settings: () => this.settings,
      key: new Uint8Array(32),
      origin: () => "https://erp.example.com",
      isDebug: () => false,
      print() {},
      isWorker: true,
    });
    this.desk = new MailDesk(this.mail, host.store);
  }

  static async create(
    driver: Driver,
    settings: Partial<Config["mail"]>,
    options: JobHostOptions = {},
  ): Promise<MailHost> {
    return new MailHost(await JobHost.create(driver, options), settings);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.host[Symbol.asyncDispose]();
    await this.mail.close();
  }
}

/** A mail of a few words. */
export function toMessage(to: string, title = "Hello") {
  return { to, template: "message", data: { title, paragraphs: ["Read this."], action: null } };
}
