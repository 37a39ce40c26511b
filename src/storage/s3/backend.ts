import type { S3Client } from "bun";
import {
  assertContentName,
  isContentName,
  type Backend,
  type ByteRange,
  type Content,
} from "../contract/backend.ts";
import { fail } from "../contract/error-codes.ts";

/** `storage.s3` of config.json. */
export interface S3Settings {
  readonly endpoint: string | null;
  readonly bucket: string;
  readonly region: string;
  readonly access_key_id: string;
  readonly secret_access_key: string;
  readonly prefix: string;
}

/** Bytes of a part: S3's smallest. A content that fits into one is one request. */
const PART_BYTES = 5 * 1024 * 1024;
const PARTS_AT_ONCE = 2;
/** How long nothing may happen, in ms: a server that is frozen says nothing. */
const TIMEOUT_MS = 30_000;
const PAUSES_MS = [50, 200];

/** Keeps contents in a bucket: an object is there once all of it is. */
export class S3Backend implements Backend {
  readonly #client: S3Client;
  readonly #prefix: string;
  readonly #timeoutMs: number;

  constructor(settings: S3Settings, timeoutMs = TIMEOUT_MS) {
    const {
      endpoint,
      bucket,
      region,
      access_key_id: accessKeyId,
      secret_access_key: secret,
      prefix,
    } = settings;
    this.#prefix = prefix;
    this.#timeoutMs = timeoutMs;
    this.#client = new Bun.S3Client({
      accessKeyId,
      secretAccessKey: secret,
      bucket,
      region,
      ...(endpoint !== null && { endpoint }),
    });
  }

  async write(name: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const object = this.#client.file(this.#nameOf(name));
    const writer = object.writer({ partSize: PART_BYTES, queueSize: PARTS_AT_ONCE, retry: 3 });
    try {
      for await (const chunk of chunks) {
        await this.#attempt(async () => {
          void writer.write(chunk);
          await writer.flush();
        });
      }
    } catch (error) {
      // Bun's writer can't be stopped: whatever it is told, it makes an object of what it has.
      await Promise.resolve(writer.end()).catch(() => {});
      await this.remove(name).catch(() => {}); // or by whoever cleans up after uploads that were never whole
      throw error;
    }
    await this.#attempt(() => Promise.resolve(writer.end()));
  }

  async read(name: string, range: ByteRange | null): Promise<Content | null> {
    const object = this.#client.file(this.#nameOf(name));
    const isThere = await this.#retry(() => object.exists());
    if (!isThere) return null;
    // A Blob of S3 would be answered with a redirect to it.
    return (range === null ? object : object.slice(range.start, range.end)).stream();
  }

  async remove(name: string): Promise<void> {
    await this.#retry(() => this.#client.delete(this.#nameOf(name)));
  }

  async *list(): AsyncGenerator<string> {
    let after: string | undefined;
    do {
      // oxlint-disable-next-line no-await-in-loop -- a page at a time
      const page = await this.#attempt(() =>
        this.#client.list({ prefix: this.#prefix, ...(after !== undefined && { continuationToken: after }) }),
      );
      for (const { key } of page.contents ?? []) {
        const name = key.slice(this.#prefix.length);
        if (isContentName(name)) yield name;
      }
      after = page.isTruncated === true ? page.nextContinuationToken : undefined;
    } while (after !== undefined);
  }

  /** What is never ended the bucket itself removes, by a rule of its life cycle. */
  async sweep(): Promise<void> {}

  #nameOf(name: string): string {
    assertContentName(name);
    return this.#prefix + name;
  }

  /** What may be asked for again: a bucket that is busy refuses some requests, and takes them a moment later. */
  async #retry<T>(work: () => Promise<T>): Promise<T> {
    for (const pauseMs of PAUSES_MS) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- one try after another
        return await this.#attempt(work);
      } catch {
        // oxlint-disable-next-line no-await-in-loop
        await Bun.sleep(pauseMs);
      }
    }
    return this.#attempt(work);
  }

  async #attempt<T>(work: () => Promise<T>): Promise<T> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error("The server doesn't answer")), this.#timeoutMs);
    try {
      return await Promise.race([work(), late]);
    } catch (cause) {
      throw fail("storage_unavailable", "Cannot reach where the files are kept; try again", {
        cause,
        headers: { "retry-after": "10" },
      });
    } finally {
      clearTimeout(timer);
    }
  }
}
