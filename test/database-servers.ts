import { randomBytes } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import pino from "pino";
import { parseDatabaseUrl } from "../src/db/contract/database-url.ts";
import { type Dialect, DIALECTS, type Driver } from "../src/db/contract/driver.ts";
import { openDatabase } from "../src/db/open.ts";
import { toMigratedDatabase, writeMigratedFile } from "./core-tables.ts";
import type { KeptServer } from "./database-keeper.ts";
import { findProgram, SERVER_PROGRAMS } from "./database-programs.ts";
import { testUnlessMissing } from "./programs.ts";
import { runOnServer } from "./run-on-server.ts";
import { SCRATCH } from "./scratch.ts";
import { TestFolder } from "./setup.ts";

/** An empty database of a test's own, dropped at its end. */
export interface TestDatabase extends AsyncDisposable {
  readonly dialect: Dialect;
  /** As `database.url` says it, with the credentials of a user that may do everything. */
  readonly url: string;
  readonly folder: TestFolder;
}

type ServerDialect = Exclude<Dialect, "sqlite">;

/** Given servers, instead of private ones. */
const GIVEN: Readonly<Record<ServerDialect, string>> = {
  postgres: "XCORE_TEST_POSTGRES_URL",
  mysql: "XCORE_TEST_MYSQL_URL",
};

const START_MS = 60_000;
const POLL_MS = 20;

export interface TestDatabaseOptions {
  /** Whether it has the core's tables; on a given server, they are still to be made. @default false */
  readonly hasCoreTables?: boolean;
}

/** Makes a database, empty if not asked otherwise, on a real server, which is started when this run has none yet. */
export async function createTestDatabase(
  dialect: Dialect,
  { hasCoreTables = false }: TestDatabaseOptions = {},
): Promise<TestDatabase> {
  const folder = await TestFolder.create();
  if (dialect === "sqlite") {
    const file = join(folder.path, "app.db");
    if (hasCoreTables) await writeMigratedFile(file);
    return {
      dialect,
      url: `sqlite:${file}`,
      folder,
      [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
    };
  }
  const server = await findServer(dialect);
  const name = `xcore_test_${randomBytes(8).toString("hex")}`;
  const url = new URL(server);
  const isPrivate = process.env[GIVEN[dialect]] === undefined;
  await runOnServer(
    server,
    hasCoreTables && isPrivate ? await toMigratedDatabase(url, name) : `create database ${name}`,
  );
  url.pathname = `/${name}`;
  const drop = dialect === "postgres" ? `drop database ${name} with (force)` : `drop database ${name}`;
  return {
    dialect,
    url: url.href,
    folder,
    async [Symbol.asyncDispose]() {
      await runOnServer(server, drop);
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** What a test on each dialect is given. */
export interface DialectTest {
  readonly dialect: Dialect;
  readonly url: string;
  readonly folder: TestFolder;
  /** Open on the database, with a pool of 5 connections; closed at the end. */
  readonly driver: Driver;
}

/** Declares the test for SQLite, PostgreSQL and MySQL, each on an empty database of its own. */
export function testOnEachDialect(
  name: string,
  run: (context: DialectTest) => Promise<void>,
  timeoutMs = 120_000,
): void {
  for (const dialect of DIALECTS) testOnDialect(dialect, name, run, timeoutMs);
}

/** Declares the test for SQLite, PostgreSQL and MySQL, each on a database of its own with the core's tables. */
export function testWithCoreTables(
  name: string,
  run: (context: DialectTest) => Promise<void>,
  timeoutMs = 120_000,
): void {
  for (const dialect of DIALECTS) declareTest(dialect, name, run, { timeoutMs, hasCoreTables: true });
}

/** Declares the test for one dialect. Where its server is missing it is skipped, loudly; where CI=true it fails. */
export function testOnDialect(
  dialect: Dialect,
  name: string,
  run: (context: DialectTest) => Promise<void>,
  timeoutMs = 120_000,
): void {
  declareTest(dialect, name, run, { timeoutMs });
}

function declareTest(
  dialect: Dialect,
  name: string,
  run: (context: DialectTest) => Promise<void>,
  { timeoutMs, ...options }: TestDatabaseOptions & { readonly timeoutMs: number },
): void {
  testWithServer(dialect, `${name} (${dialect})`, timeoutMs, async () => {
    await using database = await createTestDatabase(dialect, options);
    const { url, folder } = database;
    const driver = await openDatabase({
      url: parseDatabaseUrl(url, folder.path),
      poolSize: 5,
      waitTimeoutMs: timeoutMs,
      echo: false,
      log: pino({ level: "silent" }),
    });
    try {
      await run({ dialect, url, folder, driver });
    } finally {
      await driver.close();
    }
  });
}

/** Declares a test that makes its databases itself, with `createTestDatabase(dialect)`. */
export function testWithServer(
  dialect: Dialect,
  name: string,
  timeoutMs: number,
  run: () => Promise<void>,
): void {
  testUnlessMissing(findMissingProgram(dialect), name, run, timeoutMs);
}

function findMissingProgram(dialect: Dialect): string | null {
  if (dialect === "sqlite" || process.env[GIVEN[dialect]] !== undefined) return null;
  return SERVER_PROGRAMS[dialect].find((program) => findProgram(program) === null) ?? null;
}

async function findServer(dialect: ServerDialect): Promise<string> {
  const given = process.env[GIVEN[dialect]];
  if (given !== undefined) return given;
  // The workers of `bun test --parallel` share their parent's servers.
  const isWorker = process.env["BUN_TEST_WORKER_ID"] !== undefined;
  const runPid = isWorker ? process.ppid : process.pid;
  const folder = join(SCRATCH, `xcore-${dialect}-${runPid}`);
  const deadline = Date.now() + START_MS;
  while (Date.now() < deadline) {
    // oxlint-disable-next-line no-await-in-loop -- one look after another
    if (await isFirst(folder)) startKeeper(dialect, folder, runPid);
    // oxlint-disable-next-line no-await-in-loop
    const server = await readServer(folder);
    if (server?.url !== undefined) return server.url;
    if (server?.error !== undefined) throw new Error(server.error);
    // oxlint-disable-next-line no-await-in-loop
    await Bun.sleep(POLL_MS);
  }
  throw new Error(`Cannot start a server for ${dialect}: it isn't ready after ${START_MS} ms`);
}

async function isFirst(folder: string): Promise<boolean> {
  try {
    await mkdir(folder);
    return true;
  } catch {
    return false;
  }
}

function startKeeper(dialect: ServerDialect, folder: string, runPid: number): void {
  const keeper = [process.execPath, join(import.meta.dir, "database-keeper.ts")];
  // Through a shell that ends at once: what a worker of `bun test --parallel` has started itself is ended with it.
  const shell = Bun.spawn(["sh", "-c", '"$@" &', "sh", ...keeper, dialect, folder, String(runPid)], {
    stdio: ["ignore", "ignore", "ignore"],
    detached: true,
  });
  shell.unref();
}

async function readServer(folder: string): Promise<KeptServer | null> {
  const file = Bun.file(join(folder, "server.json"));
  if (!(await file.exists())) return null;
  const server = (await file.json()) as KeptServer;
  try {
    process.kill(server.keeper, 0);
    return server;
  } catch {
    if (server.error !== undefined) return server;
    // What a killed keeper has left, of a run that had the same pid.
    await rm(folder, { recursive: true, force: true });
    return null;
  }
}
