import { and, eq, inArray, isNotNull, isNull, lte, notInArray, or, type SQL } from "drizzle-orm";
import type { PgColumn, PgTable } from "drizzle-orm/pg-core";
import type { Logger } from "pino";
import type { Database } from "../db/contract/database.ts";
import { type FilesTable, GRACE_MS } from "./catalogue.ts";
import type { Backend } from "./contract/backend.ts";
import type { FilePlace } from "./contract/stored-file.ts";
import type { Library } from "./library.ts";

/** A column of a plugin's that refers to files. */
export interface FileReference extends FilePlace {
  readonly plugin: string;
  readonly source: PgTable;
  readonly holder: PgColumn;
}

export interface CleanerOptions {
  readonly db: Database;
  readonly files: FilesTable;
  readonly backend: Backend;
  readonly library: Pick<Library, "removeContent">;
  /** The columns of all plugins that serve here. */
  readonly references: () => readonly FileReference[];
  readonly log: Logger;
}

/** What was removed. */
export interface Cleaned {
  /** Files whose row is gone, and uploads that no row came to refer to. */
  readonly files: number;
  /** Contents that no file has. */
  readonly contents: number;
}

const PAGE = 500;
/** Contents that nobody knows, of so many that there are: of more, the database is taken for another one's. */
const MAX_UNKNOWN_SHARE = 0.1;
const ALWAYS_REMOVED = 100;

/** Removes what nothing refers to any more, a day after it was first seen so. */
export class Cleaner {
  readonly #options: CleanerOptions;

  constructor(options: CleanerOptions) {
    this.#options = options;
  }

  async clean(now = new Date()): Promise<Cleaned> {
    const { backend, references, log } = this.#options;
    const known = references();
    for (const reference of known) {
      // oxlint-disable-next-line no-await-in-loop -- one column after another
      await this.#mark(reference, now);
    }
    const files = await this.#removeExpired(known, now);
    const before = new Date(now.getTime() - GRACE_MS);
    await backend.sweep(before);
    const contents = await this.#removeUnknown(before);
    if (files + contents > 0) log.info({ files, contents }, "files that nothing refers to were removed");
    return { files, contents };
  }

  /** A row may come back: from a history, or a backup of its table. */
  async #mark({ plugin, table, column, source, holder }: FileReference, now: Date): Promise<void> {
    const { db, files } = this.#options;
    const held = db.select({ id: holder }).from(source).where(isNotNull(holder));
    const isOfColumn = and(
      eq(files.plugin, plugin),
      eq(files.table_name, table),
      eq(files.column_name, column),
      isNotNull(files.row_key),
    );
    await db
      .update(files)
      .set({ expires_at: new Date(now.getTime() + GRACE_MS) })
      .where(and(isOfColumn, isNull(files.expires_at), notInArray(files.id, held)));
    await db
      .update(files)
      .set({ expires_at: null })
      .where(and(isOfColumn, isNotNull(files.expires_at), inArray(files.id, held)));
  }

  async #removeExpired(references: readonly FileReference[], now: Date): Promise<number> {
    const { db, files, library } = this.#options;
    // Of a plugin that doesn't serve here nobody knows what its rows refer to.
    const isKnown = or(isNull(files.row_key), ...references.map((one) => this.#isOf(one)));
    const isOver = and(lte(files.expires_at, now), isKnown);
    let count = 0;
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- a page at a time
      const page = await db.select({ id: files.id }).from(files).where(isOver).limit(PAGE);
      for (const { id } of page) {
        // Unless a row has come to refer to it meanwhile.
        // oxlint-disable-next-line no-await-in-loop
        const removed = await db
          .delete(files)
          .where(and(eq(files.id, id), isOver))
          .returning();
        // oxlint-disable-next-line no-await-in-loop
        if (removed.length > 0) await library.removeContent(id);
        count += removed.length;
      }
      if (page.length < PAGE) return count;
    }
  }

  #isOf({ plugin, table, column }: FileReference): SQL | undefined {
    const { files } = this.#options;
    return and(eq(files.plugin, plugin), eq(files.table_name, table), eq(files.column_name, column));
  }

  /** What a process that was killed, or a transaction that was undone, has left behind. */
  async #removeUnknown(before: Date): Promise<number> {
    const { backend, library, log } = this.#options;
    const unknown: string[] = [];
    let all = 0;
    for await (const ids of toPages(backend.list())) {
      all += ids.length;
      const known = await this.#findKnown(ids);
      unknown.push(...ids.filter((id) => !known.has(id) && timeOf(id) < before.getTime()));
    }
    if (unknown.length > Math.max(ALWAYS_REMOVED, all * MAX_UNKNOWN_SHARE)) {
      log.warn(
        { unknown: unknown.length, all },
        "most files of storage aren't in the database, and stay: is it the database that they belong to?",
      );
      return 0;
    }
    for (const id of unknown) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      await library.removeContent(id);
    }
    return unknown.length;
  }

  async #findKnown(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const { db, files } = this.#options;
    const rows = await db
      .select({ id: files.id })
      .from(files)
      .where(inArray(files.id, [...ids]));
    return new Set(rows.map(({ id }) => id));
  }
}

/** The ids of files that names of contents begin with, each once in a page. */
async function* toPages(names: AsyncIterable<string>): AsyncGenerator<string[]> {
  const page = new Set<string>();
  for await (const name of names) {
    page.add(name.slice(0, 36));
    if (page.size < PAGE) continue;
    yield [...page];
    page.clear();
  }
  if (page.size > 0) yield [...page];
}

/** When an id was made, in ms since the epoch: a UUID of version 7 begins with it. */
function timeOf(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}
