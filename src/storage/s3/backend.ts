import type { S3Client } from "bun";
import { AppError } from "../../errors/errors.ts";
import {
  assertContentName,
  isContentName,
  type Backend,
  type ByteRange,
  type Content,
} from "../contract/backend.ts";
import { fail } from "../contract/error-codes.ts";
import { forgetUpload, listUploads, PartedUpload } from "./parted-upload.ts";
import { ObjectRequests, type S3Settings } from "./requests.ts";

/** Bytes of a part: S3's smallest. A content that fits into one is one request. */
const PART_BYTES = 5 * 1024 * 1024;
/** How long nothing may happen, in ms: a server that is frozen says nothing. */
const TIMEOUT_MS = 30_000;
const PAUSES_MS = [50, 200];

/** Keeps contents in a bucket: an object is there once all of it is. */
export class S3Backend implements Backend {
  readonly #client: S3Client;
  readonly #prefix: string;
  readonly #timeoutMs: number;
  readonly #requests: ObjectRequests;

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
    this.#requests = new ObjectRequests(settings, timeoutMs);
    this.#client = new Bun.S3Client({
      accessKeyId,
      secretAccessKey: secret,
      bucket,
      region,
      ...(endpoint !== null && { endpoint }),
    });
  }

  async write(name: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const key = this.#nameOf(name);
    const parts = toParts(chunks);
    const first = await parts.next();
    const second = first.done === true ? first : await parts.next();
    if (second.done === true) {
      await this.#retry(() => this.#client.write(key, first.value ?? ""));
      return;
    }
    const upload = await PartedUpload.begin(this.#requests, (work) => this.#retry(work), key);
    try {
      await upload.send(first.value as Part);
      await upload.send(second.value);
      for await (const part of parts) await upload.send(part);
      await upload.complete();
    } catch (error) {
      const undoing = this.#undo(upload, name);
      // A bucket that doesn't answer isn't waited for once more.
      if (!isUnavailable(error)) await undoing;
      throw error;
    }
  }

  /** What isn't undone here goes later, by `sweep` or as a content that nobody knows. */
  async #undo(upload: PartedUpload, name: string): Promise<void> {
    await upload.abort().catch(() => {});
    await this.remove(name).catch(() => {}); // it may have been put together all the same
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

  async sweep(before: Date): Promise<void> {
    for (const { key, id, begunAt } of await this.#retry(() => listUploads(this.#requests, this.#prefix))) {
      const isOurs = isContentName(key.slice(this.#prefix.length));
      if (!isOurs || begunAt >= before) continue;
      // oxlint-disable-next-line no-await-in-loop -- there are few
      await this.#retry(() => forgetUpload(this.#requests, { key, id }));
    }
  }

  #nameOf(name: string): string {
    assertContentName(name);
    return this.#prefix + name;
  }

  /** What may be asked for again: a bucket that is busy refuses some requests, and takes them a moment later. */
  async #retry<T>(work: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    for (const pauseMs of PAUSES_MS) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- one try after another
        return await this.#attempt(work);
      } catch (error) {
        if (performance.now() - startedAt >= this.#timeoutMs) throw error;
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

type Part = Uint8Array<ArrayBuffer>;

/** Joins chunks to parts, all but the last as large as S3 wants them; none where there is nothing. */
async function* toParts(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Part> {
  let held: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.byteLength;) {
      if (bytes === PART_BYTES) {
        yield Buffer.concat(held);
        held = [];
        bytes = 0;
      }
      const piece = chunk.subarray(at, at + PART_BYTES - bytes);
      held.push(piece);
      bytes += piece.byteLength;
      at += piece.byteLength;
    }
  }
  if (bytes > 0) yield Buffer.concat(held);
}

function isUnavailable(error: unknown): boolean {
  return error instanceof AppError && error.code === "storage_unavailable";
}
