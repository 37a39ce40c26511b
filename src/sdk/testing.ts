// Projects get this file as it stands (`xcore types`): it imports nothing of xcore, and runs on any Bun.
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** What a test host is to be like. */
export interface TestHostOptions {
  /**
   * Folders or single files of plugins, relative to the current folder; `[import.meta.dir]` is the folder of the
   * test. Plugins that they depend on are found when they stand beside them.
   */
  readonly plugins: readonly string[];
  /** Settings by plugin, as `plugins.settings` of config.json. */
  readonly settings?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Other keys of config.json. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** URL of an empty database, which the test changes. @default an SQLite database of its own */
  readonly database?: string;
  /** How long `setup()` of a plugin may take, in ms. @default 4000 */
  readonly setupTimeoutMs?: number;
}

/** Who a user made for a test is, and what they may do. */
export interface NewTestUser {
  /** @default "user-1@example.com" and so on */
  readonly email?: string;
  /** What they may do: `["invoices:read"]`. */
  readonly permissions?: readonly string[];
  /** Names of roles, which are made if they are missing. @default ["user"] */
  readonly roles?: readonly string[];
  /** Whether they hold the role "admin", and so may do everything. @default false */
  readonly is_admin?: boolean;
}

/** Somebody who has logged in. */
export interface TestUser {
  readonly id: number;
  readonly email: string;
  /** An access token. */
  readonly token: string;
  /** What makes a request theirs. */
  readonly headers: { readonly authorization: string };
}

/** An event that went over the hooks of the host, its data as JSON. */
export interface TestEvent {
  readonly name: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- a test reads what it knows to be there
  readonly data: any;
  /** The plugin that emitted it, null for the core and the test. */
  readonly source: string | null;
}

/** How a handler of an emitted event fared, its value as JSON. */
export interface TestHookResult {
  /** The plugin that the handler belongs to. */
  readonly source: string | null;
  readonly status: "ok" | "threw" | "timed_out" | "cancelled" | "stopped";
  readonly value?: unknown;
  /** Message of what it threw. */
  readonly error?: string;
}

/** A line of the log, with the fields that it was given. */
export interface TestLogLine {
  readonly level: "trace" | "debug" | "info" | "warn" | "error" | "fatal";
  readonly msg: string;
  /** The plugin that it comes from. */
  readonly plugin: string;
  readonly [field: string]: unknown;
}

/** A mail that was sent while the host has no mail server. */
export interface TestMail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  /** Such as "welcome". */
  readonly template: string;
  readonly language: string;
  /** The plugin that sent it, "core" for the core. */
  readonly plugin: string;
}

/** A request of a test: fetch's own options, and JSON to send. */
export interface TestRequest extends RequestInit {
  /** Sent as the body, with its content type. */
  readonly json?: unknown;
}

/** What a test asks its host for, and what it is answered. */
export interface HostQuestions {
  start: [question: StartQuestion, answer: { readonly url: string }];
  user: [question: NewTestUser, answer: TestUser];
  emit: [question: { readonly name: string; readonly data: unknown }, answer: readonly TestHookResult[]];
  logs: [question: null, answer: readonly TestLogLine[]];
  mails: [question: null, answer: readonly TestMail[]];
  /** Answered once the test has been told of all events and lines before it. */
  sync: [question: null, answer: null];
  close: [question: null, answer: null];
}

/** TestHostOptions with absolute paths. */
export interface StartQuestion extends TestHostOptions {
  /** Folder for the project of the host, which is removed with it. */
  readonly folder: string;
}

/** A message to the host. */
export type HostQuestion = {
  [Name in keyof HostQuestions]: { id: number; name: Name; question: HostQuestions[Name][0] };
}[keyof HostQuestions];

/** A message from the host. */
export type HostMessage =
  | { readonly type: "answer"; readonly id: number; readonly answer: unknown }
  | { readonly type: "refusal"; readonly id: number; readonly message: string }
  | { readonly type: "event"; readonly event: TestEvent }
  | { readonly type: "uncaught"; readonly message: string };

const EVENT_TIMEOUT_MS = 4000; // below the 5 s that Bun gives a test
const CLOSE_TIMEOUT_MS = 8000;
const NOT_FOLLOWED = /(^|[/\\])node_modules[/\\]|\.test\.[jt]sx?$/;

/**
 * Starts a server in a process of its own, with a database of its own, that serves these plugins on a free port.
 * Close it with `await using`.
 *
 * @throws Error with stage, place and reason when a plugin can't be loaded
 *
 * @example
 * await using host = await createTestHost({ plugins: ["./plugins/crm"] });
 * const { headers } = await host.createUser({ permissions: ["invoices:read"] });
 * const response = await host.fetch("/invoices", { headers });
 */
export function createTestHost(options: TestHostOptions): Promise<TestHost> {
  return TestHost.start(options);
}

interface PendingQuestion {
  readonly resolve: (answer: unknown) => void;
  readonly refuse: (message: string) => void;
}

/** A running server with the plugins under test. */
export class TestHost implements AsyncDisposable {
  readonly #folder: string;
  readonly #child: Bun.Subprocess;
  readonly #questions = new Map<number, PendingQuestion>();
  readonly #events: TestEvent[] = [];
  readonly #watchers = new Set<(event: TestEvent) => void>();
  readonly #uncaught: string[] = [];
  #asked = 0;
  #url = "";
  #admin: Promise<TestUser> | null = null;
  #closing: Promise<void> | null = null;

  private constructor(command: readonly string[], folder: string) {
    this.#folder = folder;
    const { BUN_BE_BUN: _, ...env } = process.env; // `xcore test` sets it for itself
    this.#child = Bun.spawn([...command, "test-host"], {
      env,
      stdio: ["ignore", "inherit", "inherit"],
      serialization: "json",
      ipc: (message: HostMessage) => this.#receive(message),
      onExit: (_child, code, signal) => this.#abandon(`it ended with ${signal ?? code}`),
    });
  }

  /** Does what `createTestHost` says. */
  static async start(options: TestHostOptions): Promise<TestHost> {
    const plugins = options.plugins.map((path) => resolve(path));
    const command = findCommand();
    const folder = mkdtempSync(join(tmpdir(), "xcore-test-"));
    const host = new TestHost(command, folder);
    try {
      // Asked before anything is awaited, so that an error shows where the test called this.
      const start = host.#ask("start", { ...options, plugins, folder });
      const [{ url }] = await Promise.all([start, followFiles(plugins)]);
      host.#url = url;
      return host;
    } catch (error) {
      await host.close().catch(() => {}); // the reason of the failure counts
      throw error;
    }
  }

  /** Address that it answers at, such as "http://127.0.0.1:41234". */
  get url(): string {
    return this.#url;
  }

  /** Every event so far, in order, those of the start too. */
  get events(): readonly TestEvent[] {
    return this.#events;
  }

  /** Requests a path; what was emitted before the answer is in `events` afterwards. */
  async fetch(path: string, { json, ...init }: TestRequest = {}): Promise<Response> {
    if (!path.startsWith("/")) throw new TypeError(`Cannot fetch "${path}": write it with a "/" in front`);
    const headers = new Headers(init.headers);
    if (json !== undefined) {
      init.body = JSON.stringify(json);
      init.method ??= "POST";
      if (!headers.has("content-type")) headers.set("content-type", "application/json");
    }
    const response = await fetch(this.#url + path, { ...init, headers });
    await this.#ask("sync", null);
    return response;
  }

  /** Makes somebody who has logged in, with the permissions and roles that the test needs. */
  createUser(user: NewTestUser = {}): Promise<TestUser> {
    return this.#ask("user", user);
  }

  /** Returns an administrator, who may do everything. */
  admin(): Promise<TestUser> {
    return (this.#admin ??= this.createUser({ email: "admin@example.com", is_admin: true }));
  }

  /** Emits an event to the plugins, and resolves with how their handlers fared. */
  emit(name: string, data: unknown = null): Promise<readonly TestHookResult[]> {
    return this.#ask("emit", { name, data });
  }

  /** Resolves with the first event of this name that matches: one of those seen already, or one yet to come. */
  async waitForEvent(name: string, matches: (event: TestEvent) => boolean = () => true): Promise<TestEvent> {
    const isIt = (event: TestEvent): boolean => event.name === name && matches(event);
    const known = this.#events.find(isIt);
    if (known !== undefined) return known;
    const failure = toErrorOfTest();
    return new Promise((found, reject) => {
      const watch = (event: TestEvent): void => {
        if (!isIt(event)) return;
        clearTimeout(timer);
        this.#watchers.delete(watch);
        found(event);
      };
      const timer = setTimeout(() => {
        this.#watchers.delete(watch);
        const seen = [...new Set(this.#events.map((event) => event.name))].join(", ");
        failure.message = `Cannot find event "${name}": after ${EVENT_TIMEOUT_MS} ms there were ${seen}`;
        reject(failure);
      }, EVENT_TIMEOUT_MS);
      this.#watchers.add(watch);
    });
  }

  /** Returns what plugins have logged, and what was logged of them: errors of theirs among it. */
  logs(): Promise<readonly TestLogLine[]> {
    return this.#ask("logs", null);
  }

  /** Returns the mails that were sent until now, in order: none leaves the host. */
  mails(): Promise<readonly TestMail[]> {
    return this.#ask("mails", null);
  }

  /**
   * Disposes of the plugins, and removes everything that the host has made.
   *
   * @throws Error when a plugin left an error that nobody caught
   */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), CLOSE_TIMEOUT_MS);
    await this.#ask("close", null).catch(() => {}); // it may have ended by itself
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.disconnect();
    await this.#child.exited;
    clearTimeout(timer);
    await rm(this.#folder, { recursive: true, force: true });
    const [first] = this.#uncaught;
    if (first !== undefined) throw new Error(`Cannot pass: a plugin left an error uncaught: ${first}`);
  }

  #ask<Name extends keyof HostQuestions>(
    name: Name,
    question: HostQuestions[Name][0],
  ): Promise<HostQuestions[Name][1]> {
    const id = ++this.#asked;
    const { promise, resolve: answered, reject } = Promise.withResolvers<unknown>();
    const failure = toErrorOfTest();
    const refuse = (message: string): void => {
      failure.message = message;
      reject(failure);
    };
    this.#questions.set(id, { resolve: answered, refuse });
    try {
      this.#child.send({ id, name, question });
    } catch {
      this.#abandon("it has ended");
    }
    return promise as Promise<HostQuestions[Name][1]>;
  }

  #receive(message: HostMessage): void {
    if (message.type === "event") {
      this.#events.push(message.event);
      for (const watch of this.#watchers) watch(message.event);
    } else if (message.type === "uncaught") {
      this.#uncaught.push(message.message);
    } else {
      const pending = this.#questions.get(message.id);
      this.#questions.delete(message.id);
      if (message.type === "answer") pending?.resolve(message.answer);
      else pending?.refuse(message.message);
    }
  }

  #abandon(reason: string): void {
    const message = `Cannot use the test host: ${reason}; what it wrote before says why`;
    for (const { refuse } of this.#questions.values()) refuse(message);
    this.#questions.clear();
  }
}

/** Makes `--watch` run the test again when a plugin changes: Bun watches what is imported, also as text. */
async function followFiles(plugins: readonly string[]): Promise<void> {
  const files = plugins.flatMap((path) => {
    if (!existsSync(join(path, "plugin.json"))) return existsSync(path) ? [path] : [];
    const names = [...new Bun.Glob("**/*.{ts,tsx,js,jsx,json,sql}").scanSync(path)];
    return names.filter((name) => !NOT_FOLLOWED.test(name)).map((name) => join(path, name));
  });
  await Promise.all(files.map((file) => import(file, { with: { type: "text" } }).catch(() => {})));
}

/** Makes an error that shows where the test is, rather than where this file is, for a message yet to come. */
function toErrorOfTest(): Error {
  const error = new Error();
  const [head = "", ...frames] = (error.stack ?? "").split("\n");
  error.stack = [head, ...frames.filter((frame) => !frame.includes(import.meta.path))].join("\n");
  return error;
}

/** How xcore is run: as `xcore test` says, from its sources, as the project was made with, or from the PATH. */
function findCommand(): readonly string[] {
  const { XCORE } = process.env;
  if (XCORE) return [XCORE];
  const sources = join(import.meta.dir, "../index.ts");
  if (import.meta.dir.endsWith("sdk") && existsSync(sources)) return [process.execPath, sources];
  const record = join(import.meta.dir, "executable.json");
  if (existsSync(record)) {
    const { command } = JSON.parse(readFileSync(record, "utf8")) as { command: readonly [string] };
    if (existsSync(command[0])) return command;
  }
  const found = Bun.which("xcore");
  if (found !== null) return [found];
  throw new Error("Cannot find xcore: run the tests with `xcore test`, or put xcore into the PATH");
}
