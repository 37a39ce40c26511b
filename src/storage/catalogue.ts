import { and, asc, eq, gt, inArray, isNotNull, isNull, or, type SQL, sql } from "drizzle-orm";
import { ConstraintError } from "../db/contract/database-error.ts";
import type { Database, Transaction } from "../db/contract/database.ts";
import type { CoreTables } from "../db/schema/core-tables.ts";
import type { FilePlace, StoredFile } from "./contract/stored-file.ts";

export type FilesTable = CoreTables["storedFiles"];

/** What a file is entered with: all of its content is kept by then. */
export interface NewFile extends Omit<StoredFile, "key" | "created_at"> {
  readonly plugin: string;
}

/** Whose file it is to be. */
export interface Claim {
  readonly plugin: string;
  readonly place: FilePlace;
  readonly rowKey: string;
  /** Null for nobody known. */
  readonly userId: number | null;
}

/** What is attached to a row. */
export interface Attached extends Omit<Claim, "userId"> {
  /** One of them. @default all */
  readonly id?: string;
}

/** How long what nothing refers to stays, in ms. */
export const GRACE_MS = 86_400_000;
const TRIES = 3;
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What is kept of files in the database. */
export class Catalogue {
  readonly #db: Database;
  readonly #files: FilesTable;

  constructor(db: Database, files: FilesTable) {
    this.#db = db;
    this.#files = files;
  }

  /** Enters a file that waits for a row to refer to it. */
  async addUpload(file: NewFile, { table, column }: FilePlace): Promise<StoredFile> {
    const row = { table_name: table, column_name: column, expires_at: new Date(Date.now() + GRACE_MS) };
    return insert(this.#db, this.#files, { ...file, ...row });
  }

  /** Enters a file under a key. Returns it with the id of the one whose place it takes, if there was one. */
  async put(
    file: NewFile,
    key: string,
  ): Promise<{ readonly file: StoredFile; readonly replaced: string | null }> {
    for (let tries = 1; ; tries += 1) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- again, where somebody else was first
        return await this.#db.transaction(async (tx) => {
          const replaced = await this.#remove(tx, file.plugin, key);
          return { file: await insert(tx, this.#files, { ...file, key }), replaced };
        });
      } catch (error) {
        if (tries === TRIES || !(error instanceof ConstraintError)) throw error;
      }
    }
  }

  /** Forgets the file of a key; returns its id, null where there is none. */
  remove(plugin: string, key: string): Promise<string | null> {
    return this.#remove(this.#db, plugin, key);
  }

  async #remove(db: Database | Transaction, plugin: string, key: string): Promise<string | null> {
    const files = this.#files;
    const removed = await db
      .delete(files)
      .where(and(eq(files.plugin, plugin), eq(files.key, key)))
      .returning();
    return removed[0]?.id ?? null;
  }

  /** Forgets an upload, unless a row has come to refer to it; returns whether it has. */
  async removeUpload(id: string): Promise<boolean> {
    const files = this.#files;
    const removed = await this.#db
      .delete(files)
      .where(and(this.#isOf([id]), isNull(files.row_key), isNull(files.key)))
      .returning();
    return removed.length > 0;
  }

  /** Finds a file by its key, or by its id; null for none. */
  async find(plugin: string, wanted: string | { readonly id: string }): Promise<StoredFile | null> {
    const files = this.#files;
    const isIt = typeof wanted === "string" ? eq(files.key, wanted) : this.#isOf([wanted.id]);
    const [row] = await this.#db
      .select()
      .from(files)
      .where(and(eq(files.plugin, plugin), isIt))
      .limit(1);
    return row === undefined ? null : toStoredFile(row);
  }

  /** Finds a file of any plugin. */
  async findAny(id: string): Promise<StoredFile | null> {
    const [row] = await this.#db
      .select()
      .from(this.#files)
      .where(this.#isOf([id]))
      .limit(1);
    return row === undefined ? null : toStoredFile(row);
  }

  /** Finds files by their ids. */
  async findMany(plugin: string, ids: readonly string[]): Promise<ReadonlyMap<string, StoredFile>> {
    if (ids.length === 0) return new Map();
    const rows = await this.#db
      .select()
      .from(this.#files)
      .where(and(eq(this.#files.plugin, plugin), this.#isOf(ids)));
    return new Map(rows.map((row) => [row.id, toStoredFile(row)]));
  }

  /** Lists the files that a plugin keeps by keys, in the order of these. */
  async list(
    plugin: string,
    {
      prefix,
      after,
      limit,
    }: { readonly prefix: string; readonly after: string | null; readonly limit: number },
  ): Promise<StoredFile[]> {
    const files = this.#files;
    const length = Array.from(prefix).length;
    const rows = await this.#db
      .select()
      .from(files)
      .where(
        and(
          eq(files.plugin, plugin),
          isNotNull(files.key),
          length === 0 ? undefined : sql`substr(${files.key}, 1, ${sql.raw(String(length))}) = ${prefix}`,
          after === null ? undefined : gt(files.key, after),
        ),
      )
      .orderBy(asc(files.key))
      .limit(limit);
    return rows.map(toStoredFile);
  }

  /**
   * Gives a file to a row: one that was uploaded for its column by whoever gives it, and that no row has yet, or one that the row had before.
   * Returns whether there is such a file.
   */
  async claim(tx: Transaction, id: string, { plugin, place, rowKey, userId }: Claim): Promise<boolean> {
    const files = this.#files;
    const isOwn = userId === null ? isNull(files.created_by) : eq(files.created_by, userId);
    const claimed = await tx
      .update(files)
      .set({ row_key: rowKey, expires_at: null })
      .where(
        and(
          eq(files.plugin, plugin),
          this.#isOf([id]),
          eq(files.table_name, place.table),
          eq(files.column_name, place.column),
          or(eq(files.row_key, rowKey), and(isNull(files.row_key), isOwn)),
        ),
      )
      .returning();
    return claimed.length > 0;
  }

  /** Forgets what is attached to a row; returns the ids. */
  async removeAttached(tx: Transaction, { plugin, place, rowKey, id }: Attached): Promise<string[]> {
    const files = this.#files;
    const removed = await tx
      .delete(files)
      .where(
        and(
          eq(files.plugin, plugin),
          eq(files.table_name, place.table),
          eq(files.column_name, place.column),
          eq(files.row_key, rowKey),
          id === undefined ? undefined : this.#isOf([id]),
        ),
      )
      .returning();
    return removed.map((file) => file.id);
  }

  /** Nothing is one that isn't written as ids are: PostgreSQL would refuse it. */
  #isOf(ids: readonly string[]): SQL {
    const known = ids.filter((id) => ID.test(id));
    return known.length === 0 ? sql`1 = 0` : inArray(this.#files.id, known);
  }
}

async function insert(
  db: Database | Transaction,
  files: FilesTable,
  values: FilesTable["$inferInsert"],
): Promise<StoredFile> {
  const [row] = await db.insert(files).values(values).returning();
  if (row === undefined) throw new Error("The database gave nothing for a new file");
  return toStoredFile(row);
}

function toStoredFile({
  id,
  key,
  name,
  type,
  size,
  hash,
  created_by,
  created_at,
}: FilesTable["$inferSelect"]): StoredFile {
  return { id, key, name, type, size, hash, created_by, created_at };
}
