import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { type SQL, sql } from "drizzle-orm";
import { pino } from "pino";
import type { DatabaseUrl, ServerUrl } from "../../db/contract/database-url.ts";
import { DatabaseError } from "../../db/contract/database-error.ts";
import type { Database } from "../../db/contract/database.ts";
import { openDatabase } from "../../db/open.ts";

const PREFIX = "xcore_trial_";
const NAME = /^xcore_trial_([0-9a-z]{1,12})_[0-9a-f]{8}$/;
/** Trials don't take so long: their process was killed. */
const STALE_MS = 86_400_000;

/**
 * Has `work` use an empty database, which goes at the end: a file in the folder, or one beside that of the project on its
 * server. Those that killed processes have left there a day ago go too.
 *
 * @throws DatabaseError where the user of the database may make none
 */
export async function withTrialDatabase<T>(
  url: DatabaseUrl,
  folder: string,
  work: (trial: DatabaseUrl) => Promise<T>,
): Promise<T> {
  if (url.dialect === "sqlite") {
    const file = join(folder, "trial.db");
    return work({ dialect: "sqlite", file, shown: `sqlite:${file}` });
  }
  const log = pino({ level: "silent" });
  const driver = await openDatabase({ url, poolSize: 1, echo: false, log, statementTimeoutMs: 600_000 });
  try {
    const db = driver.toDatabase({});
    const name = `${PREFIX}${Date.now().toString(36)}_${randomBytes(4).toString("hex")}`;
    await create(db, url, name);
    try {
      return await work({ ...url, database: name, shown: url.shown.replace(/[^/]*$/, name) });
    } finally {
      await drop(db, url, name);
      await sweep(db, url).catch(() => {}); // they don't harm
    }
  } finally {
    await driver.close();
  }
}

async function create(db: Database, { dialect, shown, user }: ServerUrl, name: string): Promise<void> {
  const how = dialect === "mysql" ? " default character set utf8mb4" : "";
  try {
    await db.execute(sql`create database ${sql.identifier(name)}${sql.raw(how)}`);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const right =
      dialect === "postgres"
        ? `alter role "${user}" createdb`
        : `grant all on \`xcore\\_trial\\_%\`.* to the user "${user}"`;
    throw new DatabaseError(
      "credentials",
      `Cannot verify a backup on "${shown}": a database for it can't be made (${reason}); allow it with: ${right}`,
      { cause },
    );
  }
}

async function drop(db: Database, { dialect }: ServerUrl, name: string): Promise<void> {
  const force = dialect === "postgres" ? " with (force)" : "";
  await db.execute(sql`drop database if exists ${sql.identifier(name)}${sql.raw(force)}`);
}

async function sweep(db: Database, url: ServerUrl): Promise<void> {
  const all: SQL =
    url.dialect === "postgres"
      ? sql`select datname as name from pg_database`
      : sql`select schema_name as name from information_schema.schemata`;
  for (const { name } of await db.execute<{ name: string }>(all)) {
    const madeAt = Number.parseInt(NAME.exec(name)?.[1] ?? "", 36);
    // oxlint-disable-next-line no-await-in-loop -- there are next to none
    if (Date.now() - madeAt > STALE_MS) await drop(db, url, name);
  }
}
