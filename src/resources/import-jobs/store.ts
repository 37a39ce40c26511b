import { and, asc, count, eq, inArray, isNull, lt } from "drizzle-orm";
import type { Asker } from "../../accounts/user-directory.ts";
import type { Database, Transaction } from "../../db/contract/database.ts";
import type { CoreDeclaration } from "../../db/schema/schema.ts";
import type { AppError, InputProblem } from "../../errors/errors.ts";
import type { ImportOptions } from "../import/plan.ts";
import type { ImportReport } from "../import/report.ts";
import type { Format, ImportFile } from "../import/source.ts";

export type ImportTables = CoreDeclaration["imports"];
export type ImportRow = ImportTables["resourceImports"]["$inferSelect"];
export type Outcome = NonNullable<ImportRow["outcome"]>;

/** What is kept of an import beside its columns. */
interface Asked {
  readonly options: Omit<ImportOptions, "headers"> & {
    readonly headers: readonly (readonly [string, string])[];
  };
  readonly format: Format;
  readonly charset: string | null;
}

/** Why an import failed, as its client is told. */
export interface ImportError {
  readonly code: string;
  readonly status: number;
  readonly detail: string;
  readonly errors?: readonly InputProblem[];
}

export interface NewImport {
  readonly id: string;
  readonly jobId: string;
  readonly plugin: string;
  readonly resource: string;
  /** Null for nobody known. */
  readonly asker: Asker | null;
  readonly options: ImportOptions;
  readonly file: ImportFile;
}

/** How an import ends. */
export interface End {
  readonly outcome: Outcome;
  /** @default what has been noted before */
  readonly report?: ImportReport;
  readonly error?: AppError;
}

/** Of a piece, before it is base64: three bytes are four characters. */
const PIECE = 384 * 1024;
const PURGED_AT_ONCE = 100;

/** Keeps what is imported in the background: what was asked, the file until it is imported, and what came of it. */
export class ImportStore {
  readonly #db: Database;
  readonly #tables: ImportTables;

  constructor(db: Database, tables: ImportTables) {
    this.#db = db;
    this.#tables = tables;
  }

  async add(tx: Transaction, { id, jobId, asker, options, file, ...where }: NewImport): Promise<void> {
    const { resourceImports, resourceImportPieces } = this.#tables;
    const { format, charset, bytes } = file;
    const asked: Asked = { options: { ...options, headers: [...options.headers] }, format, charset };
    await tx.insert(resourceImports).values({
      id,
      job_id: jobId,
      ...where,
      user_id: asker?.userId ?? null,
      api_key_id: asker?.apiKeyId ?? null,
      asked: JSON.stringify(asked),
    });
    for (let place = 0; place * PIECE < bytes.length; place += 1) {
      const content = Buffer.from(bytes.subarray(place * PIECE, (place + 1) * PIECE)).toString("base64");
      // oxlint-disable-next-line no-await-in-loop -- none is larger than a database takes
      await tx.insert(resourceImportPieces).values({ import_id: id, place, content });
    }
  }

  /** Null where there is none. */
  async find(id: string): Promise<ImportRow | null> {
    const { resourceImports } = this.#tables;
    const [row] = await this.#db.select().from(resourceImports).where(eq(resourceImports.id, id));
    return row ?? null;
  }

  /** How many of somebody's haven't ended. */
  async countOpen(userId: number | null): Promise<number> {
    const { user_id, ended_at } = this.#tables.resourceImports;
    const isTheirs = userId === null ? isNull(user_id) : eq(user_id, userId);
    const [row] = await this.#db
      .select({ open: count() })
      .from(this.#tables.resourceImports)
      .where(and(isNull(ended_at), isTheirs));
    return row?.open ?? 0;
  }

  async readFile({ id, asked }: ImportRow): Promise<ImportFile> {
    const { resourceImportPieces: pieces } = this.#tables;
    const rows = await this.#db
      .select({ content: pieces.content })
      .from(pieces)
      .where(eq(pieces.import_id, id))
      .orderBy(asc(pieces.place));
    const { format, charset } = JSON.parse(asked) as Asked;
    return {
      bytes: Buffer.concat(rows.map(({ content }) => Buffer.from(content, "base64"))),
      format,
      charset,
    };
  }

  /** Notes how far it is for good. */
  async save(tx: Transaction, id: string, far: { done: number; report: ImportReport }): Promise<void> {
    const { resourceImports } = this.#tables;
    const report = JSON.stringify(far.report);
    await tx.update(resourceImports).set({ done: far.done, report }).where(eq(resourceImports.id, id));
  }

  /** Notes how it has ended, and forgets its file; false where it had ended before. */
  async end(tx: Transaction, id: string, { outcome, report, error }: End): Promise<boolean> {
    const { resourceImports, resourceImportPieces } = this.#tables;
    const { rowsAffected } = await tx
      .update(resourceImports)
      .set({
        outcome,
        ended_at: new Date(),
        ...(report && { report: JSON.stringify(report) }),
        ...(error && { error: JSON.stringify(toImportError(error)) }),
      })
      .where(and(eq(resourceImports.id, id), isNull(resourceImports.ended_at)));
    if (rowsAffected > 0) await tx.delete(resourceImportPieces).where(eq(resourceImportPieces.import_id, id));
    return rowsAffected > 0;
  }

  /** Forgets imports that were asked for before a moment, whether they have ended or not. */
  async purge(before: Date): Promise<void> {
    const { resourceImports } = this.#tables;
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- a few at a time: each may have a large file
      const rows = await this.#db
        .select({ id: resourceImports.id })
        .from(resourceImports)
        .where(lt(resourceImports.created_at, before))
        .limit(PURGED_AT_ONCE);
      const ids = rows.map(({ id }) => id);
      // oxlint-disable-next-line no-await-in-loop
      await this.remove(ids);
      if (ids.length < PURGED_AT_ONCE) return;
    }
  }

  /** Forgets imports. */
  async remove(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const { resourceImports, resourceImportPieces } = this.#tables;
    await this.#db.transaction(async (tx) => {
      await tx.delete(resourceImportPieces).where(inArray(resourceImportPieces.import_id, [...ids]));
      await tx.delete(resourceImports).where(inArray(resourceImports.id, [...ids]));
    });
  }
}

/** What was asked for. */
export function readOptions({ asked }: ImportRow): ImportOptions {
  const { options } = JSON.parse(asked) as Asked;
  return { ...options, headers: new Map(options.headers) };
}

/** What has become of the rows that are dealt with; null where none is. */
export function readReport({ report }: ImportRow): ImportReport | null {
  return report === null ? null : (JSON.parse(report) as ImportReport);
}

export function readError({ error }: ImportRow): ImportError | null {
  return error === null ? null : (JSON.parse(error) as ImportError);
}

function toImportError({ code, status, message: detail, errors }: AppError): ImportError {
  return { code, status, detail, ...(errors !== undefined && { errors }) };
}
