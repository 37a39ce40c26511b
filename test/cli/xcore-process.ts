import type { TestFolder } from "../setup.ts";
import { XCORE } from "./xcore-command.ts";

/** More than a test asks for: those of limits say what they are. */
const UNLIMITED = {
  XCORE_SERVER__RATE_LIMIT__ANONYMOUS_PER_MINUTE: "1000000",
  XCORE_SERVER__RATE_LIMIT__AUTHENTICATED_PER_MINUTE: "1000000",
};

/** Less than a test has in all: who waits in vain says what the server wrote instead. */
const WAIT_MS = 100_000;

export interface RunOptions {
  /** The program and its first arguments. @default what xcore-command.ts says */
  readonly command?: readonly string[];
  /** Added to an environment that holds next to nothing. */
  readonly env?: Readonly<Record<string, string>>;
}

/** What a command that ended has left. */
export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command in a folder until it ends. */
export async function xcore(
  folder: TestFolder,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  const child = spawn(folder, args, options);
  const [code, stdout, stderr] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code, stdout, stderr };
}

/** A server in a process of its own, on a free port. */
export class XcoreServer implements AsyncDisposable {
  /** Everything that it wrote to standard output and standard error so far. */
  output = "";
  url = "";
  readonly #child: ReturnType<typeof spawn>;
  readonly #waiting = new Set<() => void>();

  private constructor(child: ReturnType<typeof spawn>) {
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) void this.#read(stream);
  }

  /** Resolves once it listens and its plugins have been loaded. */
  static async start(
    folder: TestFolder,
    options: RunOptions & { args?: readonly string[] } = {},
  ): Promise<XcoreServer> {
    const server = XcoreServer.spawn(folder, options);
    const [, url = ""] = await server.waitFor(/"msg":"listening on (http[^"]+)"/);
    server.url = url;
    return server;
  }

  /** A server that need not come as far as listening. */
  static spawn(folder: TestFolder, options: RunOptions & { args?: readonly string[] } = {}): XcoreServer {
    const env = { ...UNLIMITED, ...options.env };
    return new XcoreServer(spawn(folder, options.args ?? ["serve", "--port", "0"], { ...options, env }));
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Its exit code, once it has ended. */
  get exited(): Promise<number> {
    return this.#child.exited;
  }

  fetch(path: string, init?: BunFetchRequestInit): Promise<Response> {
    return fetch(this.url + path, init);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Does something and waits until it has written what matches, after that moment. */
  async after(act: () => unknown, pattern: RegExp): Promise<RegExpExecArray> {
    const from = this.output.length;
    await act();
    return this.waitFor(pattern, from);
  }

  /** Resolves with the first match in the output; fails when the process ends before, or writes none in time. */
  async waitFor(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    const late = Promise.withResolvers<"late">();
    const timer = setTimeout(() => late.resolve("late"), WAIT_MS);
    try {
      for (;;) {
        const match = pattern.exec(this.output.slice(from));
        if (match !== null) return match;
        const { promise, resolve } = Promise.withResolvers<"more">();
        const more = (): void => resolve("more");
        this.#waiting.add(more);
        const event = await Promise.race([promise, this.exited, late.promise]);
        this.#waiting.delete(more);
        if (event === "more" || pattern.test(this.output.slice(from))) continue;
        const what = event === "late" ? `after ${WAIT_MS / 1000} s` : `the process ended with ${event}`;
        throw new Error(`Cannot find ${pattern}: ${what}; it wrote\n${this.output}`);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGKILL");
    await this.exited;
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      this.output += decoder.decode(chunk, { stream: true });
      for (const wake of this.#waiting) wake();
    }
  }
}

function spawn(folder: TestFolder, args: readonly string[], { command = XCORE, env = {} }: RunOptions) {
  const { PATH = "", HOME = "" } = process.env;
  return Bun.spawn([...command, ...args], {
    cwd: folder.path,
    env: { PATH, HOME, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
}
