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
import { createServer } from "node:net";
import { join } from "node:path";
import { findProgram } from "./database-programs.ts";

/** What the keeper tells about its server. */
export interface KeptServer {
  readonly keeper: number;
  readonly url?: string;
  readonly error?: string;
}

interface Identity {
  readonly uid?: number;
  readonly gid?: number;
}

const USER = "xcore";
// With characters that a URL must escape.
const PASSWORD = "top/s3cret:p@ss";
const WATCH_MS = 200;

/** Whom the servers run as: neither likes root. */
function findIdentity(): Identity {
  if (process.getuid?.() !== 0) return {};
  for (const line of readFileSync("/etc/passwd", "utf8").split("\n").toSorted().toReversed()) {
    const [name = "", , uid, gid] = line.split(":");
    if (["postgres", "nobody"].includes(name)) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error('Cannot start a database server as root: there is no user "postgres" or "nobody"');
}

async function findFreePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const server = createServer();
  server.once("error", reject);
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
  });
  return promise;
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

/** Starts a server and resolves when it says on stderr that it is ready. */
async function start(
  program: string,
  args: readonly string[],
  ready: string,
  identity: Identity,
): Promise<ChildProcess> {
  const child = spawn(findProgram(program) ?? program, args, {
    ...identity,
    cwd: "/",
    stdio: ["ignore", "ignore", "pipe"],
  });
  const { promise, resolve, reject } = Promise.withResolvers<ChildProcess>();
  let said = "";
  child.once("error", reject);
  child.once("exit", () => reject(new Error(`Cannot start "${program}": ${said.slice(-2000)}`)));
  child.stderr?.on("data", (chunk: Buffer) => {
    // Read to the end of its life, so that the pipe never fills up.
    said = (said + chunk.toString()).slice(-8000);
    if (said.includes(ready)) resolve(child);
  });
  return promise;
}

async function startPostgres(folder: string, identity: Identity): Promise<[ChildProcess, number]> {
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
  const settings = {
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    fsync: "off",
    synchronous_commit: "off",
    full_page_writes: "off",
    wal_level: "minimal",
    max_wal_senders: "0",
    max_connections: "300",
    shared_buffers: "16MB",
    deadlock_timeout: "100ms",
  };
  const port = await findFreePort();
  const args = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const ready = "ready to accept connections";
  return [
    await start(
      "postgres",
      ["-D", data, "-p", String(port), ...args, "-c", "log_min_messages=log"],
      ready,
      identity,
    ),
    port,
  ];
}

async function startMysql(folder: string, identity: Identity): Promise<[ChildProcess, number]> {
  const data = join(folder, "data");
  const initFile = join(folder, "init.sql");
  writeFileSync(
    initFile,
    `CREATE USER '${USER}'@'%' IDENTIFIED BY '${PASSWORD}';\nGRANT ALL ON *.* TO '${USER}'@'%' WITH GRANT OPTION;\n`,
  );
  run(
    "mariadb-install-db",
    [
      "--no-defaults",
      `--datadir=${data}`,
      "--skip-test-db",
      "--skip-name-resolve",
      "--auth-root-authentication-method=normal",
    ],
    identity,
  );
  const port = await findFreePort();
  const args = [
    "--no-defaults",
    `--datadir=${data}`,
    `--socket=${join(folder, "socket")}`,
    `--pid-file=${join(folder, "pid")}`,
    `--init-file=${initFile}`,
    `--port=${port}`,
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--skip-log-bin",
    // As Debian has it, and MySQL since 8.
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_general_ci",
    "--max-connections=300",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-buffer-pool-size=32M",
    "--innodb-log-file-size=16M",
    "--innodb-lock-wait-timeout=20",
  ];
  return [await start("mariadbd", args, "ready for connections", identity), port];
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

async function keep(kind: string, folder: string, runPid: number): Promise<void> {
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
  const startServer = kind === "postgres" ? startPostgres : startMysql;
  const [started, port] = await startServer(serverFolder, identity);
  child = started;
  started.once("exit", () => process.exit());
  const credentials = `${USER}:${encodeURIComponent(PASSWORD)}`;
  const url =
    kind === "postgres"
      ? `postgresql://${credentials}@127.0.0.1:${port}/postgres`
      : `mysql://${credentials}@127.0.0.1:${port}/mysql`;
  tell(folder, { keeper: process.pid, url });
}

if (import.meta.main) {
  const [kind = "", folder = "", runPid = ""] = process.argv.slice(2);
  try {
    await keep(kind, folder, Number(runPid));
  } catch (error) {
    if (existsSync(folder)) tell(folder, { keeper: process.pid, error: String(error) });
  }
}
