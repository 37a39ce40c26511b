import { Database } from "bun:sqlite";
import { accessSync, constants, existsSync, realpathSync, statSync } from "node:fs";
import { link, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { DatabaseError } from "../contract/database-error.ts";
import type { SqliteUrl } from "../contract/database-url.ts";
import { toSqliteFault } from "../sqlite/connection/faults.ts";
import { copyOwner, toTimestamp } from "./disk.ts";
import type { DumpFormat, TakenDatabase } from "./dump.ts";
import { type AppliedMigration, assertKnown, MIGRATIONS_TABLE } from "./known-migrations.ts";

const BUSY_TIMEOUT_MS = 2000;
// What SQLite keeps beside a database. Left there, a log of the old database would be played into the new one.
const SIDE_FILES = ["-wal", "-shm", "-journal"];

/** SQLite: the dump is a database itself. */
export function createSqliteDump(url: SqliteUrl): DumpFormat {
  // The file itself, where the URL names a link.
  const present = existsSync(url.file) ? realpathSync(url.file) : url.file;
  return {
    member: "database.sqlite",
    directory: dirname(present),
    async estimate() {
      const sizes = ["", "-wal"].map(
        (suffix) => statSync(present + suffix, { throwIfNoEntry: false })?.size ?? 0,
      );
      return sizes.reduce((sum, size) => sum + size, 0);
    },
    async dump(file) {
      const action = `Cannot back up "${url.shown}"`;
      if (!existsSync(present)) throw new DatabaseError("unavailable", `${action}: there is no such file`);
      try {
        const [first, ...others] = await copyInThread(present, file);
        if (first !== "ok") throw damaged(1 + others.length);
      } catch (error) {
        throw toDumpError(error, action);
      }
    },
    async take() {
      if (!existsSync(present)) return toTaken(present, { keptAs: null, lock: null });
      const keptAs = `${present}.before-restore-${toTimestamp(new Date())}`;
      return toTaken(present, { keptAs, lock: lockDatabase(present, url.shown) });
    },
  };
}

function toTaken(
  present: string,
  { keptAs, lock }: { readonly keptAs: string | null; readonly lock: Database | null },
): TakenDatabase {
  const isDamaged = keptAs !== null && lock === null;
  return {
    needsBackup: false,
    isAtomic: true,
    warnings: isDamaged
      ? ["the present database can't be read, so whether a server uses it can't be told: stop it first"]
      : [],
    keptAs,
    async check(file) {
      try {
        using database = new Database(file, { readonly: true });
        assertIntegrity(database);
        assertKnown("sqlite", readMigrations(database));
        const { count } = database
          .query<{ count: number }, []>("select count(*) as count from pragma_foreign_key_check")
          .get() ?? { count: 0 };
        return count === 0 ? [] : [`in the backup, ${count} rows refer to rows that are missing`];
      } catch (error) {
        throw toDumpError(error, "Cannot restore the backup");
      }
    },
    replace: (file) => replaceFile(file, { present, keptAs }),
    async [Symbol.asyncDispose]() {
      lock?.close();
    },
  };
}

async function replaceFile(
  file: string,
  { present, keptAs }: { readonly present: string; readonly keptAs: string | null },
): Promise<void> {
  if (keptAs !== null) await copyOwner(await stat(present), file);
  const kept = keptAs ?? `${present}.before-restore-${toTimestamp(new Date())}`;
  const moved: string[] = [];
  try {
    for (const suffix of ["", ...SIDE_FILES]) {
      if (!existsSync(present + suffix)) continue;
      const [from, to] = [present + suffix, kept + suffix];
      // oxlint-disable-next-line no-await-in-loop -- in this order, and undone in the other
      await (suffix === "" ? keepBeside(from, to) : rename(from, to));
      moved.push(suffix);
    }
    await rename(file, present);
  } catch (error) {
    // oxlint-disable-next-line no-await-in-loop
    for (const suffix of moved.toReversed()) await rename(kept + suffix, present + suffix);
    // Two names of one file aren't renamed.
    await rm(kept, { force: true });
    throw error;
  }
  await syncDirectory(dirname(present));
}

/**
 * Locks the database so that no server can open it, and writes its log into it. A connection in WAL mode holds a
 * lock on the file for as long as it is open, so the way out of that mode fails while a server runs.
 *
 * @returns null when the file is damaged
 */
function lockDatabase(file: string, shown: string): Database | null {
  assertWritable(file, shown);
  const database = new Database(file, { readwrite: true });
  try {
    database.run(`pragma busy_timeout = ${BUSY_TIMEOUT_MS}`);
    database.run("pragma journal_mode = delete");
    database.run("begin exclusive");
    return database;
  } catch (thrown) {
    database.close();
    const error = toSqliteFault(thrown);
    if (!(error instanceof DatabaseError)) throw error;
    if (error.fault === "corrupt") return null;
    if (error.fault !== "busy") throw error;
    throw new DatabaseError(
      "busy",
      `Cannot restore "${shown}": it is in use; stop the server, then restore again`,
    );
  }
}

/** @throws DatabaseError for a file of another user, which can't be locked: whether a server runs on it couldn't be told */
function assertWritable(file: string, shown: string): void {
  try {
    accessSync(file, constants.R_OK | constants.W_OK);
  } catch (error) {
    throw new DatabaseError(
      "readonly",
      `Cannot restore "${shown}": this user may not write the file of the database; run it as the user who owns that`,
      { cause: error },
    );
  }
}

/** Says what was done instead of which statement failed. */
function toDumpError(thrown: unknown, action: string): unknown {
  const error = toSqliteFault(thrown, { showsReason: true });
  if (!(error instanceof DatabaseError)) return error;
  return new DatabaseError(error.fault, `${action}: ${error.message.replace(/^Cannot [^:]*: /, "")}`);
}

function assertIntegrity(database: Database): void {
  const [first, ...others] = database
    .query<{ integrity_check: string }, []>("pragma integrity_check(10)")
    .all();
  if (first?.integrity_check !== "ok") throw damaged(1 + others.length);
}

function readMigrations(database: Database): AppliedMigration[] {
  const tables = database.query("select 1 from sqlite_master where name = ?").all(MIGRATIONS_TABLE);
  if (tables.length === 0) return [];
  return database.query<AppliedMigration, []>(`select owner, name from ${MIGRATIONS_TABLE}`).all();
}

function damaged(count: number): DatabaseError {
  return new DatabaseError(
    "corrupt",
    `Cannot read the database: it is damaged, with ${count} faults or more`,
  );
}

/** In a worker, as it takes its time, and the event loop of a server mustn't wait for it. */
const THREAD = `
import { Database } from "bun:sqlite";
self.onmessage = ({ data: { from, to, timeout } }) => {
  try {
    const database = new Database(from, { readonly: true });
    database.run("pragma busy_timeout = " + timeout);
    database.query("vacuum into ?").run(to);
    database.close();
    const copy = new Database(to, { readonly: true });
    const faults = copy.query("pragma integrity_check(10)").all().map((row) => row.integrity_check);
    copy.close();
    postMessage({ faults });
  } catch (error) {
    postMessage({ message: String(error?.message), code: error?.code });
  }
};
`;

type Reply = { readonly faults: string[] } | { readonly message: string; readonly code: string | undefined };

/** Copies a database as it is at one moment, and returns what is wrong with the copy: "ok". @throws Error as bun:sqlite does */
async function copyInThread(from: string, to: string): Promise<string[]> {
  const url = URL.createObjectURL(new Blob([THREAD], { type: "text/javascript" }));
  const worker = new Worker(url, { smol: true });
  const reply = Promise.withResolvers<Reply>();
  worker.addEventListener("message", ({ data }: MessageEvent<Reply>) => reply.resolve(data));
  worker.addEventListener("error", ({ message }) => reply.resolve({ message, code: undefined }));
  try {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has none
    worker.postMessage({ from, to, timeout: BUSY_TIMEOUT_MS });
    const answer = await reply.promise;
    if ("faults" in answer) return answer.faults;
    throw Object.assign(new Error(answer.message), { code: answer.code });
  } finally {
    worker.terminate();
    URL.revokeObjectURL(url);
  }
}

/**
 * Gives the database a second name: the next rename puts the new one in its place in one step. Were there none in
 * between, a server that starts then would make an empty one.
 */
async function keepBeside(file: string, keptAs: string): Promise<void> {
  await link(file, keptAs).catch(() => rename(file, keptAs)); // not every file system has links
}

/** Makes renames last through a power failure, where the system can. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory).catch(() => null);
  await handle?.sync().catch(() => {});
  await handle?.close();
}
