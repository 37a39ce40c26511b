import type { Logger } from "pino";
import type { Database, Transaction } from "../db/contract/database.ts";
import type { Driver } from "../db/contract/driver.ts";
import { parseByteSize } from "../config/schema.ts";
import { fail as failRequest } from "../errors/codes.ts";
import { type Attached, Catalogue, type Claim, type FilesTable } from "./catalogue.ts";
import { toSafeName } from "./content/names.ts";
import { decideType, isTaken } from "./content/types.ts";
import type { Backend } from "./contract/backend.ts";
import { fail } from "./contract/error-codes.ts";
import type { FilePlace, StoredFile } from "./contract/stored-file.ts";
import { type FileContent, Intake } from "./intake.ts";
import { type AnswerOptions, answerWith } from "./serving/answers.ts";
import { Links } from "./serving/links.ts";
import { Thumbnails } from "./serving/thumbnails.ts";

export type { FileContent } from "./intake.ts";
export type { AnswerOptions } from "./serving/answers.ts";

export interface LibraryOptions {
  readonly driver: Pick<Driver, "afterCommit">;
  readonly db: Database;
  readonly files: FilesTable;
  readonly backend: Backend;
  /** What links are signed with. */
  readonly linkKey: Uint8Array;
  /** Bytes of a file at most. */
  readonly maxSize: () => number;
  /** What links begin with: `server.public_url`, "" without one. */
  readonly origin: () => string;
  readonly log: Logger;
}

/** What is said of a file that is to be kept. */
export interface KeepOptions {
  /** What it is called. @default the name of a `File` */
  readonly name?: string | undefined;
  /** What its sender says it is. @default the type of a `Blob` */
  readonly type?: string | undefined;
  /** Media types that are taken, such as `["application/pdf", "image/*"]`. @default any */
  readonly types?: readonly string[] | null | undefined;
  /** Largest size, such as "5mb", where it is less than `storage.max_size`. */
  readonly maxSize?: string | number | null | undefined;
  /** Id of the account that it is from. @default nobody known */
  readonly createdBy?: number | null | undefined;
}

/** A file by its key, or by its id. */
export type FileName = string | { readonly id: string };

/** Files, whoever they belong to: what is kept of them in the database, and their contents. */
export class Library {
  readonly catalogue: Catalogue;
  readonly links: Links;
  readonly #options: LibraryOptions;
  readonly #thumbnails: Thumbnails;

  constructor(options: LibraryOptions) {
    this.#options = options;
    this.catalogue = new Catalogue(options.db, options.files);
    this.links = new Links(options.linkKey);
    this.#thumbnails = new Thumbnails(options.backend);
  }

  /** Keeps a file of a plugin's under a key, in the place of the one that has it. @throws AppError */
  async put(
    plugin: string,
    key: string | null,
    content: FileContent,
    options: KeepOptions,
  ): Promise<StoredFile> {
    return this.#keep(content, options, async (kept) => {
      const { file, replaced } = await this.catalogue.put({ ...kept, plugin }, key ?? kept.id);
      if (replaced !== null) this.#removeOnCommit(replaced);
      return file;
    });
  }

  /** Keeps a file that is for a column of a row; without one it goes after a day. @throws AppError */
  async upload(
    plugin: string,
    place: FilePlace,
    content: FileContent,
    options: KeepOptions,
  ): Promise<StoredFile> {
    return this.#keep(content, options, (kept) => this.catalogue.addUpload({ ...kept, plugin }, place));
  }

  /** Gives an upload to a row; returns whether there is one to give. */
  claim(tx: Transaction, id: string, claim: Claim): Promise<boolean> {
    return this.catalogue.claim(tx, id, claim);
  }

  /** Removes what is attached to a row, all of it or one file; returns whether there was any. */
  async detach(tx: Transaction, attached: Attached): Promise<boolean> {
    const removed = await this.catalogue.removeAttached(tx, attached);
    for (const id of removed) this.#removeOnCommit(id);
    return removed.length > 0;
  }

  /** Removes the file of a key; returns whether there was one. */
  async remove(plugin: string, key: string): Promise<boolean> {
    const removed = await this.catalogue.remove(plugin, key);
    if (removed !== null) this.#removeOnCommit(removed);
    return removed !== null;
  }

  /** Removes an upload that no row has come to refer to. */
  async discardUpload(id: string): Promise<void> {
    if (await this.catalogue.removeUpload(id)) this.#removeOnCommit(id);
  }

  /** Removes what is kept of a file that the catalogue knows no more. */
  async removeContent(id: string): Promise<void> {
    await this.#options.backend.remove(id);
    await this.#thumbnails.remove(id);
  }

  /** Streams a file, or a part of it. @throws AppError not_found */
  async stream(
    file: StoredFile,
    range: { readonly start: number; readonly end: number } | null = null,
  ): Promise<ReadableStream<Uint8Array>> {
    const content = await this.#options.backend.read(file.id, range);
    if (content === null) throw gone();
    return content instanceof Blob ? content.stream() : content;
  }

  /** Reads all of a file. @throws AppError not_found */
  async bytes(file: StoredFile): Promise<Uint8Array<ArrayBuffer>> {
    const content = await this.#options.backend.read(file.id, null);
    if (content === null) throw gone();
    return new Response(content).bytes();
  }

  /** Answers a request with a file. @throws AppError not_found, range_not_satisfiable, image_refused */
  answer(file: StoredFile, request: Request, options: AnswerOptions = {}): Promise<Response> {
    return answerWith(file, request, {
      ...options,
      backend: this.#options.backend,
      thumbnails: this.#thumbnails,
    });
  }

  /** A link to a file for whoever gets it, good for so many seconds. */
  linkTo({ id }: StoredFile, seconds: number): string {
    return this.#options.origin() + this.links.make(id, seconds);
  }

  async #keep(
    content: FileContent,
    options: KeepOptions,
    enter: (kept: Omit<StoredFile, "key" | "created_at">) => Promise<StoredFile>,
  ): Promise<StoredFile> {
    const { types = null, maxSize, createdBy = null } = options;
    const name = toSafeName(options.name ?? nameOf(content));
    const declared = options.type ?? (content instanceof Blob ? content.type : "");
    let type = "";
    const intake = new Intake(content, {
      maxSize: Math.min(this.#options.maxSize(), toBytes(maxSize)),
      onHead(head) {
        type = decideType({ head, name, declared });
        if (types === null || isTaken(type, types)) return;
        throw fail(
          "file_refused",
          `Cannot take ${JSON.stringify(name)}: ${type} isn't one of ${types.join(", ")}`,
        );
      },
    });
    const id = Bun.randomUUIDv7();
    await this.#write(id, intake);
    try {
      return await enter({ id, name, type, created_by: createdBy, ...intake.measured });
    } catch (error) {
      await this.removeContent(id).catch(() => {}); // or by whoever cleans up
      throw error;
    }
  }

  async #write(id: string, intake: Intake): Promise<void> {
    try {
      await this.#options.backend.write(id, intake.chunks());
    } catch (error) {
      this.#tell(error);
      throw error;
    }
  }

  /** Whoever runs the server has to act: a client is told little. */
  #tell(error: unknown): void {
    const { code } = error as { readonly code?: string };
    if (code === "storage_full" || code === "storage_unavailable")
      this.#options.log.error({ err: error }, "a file can't be kept");
  }

  /** Not before nobody can come to ask for it. */
  #removeOnCommit(id: string): void {
    this.#options.driver.afterCommit(() => {
      void this.removeContent(id).catch((error: unknown) =>
        this.#options.log.warn({ err: error }, "a file that is no longer needed can't be removed yet"),
      );
    });
  }
}

function toBytes(size: string | number | null | undefined): number {
  return size === null || size === undefined ? Number.POSITIVE_INFINITY : parseByteSize(size);
}

/** Bun's has none where a form gives an empty one. */
function nameOf(content: FileContent): string {
  const { name } = content as { readonly name?: unknown };
  return content instanceof Blob && typeof name === "string" ? name : "";
}

function gone(): Error {
  return failRequest("not_found", "The content of this file is gone");
}
