/** The environment of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface BunRunOptions {
  /** Where it runs: Bun reads the package.json, .npmrc and bunfig.toml that stand there. */
  readonly cwd: string;
  /** Ends the process. */
  readonly signal?: AbortSignal | undefined;
  /** Gets each line as it is written, to standard output or standard error. */
  readonly onLine?: ((line: string) => void) | undefined;
  /** Added to what the process gets of our environment. */
  readonly env?: Environment | undefined;
  /** How long it may take, in milliseconds. @default 600_000 */
  readonly timeoutMs?: number | undefined;
}

/** What a process of Bun left. */
export interface BunRun {
  /** Its exit code; 128 and the signal's number when a signal ended it. */
  readonly code: number;
  /** The last 64 KiB of what it wrote. */
  readonly output: string;
}

const MAX_OUTPUT = 64 * 1024; // characters
const MAX_REASON = 500; // characters of what Bun says is wrong
const KILL_AFTER_MS = 3_000;
const DEFAULT_TIMEOUT_MS = 600_000;

// A list of what is passed on rather than of what isn't: the server's environment holds secrets under names that
// nobody can list, and Bun needs few: where things are, how to reach a registry, and whom to trust there.
const PASSED_ON =
  /^(PATH|HOME|USERPROFILE|XDG_\w+|TMPDIR|TEMP|TMP|LANG|LC_ALL|LD_LIBRARY_PATH|SYSTEMROOT|SYSTEMDRIVE|WINDIR|COMSPEC|PATHEXT|APPDATA|LOCALAPPDATA|PROGRAMDATA|(HTTP|HTTPS|ALL|NO)_PROXY|NODE_EXTRA_CA_CERTS|NODE_TLS_REJECT_UNAUTHORIZED|SSL_CERT_(FILE|DIR)|NPM_TOKEN|NPM_CONFIG_\w+|BUN_\w+)$/i;

/**
 * Runs Bun with the executable that is running: the compiled one holds all of it, its package manager too. Install
 * scripts are the caller's to switch off.
 *
 * @param args such as `["install", "--ignore-scripts"]`
 * @throws the signal's reason when it is aborted; Error when it takes too long
 */
export async function runBun(args: readonly string[], options: BunRunOptions): Promise<BunRun> {
  const { cwd, signal, onLine, env = {}, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  signal?.throwIfAborted();
  const child = Bun.spawn([process.execPath, ...args], {
    cwd,
    env: { ...toBunEnv(process.env), ...env, BUN_BE_BUN: "1", NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ending = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal === undefined ? [] : [signal])]);
  let killing: Timer | undefined;
  const end = (): void => {
    child.kill("SIGTERM");
    killing = setTimeout(() => child.kill("SIGKILL"), KILL_AFTER_MS);
  };
  ending.addEventListener("abort", end, { once: true });
  try {
    let output = "";
    const take = (line: string): void => {
      output = `${output}${line}\n`.slice(-MAX_OUTPUT);
      onLine?.(line);
    };
    const [code] = await Promise.all([
      child.exited,
      readLines(child.stdout, take),
      readLines(child.stderr, take),
    ]);
    signal?.throwIfAborted();
    if (ending.aborted) throw new Error(`it took longer than ${Math.round(timeoutMs / 1000)} seconds`);
    return { code, output };
  } finally {
    ending.removeEventListener("abort", end);
    clearTimeout(killing);
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
  }
}

/** What a process of Bun gets of an environment: nothing that only xcore, a plugin or a database needs to know. */
export function toBunEnv(env: Environment): Record<string, string> {
  const passed = Object.entries(env).filter(([name, value]) => PASSED_ON.test(name) && value !== undefined);
  return Object.fromEntries(passed) as Record<string, string>;
}

/**
 * Returns the lines with which Bun says what is wrong; "" for no output.
 *
 * @param unmarked line to take where none says that it is an error: `bun info` begins with the reason, others end so
 */
export function toBunReason(output: string, unmarked: "first" | "last" = "last"): string {
  const lines = withoutCredentials(output)
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const marked = lines.filter(
    (line) => /^(error|note|\w*Error):/.test(line) && !line.includes("try re-running"),
  );
  const told = marked.map((line) => line.replace(/^(error|note): /, ""));
  if (told.length === 0) told.push(lines.at(unmarked === "first" ? 0 : -1) ?? "");
  return [...new Set(told)].join(", ").slice(0, MAX_REASON);
}

/** Takes the credentials out of the URLs in what Bun prints. */
export function withoutCredentials(text: string): string {
  return text.replaceAll(/\/\/[^/@\s]+@/g, "//");
}

async function readLines(stream: ReadableStream<Uint8Array>, take: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = `${rest}${decoder.decode(chunk, { stream: true })}`.split(/\r\n|[\r\n]/);
    rest = (lines.pop() ?? "").slice(-MAX_OUTPUT);
    for (const line of lines) take(line);
  }
  if (rest !== "") take(rest);
}
