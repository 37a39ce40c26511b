import {
  assertContentName,
  isContentName,
  type Backend,
  type ByteRange,
  type Content,
} from "../contract/backend.ts";
import { Bucket, type S3Settings } from "./bucket.ts";

/** Keeps contents in a bucket: an object is there once all of it is. */
export class S3Backend implements Backend {
  readonly #bucket: Bucket;

  constructor(settings: S3Settings, timeoutMs?: number) {
    this.#bucket = new Bucket(settings, timeoutMs);
  }

  async write(name: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    assertContentName(name);
    await this.#bucket.write(name, chunks);
  }

  async read(name: string, range: ByteRange | null): Promise<Content | null> {
    assertContentName(name);
    return this.#bucket.read(name, range);
  }

  async remove(name: string): Promise<void> {
    assertContentName(name);
    await this.#bucket.remove(name);
  }

  async *list(): AsyncGenerator<string> {
    for await (const { name } of this.#bucket.list()) if (isContentName(name)) yield name;
  }

  sweep(before: Date): Promise<void> {
    return this.#bucket.sweep(before, isContentName);
  }
}
