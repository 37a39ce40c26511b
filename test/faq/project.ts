import { dirname, join } from "node:path";
import { parse } from "jsonc-parser";
import { buildXcore } from "../cli/xcore-command.ts";
import { type Finished, XcoreServer } from "../cli/xcore-process.ts";
import { type Files, TestFolder } from "../setup.ts";

const EXECUTABLE = await buildXcore();
const ADMIN = { email: "ada@example.com", password: "correct horse battery" };
/** Where the examples reach a server. */
const SHOWN_HOST = "localhost:8000";
/** What makes curl say nothing but the answer, and fail at an error. */
const CURLRC = "silent\nshow-error\nfail-with-body\n";

export type Env = Readonly<Record<string, string>>;

export interface StartOptions {
  readonly env?: Env;
  /** Arguments after `xcore`. @default `serve --port 0` */
  readonly args?: readonly string[];
}

/** A project in a folder of its own, in which scripts of the documents are run with the executable as `xcore`. */
export class FaqProject implements AsyncDisposable {
  readonly folder: TestFolder;
  /** Variables of what is run here. */
  readonly env: Record<string, string> = {};
  #server: XcoreServer | null = null;

  private constructor(folder: TestFolder) {
    this.folder = folder;
  }

  static async create(files: Files = {}): Promise<FaqProject> {
    return new FaqProject(await TestFolder.create({ ".curlrc": CURLRC, ...files }));
  }

  /** The folder of the executable, with nothing else in it. */
  get programs(): string {
    return dirname(EXECUTABLE);
  }

  get server(): XcoreServer {
    if (this.#server === null) throw new Error("No server has been started in this project");
    return this.#server;
  }

  get host(): string {
    return new URL(this.server.url).host;
  }

  /** Runs a script as a shell would, which stops at what fails; example servers in it are this one. */
  async sh(script: string, env: Env = {}): Promise<Finished> {
    const text = this.#server === null ? script : script.replaceAll(SHOWN_HOST, this.host);
    const child = Bun.spawn(["/bin/sh", "-e", "-c", text], {
      cwd: this.folder.path,
      env: { ...this.#environment(), ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [code, stdout, stderr] = await Promise.all([
      child.exited,
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    return { code, stdout, stderr };
  }

  /** Runs a script that must succeed. @returns what it has written to standard output */
  async run(script: string, env: Env = {}): Promise<string> {
    const { code, stdout, stderr } = await this.sh(script, env);
    if (code !== 0) throw new Error(`The script ended with ${code}: ${script}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Runs a script that must succeed and write JSON. */
  // oxlint-disable-next-line typescript/no-explicit-any -- a test reads what it knows to be there
  async json(script: string, env: Env = {}): Promise<any> {
    return JSON.parse(await this.run(script, env));
  }

  read(path: string): Promise<string> {
    return Bun.file(join(this.folder.path, path)).text();
  }

  /** Starts the server, or starts it anew. */
  async start({ env = {}, args = ["serve", "--port", "0"] }: StartOptions = {}): Promise<XcoreServer> {
    await this.stop();
    this.#server = await XcoreServer.start(this.folder, {
      command: [EXECUTABLE],
      args,
      env: { ...this.#environment(), ...env },
    });
    return this.#server;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    server.kill("SIGTERM");
    await server.exited;
  }

  /** Writes config.json as an answer shows it, over what it has, and waits until the server has taken it. */
  async configure(block: string): Promise<void> {
    const file = Bun.file(`${this.folder.path}/config.json`);
    const config = (await file.exists()) ? (parse(await file.text()) as object) : {};
    const write = () => this.folder.write({ "config.json": { ...config, ...(parse(block) as object) } });
    await (this.#server === null ? write() : this.server.after(write, /configuration applied/));
  }

  get admin(): typeof ADMIN {
    return ADMIN;
  }

  async createAdmin(): Promise<void> {
    await this.run(`printf '${ADMIN.password}' | xcore user create ${ADMIN.email} --admin --password-stdin`);
  }

  /** Makes an administrator, and logs in: `$TOKEN` of scripts. */
  async logIn(): Promise<void> {
    await this.createAdmin();
    this.env["TOKEN"] = (await this.signIn()).access_token;
  }

  /** Gives the password of the administrator. @returns what the login answers */
  // oxlint-disable-next-line typescript/no-explicit-any -- a test reads what it knows to be there
  async signIn(): Promise<any> {
    const { email: username, password } = ADMIN;
    const body = new URLSearchParams({ username, password });
    return (await this.server.fetch("/auth/login", { method: "POST", body })).json();
  }

  /** Makes somebody with these permissions. @returns their access token */
  async createUser(
    email: string,
    permissions: readonly string[] = [],
  ): Promise<{ id: number; token: string }> {
    const { password } = ADMIN;
    const user = (await this.ask("/admin/users", { json: { email, password }, isAdmin: true })).body;
    if (permissions.length > 0) {
      const json = { name: email.replaceAll(/\W/g, "_"), permissions };
      const role = (await this.ask("/admin/roles", { json, isAdmin: true })).body;
      await this.ask(`/admin/users/${user.id}/roles/${role.id}`, { method: "POST", isAdmin: true });
    }
    const login = await this.ask("/auth/login", { json: { email, password } });
    return { id: user.id, token: login.body.access_token };
  }

  /** The answer to a request, by the administrator if asked so. */
  // oxlint-disable-next-line typescript/no-explicit-any -- a test reads what it knows to be there
  async ask(path: string, init: AskOptions = {}): Promise<{ status: number; body: any }> {
    const { json, isAdmin = false, token = isAdmin ? this.env["TOKEN"] : undefined, ...rest } = init;
    const headers = new Headers(rest.headers);
    if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
    if (json !== undefined) headers.set("content-type", "application/json");
    const response = await this.server.fetch(path, {
      method: json === undefined ? "GET" : "POST",
      ...rest,
      headers,
      ...(json !== undefined && { body: JSON.stringify(json) }),
    });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get("content-type") ?? "");
    return { status: response.status, body: isJson ? JSON.parse(text) : text };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server?.kill("SIGKILL");
    await this.#server?.exited;
    await this.folder[Symbol.asyncDispose]();
  }

  #environment(): Env {
    const path = [this.programs, "/usr/local/bin", "/usr/bin", "/bin"].join(":");
    return { PATH: path, HOME: this.folder.path, ...this.env };
  }
}

export interface AskOptions extends Omit<RequestInit, "body"> {
  readonly json?: object;
  readonly token?: string;
  readonly isAdmin?: boolean;
}
