/** Bytes of a content: the first, and the one behind the last. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** What is kept of a file, or a part of it, as an answer can have it. */
export type Content = Blob | ReadableStream<Uint8Array>;

/**
 * Where contents are kept, by names that nobody chooses: the id of a file, and what is made of it. Nothing is changed once it is
 * there.
 *
 * What a method can't do it throws as AppError: storage_full, storage_unavailable.
 */
export interface Backend {
  /** Keeps all of it, or nothing where `chunks` throw or there is no room; what is there under the name goes. */
  write(name: string, chunks: AsyncIterable<Uint8Array>): Promise<void>;
  /** Returns all of a content, or a part; null where there is none. */
  read(name: string, range: ByteRange | null): Promise<Content | null>;
  /** Removes a content, if it is there. */
  remove(name: string): Promise<void>;
  /** Names of all that is there. */
  list(): AsyncIterable<string>;
  /** Removes what writes that never ended have left behind before a moment. */
  sweep(before: Date): Promise<void>;
}

const NAME = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:-\d{1,4}x\d{1,4})?$/;

export function isContentName(name: string): boolean {
  return NAME.test(name);
}

/** @throws TypeError for what is no id of a file, whose name would be a path of its own */
export function assertContentName(name: string): void {
  if (!isContentName(name)) throw new TypeError(`Cannot keep a content as ${JSON.stringify(name)}`);
}
