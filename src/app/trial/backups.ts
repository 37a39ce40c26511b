import { mkdir, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { pino } from "pino";
import { toBackupProject } from "../../backups/project.ts";
import { type LoadedConfig, loadConfig } from "../../config/load.ts";
import { unpackBackup } from "../../db/backup/archive.ts";
import { withWorkFolder } from "../../db/backup/disk.ts";
import { createDump } from "../../db/backup/dump.ts";
import { DatabaseError } from "../../db/contract/database-error.ts";
import type { DatabaseUrl } from "../../db/contract/database-url.ts";
import { openDatabase } from "../../db/open.ts";
import { findMissingColumns } from "../../db/migrations/status.ts";
import { type App, createApp } from "../app.ts";
import { withTrialDatabase } from "./database.ts";

export interface TrialOptions {
  readonly loaded: LoadedConfig;
  readonly version: string;
  /** Absolute path of the backup. */
  readonly file: string;
  /** After so long checking and restoring are given up, in ms. @default 1 hour */
  readonly timeoutMs?: number | undefined;
}

/** A backup that a server has run on. */
export interface TrialReport {
  readonly created_at: string;
  readonly xcore_version: string;
  readonly dialect: string;
  /** Of the core and of plugins. */
  readonly tables: number;
  /** In all of these tables. */
  readonly rows: number;
  readonly users: number;
  /** What somebody should know of it. */
  readonly warnings: readonly string[];
}

const TIMEOUT_MS = 3_600_000;

/**
 * Restores a backup into a database of its own, which goes at the end, and starts a server on it, which answers requests
 * on a free port of this machine. Code of plugins isn't run, nor is a job or a task, so that nothing is sent to anybody; what
 * is there isn't touched.
 *
 * @throws DatabaseError where it is damaged, can't be restored, or no server runs on it
 */
export async function tryBackup({
  loaded,
  version,
  file,
  timeoutMs = TIMEOUT_MS,
}: TrialOptions): Promise<TrialReport> {
  const project = toBackupProject(loaded, { version });
  if ((await stat(file).catch(() => null))?.isFile() !== true) {
    throw new DatabaseError("unavailable", `Cannot verify "${file}": there is no such file`);
  }
  await mkdir(project.backupsDirectory, { recursive: true });
  return withWorkFolder(join(project.backupsDirectory, ".xcore-trial-"), async (folder) => {
    const { manifest, paths } = await unpackBackup(file, folder);
    if (manifest.dialect !== project.url.dialect) {
      throw new DatabaseError(
        "other",
        `Cannot verify "${file}": it is a backup of ${manifest.dialect}, and "database.url" names ${project.url.dialect}`,
      );
    }
    return withTrialDatabase(project.url, folder, async (url) => {
      const dump = createDump(url, project.env);
      const path = paths.get(dump.member);
      if (path === undefined)
        throw new DatabaseError("corrupt", `Cannot verify "${file}": "${dump.member}" is missing`);
      const warnings = await restore(path, url, { dump, timeoutMs });
      const counts = await count(url);
      await boot(toTrialConfig(loaded, { url, folder }), version);
      const { created_at, xcore_version, dialect } = manifest;
      return { created_at, xcore_version, dialect, ...counts, warnings };
    });
  });
}

async function restore(
  path: string,
  url: DatabaseUrl,
  { dump, timeoutMs }: { readonly dump: ReturnType<typeof createDump>; readonly timeoutMs: number },
): Promise<string[]> {
  const deadline = AbortSignal.timeout(timeoutMs);
  await using taken = await dump.take();
  const warnings = await taken.check(path, deadline);
  if (url.dialect === "sqlite") await rename(path, url.file);
  else await taken.replace(path, deadline, null);
  return warnings;
}

/** A configuration with nothing of the project's but how its database is used: no other key leads out of this machine. */
function toTrialConfig(
  { config }: LoadedConfig,
  { url, folder }: { readonly url: DatabaseUrl; readonly folder: string },
): LoadedConfig {
  return loadConfig({
    cwd: folder,
    env: {},
    text: "{}",
    flags: {
      server: { host: "127.0.0.1", port: 0 },
      database: { ...config.database, url: toText(url), auto_migrate: true },
      backups: { before_migration: false },
      logging: { level: "error" },
    },
  });
}

function toText(url: DatabaseUrl): string {
  if (url.dialect === "sqlite") return `sqlite:${url.file}`;
  const scheme = url.dialect === "postgres" ? "postgresql" : "mysql";
  const host = url.host.includes(":") ? `[${url.host}]` : url.host;
  const [user, password, database] = [url.user, url.password, url.database].map(encodeURIComponent);
  const options = new URLSearchParams(url.options).toString();
  return `${scheme}://${user}:${password}@${host}:${url.port}/${database}${options === "" ? "" : `?${options}`}`;
}

async function boot(loaded: LoadedConfig, version: string): Promise<void> {
  const app = await createApp({ loaded, version, isCommand: true, stdout: process.stderr, print() {} });
  try {
    await app.plugins.start();
    app.web.listen({ hostname: "127.0.0.1", port: 0, isShared: false }, null);
    await assertAnswers(app);
  } finally {
    await app.web.stop(0);
    await app.close();
  }
}

async function assertAnswers({ web, database, store }: App): Promise<void> {
  for (const [path, status] of [
    ["/health", 200],
    ["/openapi.json", 200],
    ["/auth/me", 401],
  ] as const) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const response = await fetch(new URL(path, web.url ?? ""), { signal: AbortSignal.timeout(30_000) });
    if (response.status !== status) {
      throw new DatabaseError(
        "other",
        `Cannot run a server on the backup: it answers ${path} with ${response.status}`,
      );
    }
  }
  const missing = await findMissingColumns(database, Object.values(store.tables));
  if (missing.length === 0) return;
  throw new DatabaseError("other", `Cannot run a server on the backup: it lacks ${missing.join(", ")}`);
}

/** Before a server runs on it, which writes rows of its own. */
async function count(url: DatabaseUrl): Promise<Pick<TrialReport, "tables" | "rows" | "users">> {
  const driver = await openDatabase({ url, poolSize: 1, echo: false, log: pino({ level: "silent" }) });
  try {
    const db = driver.toDatabase({});
    const tables = await db.execute<{ name: string }>(sql`select name from xcore_tables order by name`);
    const counts = new Map<string, number>();
    for (const { name } of tables) {
      // oxlint-disable-next-line no-await-in-loop -- each reads its whole table
      const [found] = await db.execute<{ n: unknown }>(
        sql`select count(*) as n from ${sql.identifier(name)}`,
      );
      counts.set(name, Number(found?.n ?? 0));
    }
    const rows = [...counts.values()].reduce((sum, one) => sum + one, 0);
    return { tables: counts.size, rows, users: counts.get("users") ?? 0 };
  } finally {
    await driver.close();
  }
}
