import { inspect } from "node:util";
import { type App, createApp } from "../app/app.ts";
import { fail } from "../plugins/failure/error-codes.ts";
import type { PluginRecord } from "../plugins/inventory/record.ts";
import type {
  HostMessage,
  NewTestUser,
  StartQuestion,
  TestHookResult,
  TestLogLine,
  TestMail,
  TestUser,
} from "../sdk/testing.ts";
import { describePluginError } from "../plugins/failure/failure.ts";
import { TestLog } from "./log.ts";
import { createTestProject, type TestProject } from "./project.ts";
import { TestUsers } from "./users.ts";

const SETUP_TIMEOUT_MS = 4000;
const DRAIN_TIMEOUT_MS = 2000;

export interface HostedAppOptions {
  readonly version: string;
  /** Folder that the test runs in. */
  readonly cwd: string;
  /** Tells the test something. */
  readonly tell: (message: HostMessage) => void;
  /** Shows whoever runs the test something. */
  readonly show: (text: string) => void;
}

/** An app that runs for a test, in a project made for it. */
export class HostedApp {
  readonly #options: HostedAppOptions;
  readonly #app: App;
  readonly #project: TestProject;
  readonly #users: TestUsers;
  readonly #log: TestLog;

  private constructor(options: HostedAppOptions, app: App, project: TestProject, log: TestLog) {
    this.#options = options;
    this.#app = app;
    this.#project = project;
    this.#users = new TestUsers({ store: app.store, accessTokens: app.accounts.accessTokens });
    this.#log = log;
  }

  /**
   * Builds the app, and tells the test of each event from then on.
   *
   * @throws AppError for plugins that aren't there, and for a configuration that can't be used
   */
  static async create(options: HostedAppOptions, question: StartQuestion): Promise<HostedApp> {
    const project = await createTestProject(question, options.cwd);
    const log = new TestLog((text) => options.show(project.toShown(text)));
    let hosted: HostedApp | null = null;
    const app = await createApp({
      loaded: project.loaded,
      version: options.version,
      setupTimeoutMs: question.setupTimeoutMs ?? SETUP_TIMEOUT_MS,
      drainTimeoutMs: DRAIN_TIMEOUT_MS,
      onUncaught: (error) => hosted?.reportUncaught(error),
      print() {},
      stdout: log,
    });
    app.hooks.on(
      "*",
      ({ name, data, source }) =>
        options.tell({ type: "event", event: { name, data: toJson(data), source } }),
      { order: "before" }, // one that is stopped later was emitted all the same
    );
    return (hosted = new HostedApp(options, app, project, log));
  }

  /**
   * Listens on a free port and loads the plugins; returns the address.
   *
   * @throws AppError with the reasons of all that can't be loaded
   */
  async start(): Promise<string> {
    const { web, plugins } = this.#app;
    web.listen({ hostname: "127.0.0.1", port: 0 });
    await plugins.start();
    await plugins.settled();
    const reasons = plugins.list().flatMap((record) => describeState(record) ?? []);
    if (reasons.length > 0) {
      throw fail("plugin_unavailable", this.#project.toShown(reasons.join("\n")));
    }
    this.#log.isShown = true;
    return web.url ?? "";
  }

  async createUser(user: NewTestUser): Promise<TestUser> {
    const { sessionId: _, ...made } = await this.#users.create(user);
    return made;
  }

  /** Emits an event as the core does. */
  async emit(name: string, data: unknown): Promise<readonly TestHookResult[]> {
    // The first is what tells the test of events.
    const [, ...others] = await this.#app.hooks.emit<string & Record<never, never>>(name, data);
    return others.map(({ source, status, value, error }) => ({
      source,
      status,
      ...(value === undefined ? {} : { value: toJson(value) }),
      ...(error === undefined ? {} : { error: error instanceof Error ? error.message : inspect(error) }),
    }));
  }

  /** What plugins have logged until now, and what was logged of them. */
  async logs(): Promise<readonly TestLogLine[]> {
    await this.#app.loggers.flush();
    return this.#log.lines;
  }

  /** What was sent until now. */
  async mails(): Promise<readonly TestMail[]> {
    const { mail } = this.#app;
    const rows = await (await mail.outbox()).listAll();
    return Promise.all(
      rows.map(async (row) => {
        const { recipient: to, subject, template, language, plugin } = row;
        const { text, html } = (await mail.readContent(row)) ?? { text: "", html: "" };
        return { to, subject, text, html, template, language, plugin };
      }),
    );
  }

  /** Tells the test of an error that nobody caught. */
  reportUncaught(error: unknown): void {
    const stack = error instanceof Error ? (error.stack ?? error.message) : inspect(error);
    const shown = this.#project.toShown(this.#app.stackTraces.map(stack));
    this.#options.show(shown);
    this.#options.tell({ type: "uncaught", message: shown });
  }

  async close(): Promise<void> {
    await this.#app.web.stop(0);
    await this.#app.close();
  }
}

/** Why a plugin doesn't serve, null when it does. */
function describeState({ name, state, failure }: PluginRecord): string | null {
  if (failure !== null) {
    return `Cannot load plugin "${name}" (${failure.stage}): ${describePluginError(failure)}`;
  }
  if (state === "serving") return null;
  return `Cannot test plugin "${name}": it is ${state}; set "active" to true in its manifest`;
}

/** A value as the test gets it. */
function toJson(value: unknown): unknown {
  try {
    const text = JSON.stringify(value, (_key, one: unknown) => (typeof one === "bigint" ? String(one) : one));
    return text === undefined ? null : JSON.parse(text);
  } catch {
    return inspect(value); // it refers to itself
  }
}
