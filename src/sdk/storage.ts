import type { AnswerOptions, FileContent, KeepOptions } from "../storage/library.ts";
import type { StoredFile } from "../storage/contract/stored-file.ts";

export type { FileContent } from "../storage/library.ts";
export type { StoredFile } from "../storage/contract/stored-file.ts";

/** What is said of a file that is put. */
export interface PutOptions extends KeepOptions {
  /** What the plugin calls it by: "invoices/2026-1.pdf". What is there under it goes. @default the file's id */
  readonly key?: string;
}

/** Which files are listed. */
export interface ListFilesOptions {
  /** What their keys begin with. @default all */
  readonly prefix?: string;
  /** The key that a page goes on behind. @default the first page */
  readonly after?: string;
  /** At most 1000. @default 100 */
  readonly limit?: number;
}

/** A file: by its key, or by its id, also one that belongs to a row of the plugin's. */
export type FileName = string | { readonly id: string };

/** Files of one plugin, in a folder or a bucket as `storage` of config.json says; see docs/files.md. */
export interface PluginStorage {
  /**
   * Keeps a file: its type is held to its content, where the type has a signature.
   *
   * @example storage.put(body.file, { types: ["application/pdf", "image/*"], maxSize: "5mb" })
   * @throws AppError file_refused, payload_too_large, storage_full, storage_unavailable
   */
  put(content: FileContent, options?: PutOptions): Promise<StoredFile>;
  /** What is known of a file; null where there is none. */
  get(file: FileName): Promise<StoredFile | null>;
  /** Reads all of a file. @throws AppError not_found */
  bytes(file: FileName): Promise<Uint8Array<ArrayBuffer>>;
  /** Reads a file, or its bytes from `start` to before `end`, as they are asked for. @throws AppError not_found */
  stream(
    file: FileName,
    range?: { readonly start: number; readonly end: number },
  ): Promise<ReadableStream<Uint8Array>>;
  /**
   * Answers a request with a file, so that nothing in it can run: with ranges, an ETag, and where it is asked for a thumbnail.
   *
   * @example .get("/:id/logo", ({ params, request }) => storage.serve(`logos/${params.id}`, request))
   * @throws AppError not_found, range_not_satisfiable, image_refused
   */
  serve(file: FileName, request: Request, options?: AnswerOptions): Promise<Response>;
  /**
   * A link to a file as it is now, for whoever gets it, without signing in.
   *
   * @param options.expiresIn seconds. @default 3600
   * @throws AppError not_found
   */
  url(file: FileName, options?: { readonly expiresIn?: number }): Promise<string>;
  /** Removes the file of a key; returns whether there was one. */
  delete(key: string): Promise<boolean>;
  /** Lists the files that the plugin has put, in the order of their keys. */
  list(options?: ListFilesOptions): Promise<StoredFile[]>;
}
