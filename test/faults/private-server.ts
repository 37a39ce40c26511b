import type { ChildProcess } from "node:child_process";
import { chownSync, chmodSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  findIdentity,
  type PlanOptions,
  planServer,
  type ServerKind,
  type ServerPlan,
  startServer,
} from "../database-keeper.ts";
import { TestFolder } from "../setup.ts";

/** A server of a test's own, of a database or a cache, which it may freeze and kill. What it acknowledges outlasts its process. */
export class PrivateServer implements AsyncDisposable {
  readonly url: string;
  readonly #plan: ServerPlan;
  readonly #folder: TestFolder;
  #process: ChildProcess;
  #frozen: number[] = [];

  private constructor(plan: ServerPlan, folder: TestFolder, process: ChildProcess) {
    this.#plan = plan;
    this.#folder = folder;
    this.#process = process;
    this.url = plan.url;
  }

  static async start(kind: ServerKind, options: PlanOptions = {}): Promise<PrivateServer> {
    const folder = await TestFolder.create();
    const files = join(folder.path, "server");
    const identity = findIdentity();
    mkdirSync(files, { mode: 0o700 });
    chmodSync(folder.path, 0o711);
    if (identity.uid !== undefined) chownSync(files, identity.uid, identity.gid ?? identity.uid);
    const plan = await planServer(kind, files, { identity, isDurable: true, ...options });
    return new PrivateServer(plan, folder, await startServer(plan));
  }

  /** Stops its processes where they are: it takes connections, and answers nothing. */
  freeze(): void {
    this.#frozen = this.#pids();
    for (const pid of this.#frozen) tryKill(pid, "SIGSTOP");
    // The signal takes its time on a busy machine; what has ended has no state.
    while (this.#frozen.some((pid) => !"TtZX".includes(readStat(pid)?.state ?? "T"))) Bun.sleepSync(1);
  }

  thaw(): void {
    for (const pid of this.#frozen) tryKill(pid, "SIGCONT");
    this.#frozen = [];
  }

  /** Ends its processes without giving them time for anything. */
  async kill(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#process.once("exit", () => resolve());
    // Stopped, it starts no others that would be missed.
    this.freeze();
    const pids = this.#pids();
    this.#frozen = [];
    for (const pid of pids) tryKill(pid, "SIGKILL");
    await promise;
    // PostgreSQL doesn't start again while one of them is left.
    while (pids.some((pid) => !"ZX".includes(readStat(pid)?.state ?? "X"))) Bun.sleepSync(1);
  }

  /** Asks it to end at once, and resolves when it has: it ends its connections, and saves what it has. */
  async stop(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#process.once("exit", () => resolve());
    // PostgreSQL waits for its clients on SIGTERM.
    this.#process.kill(this.#plan.program === "postgres" ? "SIGINT" : "SIGTERM");
    await promise;
  }

  /** Starts it again, on the same port and data. */
  async restart(): Promise<void> {
    this.#process = await startServer(this.#plan);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.thaw();
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#process.once("exit", () => resolve());
      // PostgreSQL frees its shared memory on SIGQUIT; it asks for no more than that.
      this.#process.kill(this.#plan.program === "postgres" ? "SIGQUIT" : "SIGKILL");
      await promise;
    }
    await this.#folder[Symbol.asyncDispose]();
  }

  /** Its process, and those that it has started. */
  #pids(): number[] {
    const { pid = 0 } = this.#process;
    const children = readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name) && readStat(name)?.parent === pid)
      .map(Number);
    return [pid, ...children];
  }
}

function readStat(pid: number | string): { readonly state: string; readonly parent: number } | null {
  try {
    const [, state = "", parent] = /\) (\S) (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? [];
    return { state, parent: Number(parent) };
  } catch {
    return null; // it has ended
  }
}

function tryKill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}
