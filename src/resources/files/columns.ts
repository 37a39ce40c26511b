import type { Column } from "drizzle-orm";
import { kindOf } from "../../db/schema/column-kind.ts";
import type { Transaction } from "../../db/contract/database.ts";
import { invalidRequest } from "../../errors/codes.ts";
import { AppError } from "../../errors/errors.ts";
import type { StoredFile } from "../../storage/contract/stored-file.ts";
import type { Library } from "../../storage/library.ts";
import type { Storage } from "../../storage/storage.ts";

type Row = Record<string, unknown>;

/** Who writes a row. */
interface Access {
  readonly asker: { readonly user: { readonly id: number } | null };
  readonly mayWrite: (name: string) => boolean;
}

export interface RowFilesOptions {
  readonly plugin: string;
  readonly tableName: string;
  readonly key: Column;
  readonly columns: ReadonlyMap<string, Column>;
  readonly storage: Pick<Storage, "library">;
  /** Where the resource is served, once it is. */
  readonly path: () => string;
}

/** A file as its row shows it. */
export interface ShownFile extends Pick<StoredFile, "id" | "name" | "type" | "size"> {
  readonly url: string;
}

/** What a client has sent, with ids in the place of files. */
export interface Received {
  readonly values: Row;
  /** Removes the files again, where the row isn't written. */
  readonly discard: () => Promise<void>;
}

const CODES: Readonly<Record<string, string>> = { file_refused: "file_type", payload_too_large: "file_size" };
const NOTHING = async (): Promise<void> => {};

/** The files of a resource's rows, whose columns hold ids. */
export class RowFiles {
  readonly #options: RowFilesOptions;

  constructor(options: RowFilesOptions) {
    this.#options = options;
  }

  /** The columns, by name. */
  get columns(): ReadonlyMap<string, Column> {
    return this.#options.columns;
  }

  library(): Promise<Library> {
    return this.#options.storage.library();
  }

  /**
   * Keeps the files of a body, before the transaction of its row: they may take long.
   *
   * @throws AppError validation_error for one that isn't of a type or size that its column takes
   */
  async receive(given: Row, access: Access): Promise<Received> {
    const sent = [...this.columns.keys()].filter(
      (name) => given[name] instanceof Blob && access.mayWrite(name),
    );
    if (sent.length === 0) return { values: given, discard: NOTHING };
    const values = { ...given };
    const kept: string[] = [];
    const discard = async (): Promise<void> => {
      const library = await this.library();
      for (const id of kept) {
        // oxlint-disable-next-line no-await-in-loop -- there are few
        await library.discardUpload(id).catch(() => {}); // or whoever cleans up
      }
    };
    try {
      for (const name of sent) {
        const file = values[name] as Blob;
        delete values[name];
        if (isNoChoice(file)) continue;
        // oxlint-disable-next-line no-await-in-loop -- one after another
        const stored = await this.upload(name, file, { access, at: `/body/${name}` });
        kept.push(stored.id);
        values[name] = stored.id;
      }
    } catch (error) {
      await discard();
      throw error;
    }
    return { values, discard };
  }

  /** Keeps a file for a column; a row is to refer to it within a day. @throws AppError validation_error */
  async upload(
    name: string,
    file: Blob,
    { access, at }: { readonly access: Access; readonly at: string },
  ): Promise<StoredFile> {
    const kind = kindOf(this.columns.get(name) as Column);
    if (kind.type !== "file") throw new TypeError(`"${name}" isn't a column of files`);
    const { plugin, tableName } = this.#options;
    const library = await this.library();
    const limits = { types: kind.types, maxSize: kind.maxSize, createdBy: access.asker.user?.id ?? null };
    try {
      return await library.upload(plugin, { table: tableName, column: name }, file, limits);
    } catch (error) {
      const code = error instanceof AppError ? CODES[error.code] : undefined;
      if (code === undefined || !(error instanceof AppError)) throw error;
      throw invalidRequest([{ path: at, code, message: error.message }], { cause: error });
    }
  }

  /**
   * Gives the files that a row has come to refer to to the row: those that whoever writes it has uploaded for it.
   *
   * @param at JSON Pointer of the row in the request
   * @throws AppError validation_error for any other file
   */
  async claim(
    rows: { readonly before: Row | null; readonly after: Row },
    { tx, access, at }: { readonly tx: Transaction; readonly access: Access; readonly at: string },
  ): Promise<void> {
    const { plugin, tableName, key } = this.#options;
    const { before, after } = rows;
    for (const name of this.columns.keys()) {
      const id = after[name];
      if (typeof id !== "string" || id === before?.[name]) continue;
      const claim = {
        plugin,
        place: { table: tableName, column: name },
        rowKey: String(after[key.name]),
        userId: access.asker.user?.id ?? null,
      };
      // oxlint-disable-next-line no-await-in-loop -- one after another, in one transaction
      const isGiven = await (await this.library()).claim(tx, id, claim);
      if (isGiven) continue;
      const message = `You have uploaded no file ${JSON.stringify(id)} for this, or another row has it`;
      throw invalidRequest([{ path: `${at}/${name}`, code: "missing_reference", message }]);
    }
  }

  /** Puts what is shown of files in the place of their ids, in rows that may be changed: one query, however many. */
  async show(rows: readonly Row[], visible: { has(name: string): boolean }): Promise<void> {
    const names = [...this.columns.keys()].filter((name) => visible.has(name));
    const ids = new Set(rows.flatMap((row) => names.map((name) => row[name]).filter(isText)));
    if (ids.size === 0) return;
    const { plugin, key, path } = this.#options;
    const files = await (await this.library()).catalogue.findMany(plugin, [...ids]);
    const base = path();
    for (const row of rows) {
      for (const name of names) {
        const value = row[name];
        if (!isText(value)) continue;
        const file = files.get(value);
        row[name] =
          file === undefined
            ? null
            : toShown(file, `${base}/${encodeURIComponent(String(row[key.name]))}/${name}`);
      }
    }
  }

  /** The file that a row has in a column; null for none. */
  async find(row: Row, name: string): Promise<StoredFile | null> {
    const id = row[name];
    return isText(id) ? (await this.library()).catalogue.find(this.#options.plugin, { id }) : null;
  }
}

function toShown({ id, name, type, size }: StoredFile, url: string): ShownFile {
  return { id, name, type, size, url };
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

/** What a browser sends for a field of a form in which nobody has chosen a file. */
function isNoChoice(file: Blob): boolean {
  const { name } = file as { readonly name?: string };
  return file.size === 0 && (name === undefined || name === "");
}
