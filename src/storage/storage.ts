import { resolve } from "node:path";
import type { Logger } from "pino";
import { parseByteSize } from "../config/schema.ts";
import type { Config } from "../config/schema.ts";
import type { Database } from "../db/contract/database.ts";
import type { Driver } from "../db/contract/driver.ts";
import { fail } from "../errors/codes.ts";
import type { FilesTable } from "./catalogue.ts";
import type { Cleaner, FileReference } from "./cleaning.ts";
import type { Backend } from "./contract/backend.ts";
import type { Library } from "./library.ts";

export type { FileReference } from "./cleaning.ts";

export interface StorageOptions {
  readonly driver: Pick<Driver, "afterCommit">;
  readonly db: Database;
  readonly files: () => FilesTable;
  /** As they are when the server starts; the size as it is now. */
  readonly settings: () => Config["storage"];
  /** What `storage.directory` is relative to. */
  readonly projectDirectory: string;
  /** What links are signed with. */
  readonly linkKey: Uint8Array;
  /** What links begin with: `server.public_url`, "" without one. */
  readonly origin: () => string;
  readonly references: () => readonly FileReference[];
  readonly log: Logger;
}

interface Parts {
  readonly library: Library;
  readonly cleaner: Cleaner;
}

/** Files that plugins keep, and that belong to rows. Nothing is loaded before somebody has to do with one. */
export class Storage {
  readonly #options: StorageOptions;
  #loading: Promise<Parts> | null = null;
  /** Told once, when files are first had to do with. @default nobody is */
  onUse: () => void = () => {};

  constructor(options: StorageOptions) {
    this.#options = options;
  }

  /** Bytes of a file at most. */
  get maxSize(): number {
    return parseByteSize(this.#options.settings().max_size);
  }

  /**
   * Loads what there is to do with files.
   *
   * @throws AppError config_invalid for `s3` without its bucket
   */
  async library(): Promise<Library> {
    return (await this.#load()).library;
  }

  /** Loads what removes files that nothing refers to. */
  async cleaner(): Promise<Cleaner> {
    return (await this.#load()).cleaner;
  }

  #load(): Promise<Parts> {
    if (this.#loading === null) {
      this.#loading = this.#create();
      this.onUse();
    }
    return this.#loading;
  }

  async #create(): Promise<Parts> {
    const { references, files, ...rest } = this.#options;
    const options = { ...rest, files: files() };
    const [{ Library: Loaded }, { Cleaner: LoadedCleaner }, backend] = await Promise.all([
      import("./library.ts"),
      import("./cleaning.ts"),
      openBackend(options),
    ]);
    const library = new Loaded({ ...options, backend, maxSize: () => this.maxSize });
    return { library, cleaner: new LoadedCleaner({ ...options, backend, library, references }) };
  }
}

/** @throws AppError config_invalid for `s3` without its bucket */
export function assertSettings({ backend, s3 }: Config["storage"]): void {
  if (backend === "s3" && s3 === null) {
    throw fail("config_invalid", 'Cannot keep files in S3: "storage.s3" names no bucket');
  }
}

async function openBackend({
  settings,
  projectDirectory,
}: Pick<StorageOptions, "settings" | "projectDirectory">): Promise<Backend> {
  const { backend, directory, s3 } = settings();
  if (backend === "local" || s3 === null) {
    const { LocalBackend } = await import("./local/backend.ts");
    return new LocalBackend(resolve(projectDirectory, directory));
  }
  const { S3Backend } = await import("./s3/backend.ts");
  return new S3Backend(s3);
}
