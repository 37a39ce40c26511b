/**
 * Runs one private database server for a test run: `bun test/database-keeper.ts <postgres|mysql> <folder> <pid>`.
 * It writes `<folder>/server.json`, and ends the server and removes the folder when the process of the run has
 * ended, however that was.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { findProgram } from "./database-programs.ts";
import { findFreePort } from "./free-port.ts";

/** What the keeper tells about its server. */
export interface KeptServer {
  readonly keeper: number;
  readonly url?: string;
  readonly error?: string;
}

export interface Identity {
  readonly uid?: number;
  readonly gid?: number;
}

const USER = "xcore";
// With characters that a URL must escape.
const PASSWORD = "top/s3cret:p@ss";
const WATCH_MS = 200;

/** Whom the servers run as: neither likes root. */
export function findIdentity(): Identity {
  if (process.getuid?.() !== 0) return {};
  for (const line of readFileSync("/etc/passwd", "utf8").split("\n").toSorted().toReversed()) {
    const [name = "", , uid, gid] = line.split(":");
    if (["postgres", "nobody"].includes(name)) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error('Cannot start a database server as root: there is no user "postgres" or "nobody"');
}

function run(program: string, args: readonly string[], identity: Identity): void {
  const { status, stderr, stdout, error } = spawnSync(findProgram(program) ?? program, args, {
    ...identity,
    encoding: "utf8",
    cwd: "/",
    env: process.env,
  });
  if (status !== 0) throw new Error(`Cannot run "${program}": ${error?.message ?? `${stdout}${stderr}`}`);
}

async function start(
  program: string,
  args: readonly string[],
  ready: string,
  identity: Identity,
): Promise<ChildProcess> {
  const child = spawn(findProgram(program) ?? program, args, {
    ...identity,
    cwd: "/",
    stdio: ["ignore", "pipe", "pipe"],
  });
  const { promise, resolve, reject } = Promise.withResolvers<ChildProcess>();
  let said = "";
  child.once("error", reject);
  child.once("exit", () => reject(new Error(`Cannot start "${program}": ${said.slice(-2000)}`)));
  for (const output of [child.stdout, child.stderr]) {
    output?.on("data", (chunk: Buffer) => {
      // Read to the end of its life, so that the pipe never fills up.
      said = (said + chunk.toString()).slice(-8000);
      if (said.includes(ready)) resolve(child);
    });
  }
  return promise;
}

/** How a server is started, once its data are made. */
export interface ServerPlan {
  readonly program: string;
  readonly args: readonly string[];
  readonly identity: Identity;
  /** What it says when it takes connections. */
  readonly ready: string;
  readonly url: string;
}

export interface PlanOptions {
  readonly identity?: Identity;
  /** Whether what it has acknowledged outlasts the end of its process, which takes longer. @default false */
  readonly isDurable?: boolean;
  /** Settings of the server, by name. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Servers that tests start. */
export type ServerKind = "postgres" | "mysql" | "redis" | "memcached" | "nginx";

/** Makes the data of a server in `folder`, and finds it a port. */
export async function planServer(
  kind: ServerKind,
  folder: string,
  { identity = findIdentity(), isDurable = false, settings = {} }: PlanOptions = {},
): Promise<ServerPlan> {
  const port = findFreePort();
  const { plan, toUrl } = SERVERS[kind];
  return { ...plan(folder, { identity, isDurable, settings, port }), identity, url: toUrl(port) };
}

/** Starts a server and resolves when it says that it is ready. */
export function startServer({ program, args, ready, identity }: ServerPlan): Promise<ChildProcess> {
  return start(program, args, ready, identity);
}

type Parts = Required<PlanOptions> & { readonly port: number };
type Start = Pick<ServerPlan, "program" | "args" | "ready">;

const credentials = `${USER}:${encodeURIComponent(PASSWORD)}`;
const SERVERS: Readonly<
  Record<ServerKind, { plan: (folder: string, parts: Parts) => Start; toUrl: (port: number) => string }>
> = {
  postgres: { plan: planPostgres, toUrl: (port) => `postgresql://${credentials}@127.0.0.1:${port}/postgres` },
  mysql: { plan: planMysql, toUrl: (port) => `mysql://${credentials}@127.0.0.1:${port}/mysql` },
  redis: { plan: planRedis, toUrl: (port) => `redis://${credentials}@127.0.0.1:${port}` },
  memcached: { plan: planMemcached, toUrl: (port) => `memcached://127.0.0.1:${port}` },
  nginx: { plan: planNginx, toUrl: (port) => `http://127.0.0.1:${port}` },
};

function planPostgres(folder: string, { identity, isDurable, settings, port }: Parts): Start {
  const data = join(folder, "data");
  const passwordFile = join(folder, "password");
  writeFileSync(passwordFile, PASSWORD);
  run(
    "initdb",
    [
      "-D",
      data,
      "-U",
      USER,
      `--pwfile=${passwordFile}`,
      "--auth=scram-sha-256",
      "--no-sync",
      "--encoding=UTF8",
      "--locale=C",
    ],
    identity,
  );
  const all = {
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    fsync: "off",
    synchronous_commit: isDurable ? "on" : "off",
    full_page_writes: "off",
    wal_level: "minimal",
    max_wal_senders: "0",
    max_connections: "300",
    shared_buffers: "16MB",
    deadlock_timeout: "100ms",
    log_min_messages: "log",
    ...settings,
  };
  const args = Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  return {
    program: "postgres",
    args: ["-D", data, "-p", String(port), ...args],
    ready: "ready to accept connections",
  };
}

function planMysql(folder: string, { identity, isDurable, settings, port }: Parts): Start {
  const data = join(folder, "data");
  const initFile = join(folder, "init.sql");
  writeFileSync(
    initFile,
    `CREATE USER IF NOT EXISTS '${USER}'@'%' IDENTIFIED BY '${PASSWORD}';\nGRANT ALL ON *.* TO '${USER}'@'%' WITH GRANT OPTION;\n`,
  );
  run(
    "mariadb-install-db",
    [
      "--no-defaults",
      `--datadir=${data}`,
      `--tmpdir=${folder}`, // others remove what is in the system's
      "--skip-test-db",
      "--skip-name-resolve",
      "--auth-root-authentication-method=normal",
    ],
    identity,
  );
  const all = {
    datadir: data,
    socket: join(folder, "socket"),
    "pid-file": join(folder, "pid"),
    "init-file": initFile,
    port: String(port),
    "bind-address": "127.0.0.1",
    // As Debian has it, and MySQL since 8.
    "character-set-server": "utf8mb4",
    "collation-server": "utf8mb4_general_ci",
    "max-connections": "300",
    "innodb-flush-log-at-trx-commit": isDurable ? "2" : "0",
    "innodb-doublewrite": "0",
    "innodb-buffer-pool-size": "32M",
    "innodb-log-file-size": "16M",
    "innodb-lock-wait-timeout": "20",
    ...settings,
  };
  const args = Object.entries(all).map(([name, value]) => `--${name}=${value}`);
  return {
    program: "mariadbd",
    args: ["--no-defaults", "--skip-name-resolve", "--skip-log-bin", ...args],
    ready: "ready for connections",
  };
}

function planRedis(folder: string, { isDurable, settings, port }: Parts): Start {
  const all = {
    dir: folder,
    port: String(port),
    bind: "127.0.0.1",
    save: "",
    appendonly: isDurable ? "yes" : "no",
    // Otherwise what is acknowledged while a sync takes its time is written up to two seconds later.
    appendfsync: "no",
    // Not "off": Redis 7.0 reads its file of commands as that user, and passes over all transactions in it then, or doesn't.
    requirepass: PASSWORD,
    user: `${USER} on >${PASSWORD} ~* &* +@all`,
    ...settings,
  };
  const args = Object.entries(all).flatMap(([name, value]) => [`--${name}`, ...value.split(" ")]);
  return {
    program: "redis-server",
    args,
    ready: "Ready to accept connections",
  };
}

function planMemcached(_folder: string, { settings, port }: Parts): Start {
  const all = { port: String(port), listen: "127.0.0.1", "memory-limit": "64", ...settings };
  const args = Object.entries(all).map(([name, value]) => `--${name}=${value}`);
  return { program: "memcached", args: ["-U", "0", "-vv", ...args], ready: "server listening" };
}

/** Its setting "http" is what stands in a file of `/etc/nginx/conf.d`, with port 80. */
function planNginx(folder: string, { settings, port }: Parts): Start {
  const file = join(folder, "nginx.conf");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const http = (settings["http"] ?? "").replace("listen 80;", `listen 127.0.0.1:${port};`);
  writeFileSync(
    file,
    `daemon off;
master_process off; # what is killed leaves no workers behind
pid ${join(folder, "pid")};
error_log stderr notice;
events { worker_connections 1024; }
http {
access_log off;
${temporary.map((name) => `${name}_temp_path ${join(folder, name)};`).join("\n")}
${http}
}
`,
  );
  return { program: "nginx", args: ["-e", "stderr", "-p", folder, "-c", file], ready: "event method" };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function tell(folder: string, server: KeptServer): void {
  writeFileSync(join(folder, "server.json.saving"), JSON.stringify(server));
  renameSync(join(folder, "server.json.saving"), join(folder, "server.json"));
}

async function keep(kind: ServerKind, folder: string, runPid: number): Promise<void> {
  const serverFolder = join(folder, "files");
  const identity = findIdentity();
  mkdirSync(serverFolder, { mode: 0o700 });
  if (identity.uid !== undefined) {
    chownSync(serverFolder, identity.uid, identity.gid ?? identity.uid);
    chmodSync(folder, 0o711);
  }
  let child: ChildProcess | null = null;
  const end = (): void => {
    // PostgreSQL frees its shared memory on SIGQUIT; it asks for no more than that.
    child?.kill(kind === "postgres" ? "SIGQUIT" : "SIGKILL");
    if (child === null) process.exit();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, end);
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  setInterval(() => {
    if (!isAlive(runPid)) end();
  }, WATCH_MS);
  const plan = await planServer(kind, serverFolder, { identity });
  const started = await startServer(plan);
  child = started;
  started.once("exit", () => process.exit());
  tell(folder, { keeper: process.pid, url: plan.url });
}

if (import.meta.main) {
  const [kind = "", folder = "", runPid = ""] = process.argv.slice(2);
  try {
    await keep(kind as ServerKind, folder, Number(runPid));
  } catch (error) {
    if (existsSync(folder)) tell(folder, { keeper: process.pid, error: String(error) });
  }
}
