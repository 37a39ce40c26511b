import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type App, createApp } from "../src/app/app.ts";
import { type KnownTestUser as TestUser, TestUsers } from "../src/testing/users.ts";
import { ADMIN_ROLE } from "../src/accounts/rights/builtin-roles.ts";
import type { RemoteSettings } from "../src/plugins/remote/sources.ts";
import type { JsonObject } from "../src/config/json/values.ts";
import { loadConfig } from "../src/config/load.ts";
import type { ConfigOverrides } from "../src/config/schema.ts";
import type { Problem } from "../src/errors/problem.ts";
import { provideCoreTables } from "./core-tables.ts";
import { makeScratchFolder } from "./scratch.ts";

export type { TestUser };

/** Files by path, as text or as JSON. */
export type Files = Readonly<Record<string, string | object>>;

/** A folder of its own for a test, removed at the end. */
export class TestFolder implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async create(files: Files = {}): Promise<TestFolder> {
    const folder = new TestFolder(makeScratchFolder("test"));
    await folder.write(files);
    return folder;
  }

  /** Writes files, each in one step, as editors that save safely do; a server of this process sees all of them or none. */
  async write(files: Files): Promise<void> {
    for (const [name, content] of Object.entries(files)) {
      const file = join(this.path, name);
      mkdirSync(dirname(file), { recursive: true });
      const text = typeof content === "string" ? content : JSON.stringify(content);
      writeFileSync(`${file}.saving~`, text);
      renameSync(`${file}.saving~`, file);
    }
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.path, name), { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

export interface TestAppOptions {
  /** Files of the plugins directory: `{ "hello/run.ts": "…" }`. */
  readonly plugins?: Files;
  /** Other files of the project. */
  readonly files?: Files;
  readonly config?: ConfigOverrides;
  readonly env?: Readonly<Record<string, string>>;
  readonly setupTimeoutMs?: number;
  readonly drainTimeoutMs?: number;
  /** Gets what is shown to whoever starts a server. @default nobody does */
  readonly print?: (text: string) => void;
}

/** More than a test asks for: those of limits say what they are. */
const UNLIMITED = { anonymous_per_minute: 1_000_000, authenticated_per_minute: 1_000_000 };

/** Settings of a manager without plugins from elsewhere. */
export const NO_REMOTE: RemoteSettings = {
  entries: {},
  trustedKeys: [],
  limits: { timeoutMs: 1000, maxBytes: 1000, maxRedirects: 0, allowHosts: [], isOffline: true },
};

/** An event that the app under test has emitted. */
export interface SeenEvent {
  readonly name: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- a test reads what it knows to be there
  readonly data: any;
}

/** A whole app that listens on a free port, with a project folder of its own. */
export class TestApp implements AsyncDisposable {
  readonly app: App;
  readonly folder: TestFolder;
  /** Applies what config.json says by now. */
  readonly reloadConfig: () => Promise<void>;
  /** Every event so far, in order. */
  readonly events: SeenEvent[] = [];
  #admin: Promise<TestUser> | null = null;
  #waiting: { matches: (event: SeenEvent) => boolean; resolve: (event: SeenEvent) => void }[] = [];

  private constructor(app: App, folder: TestFolder, reloadConfig: () => Promise<void>) {
    this.app = app;
    this.reloadConfig = reloadConfig;
    this.folder = folder;
    app.hooks.on("*", ({ name, data }: SeenEvent) => this.#see({ name, data }));
  }

  static async start(options: TestAppOptions = {}): Promise<TestApp> {
    const folder = await TestFolder.create(options.files);
    await folder.write(inPlugins(options.plugins ?? {}));
    await mkdir(join(folder.path, "plugins"), { recursive: true });
    const { config = {}, setupTimeoutMs = 5000, drainTimeoutMs = 2000, print = () => {} } = options;
    const flags = {
      ...config,
      server: { ...config.server, rate_limit: { ...UNLIMITED, ...config.server?.rate_limit } },
      logging: { console: false, ...config.logging },
    };
    const { env = {} } = options;
    const load = (shared: JsonObject = {}, text?: string) =>
      loadConfig({ cwd: folder.path, env, flags, shared, ...(text !== undefined && { text }) });
    const reloadConfig = () => app.configure(load(app.shared?.config));
    const loaded = load();
    await provideCoreTables(loaded);
    const app: App = await createApp({
      loaded,
      load,
      reloadConfig,
      version: "0.0.0-test",
      setupTimeoutMs,
      drainTimeoutMs,
      print,
    });
    const test = new TestApp(app, folder, reloadConfig);
    app.web.listen({ hostname: "127.0.0.1", port: 0 });
    await app.plugins.start();
    return test;
  }

  get url(): string {
    return this.app.web.url ?? "";
  }

  fetch(path: string, init?: RequestInit): Promise<Response> {
    return fetch(this.url + path, init);
  }

  /** An administrator, made when first asked for. */
  admin(): Promise<TestUser> {
    return (this.#admin ??= this.createUser("admin@example.com", [ADMIN_ROLE]));
  }

  /** Makes an account without a password and a session of it, past the routes for that. */
  async createUser(email: string, roles: readonly string[] = []): Promise<TestUser> {
    const { store, accounts } = this.app;
    return new TestUsers({ store, accessTokens: accounts.accessTokens }).create({ email, roles });
  }

  /** Status and JSON body of a GET, by an administrator where that takes one. */
  // oxlint-disable-next-line typescript/no-explicit-any -- a test reads what it knows to be there
  async get(path: string): Promise<{ status: number; body: any }> {
    if (path.startsWith("/system/")) return this.getAsAdmin(path);
    const response = await this.fetch(path);
    return { status: response.status, body: await response.json() };
  }

  /** Status and JSON body of a GET by an administrator. */
  // oxlint-disable-next-line typescript/no-explicit-any -- a test reads what it knows to be there
  async getAsAdmin(path: string): Promise<{ status: number; body: any }> {
    const response = await this.fetch(path, { headers: (await this.admin()).headers });
    return { status: response.status, body: await response.json() };
  }

  async problem(path: string, init?: RequestInit): Promise<Problem> {
    return (await (await this.fetch(path, init)).json()) as Problem;
  }

  /** Writes files of the plugins directory. */
  writePlugins(files: Files): Promise<void> {
    return this.folder.write(inPlugins(files));
  }

  /** Does something and resolves with the first event of this name that follows. */
  async after(name: string, act: () => unknown, matches = (_event: SeenEvent) => true): Promise<SeenEvent> {
    const { promise, resolve } = Promise.withResolvers<SeenEvent>();
    this.#waiting.push({ matches: (event) => event.name === name && matches(event), resolve });
    await act();
    return promise;
  }

  /** The text of a log file. */
  async log(name: "app" | "access" | "manager"): Promise<string> {
    await this.app.loggers.flush();
    return Bun.file(join(this.folder.path, "logs", `${name}.log`)).text();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.app.web.stop(0);
    await this.app.close();
    await this.folder[Symbol.asyncDispose]();
  }

  #see(event: SeenEvent): void {
    this.events.push(event);
    const ready = this.#waiting.filter(({ matches }) => matches(event));
    this.#waiting = this.#waiting.filter((one) => !ready.includes(one));
    for (const { resolve } of ready) resolve(event);
  }
}

function inPlugins(files: Files): Files {
  return Object.fromEntries(Object.entries(files).map(([name, content]) => [`plugins/${name}`, content]));
}

/** The files of a plugin whose router is `router`, an expression after `createRouter()`. */
export function plugin(name: string, router: string, manifest: object = {}): Files {
  return {
    [`${name}/plugin.json`]: { name, version: "1.0.0", ...manifest },
    [`${name}/run.ts`]: `import { createRouter } from "xcore";\nexport default createRouter()${router};\n`,
  };
}
