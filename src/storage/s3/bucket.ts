import type { S3Client } from "bun";
import { AppError } from "../../errors/errors.ts";
import type { ByteRange, Content } from "../contract/backend.ts";
import { fail } from "../contract/error-codes.ts";
import { forgetUpload, listUploads, PartedUpload } from "./parted-upload.ts";
import { ObjectRequests, type S3Settings } from "./requests.ts";

export type { S3Settings } from "./requests.ts";

/** Bytes of a part: S3's smallest. An object that fits into one is one request. */
const PART_BYTES = 5 * 1024 * 1024;
/** Of an object, at most: S3 takes 10,000. */
const MAX_PARTS = 9000;
/** How long nothing may happen, in ms: a server that is frozen says nothing. */
const TIMEOUT_MS = 30_000;
const PAUSES_MS = [50, 200];

/** Objects of a bucket by their keys, those below `prefix` of its settings: one is there once all of it is. */
export class Bucket {
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

  /**
   * Keeps all of it, or nothing where `chunks` throw; what is there under the name goes.
   *
   * @param size of all of it in bytes, where that is known. @default less than 45 GB
   */
  async write(name: string, chunks: AsyncIterable<Uint8Array>, size = 0): Promise<void> {
    const key = this.#prefix + name;
    const parts = toParts(chunks, Math.max(PART_BYTES, Math.ceil(size / MAX_PARTS)));
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

  /** What isn't undone here goes later, by `sweep` or as an object that nobody knows. */
  async #undo(upload: PartedUpload, name: string): Promise<void> {
    await upload.abort().catch(() => {});
    await this.remove(name).catch(() => {}); // it may have been put together all the same
  }

  /** Returns all of an object, or a part; null where there is none. */
  async read(name: string, range: ByteRange | null): Promise<Content | null> {
    const object = this.#client.file(this.#prefix + name);
    const isThere = await this.#retry(() => object.exists());
    if (!isThere) return null;
    // A Blob of S3 would be answered with a redirect to it.
    return (range === null ? object : object.slice(range.start, range.end)).stream();
  }

  async remove(name: string): Promise<void> {
    await this.#retry(() => this.#client.delete(this.#prefix + name));
  }

  /** Names of all that is there, with their sizes in bytes. */
  async *list(): AsyncGenerator<{ readonly name: string; readonly size: number }> {
    let after: string | undefined;
    do {
      // oxlint-disable-next-line no-await-in-loop -- a page at a time
      const page = await this.#attempt(() =>
        this.#client.list({ prefix: this.#prefix, ...(after !== undefined && { continuationToken: after }) }),
      );
      for (const { key, size } of page.contents ?? []) {
        yield { name: key.slice(this.#prefix.length), size: size ?? 0 };
      }
      after = page.isTruncated === true ? page.nextContinuationToken : undefined;
    } while (after !== undefined);
  }

  /** Removes what writes that never ended have left behind before a moment, of names that are `ours`. */
  async sweep(before: Date, isOurs: (name: string) => boolean): Promise<void> {
    for (const { key, id, begunAt } of await this.#retry(() => listUploads(this.#requests, this.#prefix))) {
      if (!isOurs(key.slice(this.#prefix.length)) || begunAt >= before) continue;
      // oxlint-disable-next-line no-await-in-loop -- there are few
      await this.#retry(() => forgetUpload(this.#requests, { key, id }));
    }
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

/** Joins chunks to parts of so many bytes, all but the last; none where there is nothing. */
async function* toParts(chunks: AsyncIterable<Uint8Array>, partBytes: number): AsyncGenerator<Part> {
  let held: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.byteLength;) {
      if (bytes === partBytes) {
        yield Buffer.concat(held);
        held = [];
        bytes = 0;
      }
      const piece = chunk.subarray(at, at + partBytes - bytes);
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
