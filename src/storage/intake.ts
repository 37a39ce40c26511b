import { fail } from "../errors/codes.ts";
import { HEAD_BYTES } from "./content/signatures.ts";

const SLICE_BYTES = 262_144;

/** What can be kept as a file. */
export type FileContent = Blob | ReadableStream<Uint8Array> | ArrayBuffer | ArrayBufferView | string;

/** What a content was found to be while it went by. */
export interface Measured {
  readonly size: number;
  /** SHA-256 in hex. */
  readonly hash: string;
}

interface Options {
  /** Bytes. */
  readonly maxSize: number;
  /** Told of the first bytes before anything is passed on; throws for what isn't taken. */
  readonly onHead: (head: Uint8Array) => void;
}

/** Passes a content on, piece by piece, as far as it may be kept: nothing of it is held here. */
export class Intake {
  readonly #content: FileContent;
  readonly #options: Options;
  readonly #hasher = new Bun.CryptoHasher("sha256");
  #size = 0;

  /** @throws AppError payload_too_large for one that says how large it is */
  constructor(content: FileContent, options: Options) {
    this.#content = content;
    this.#options = options;
    if (content instanceof Blob && content.size > options.maxSize) throw tooLarge(options.maxSize);
  }

  /** What has gone by. */
  get measured(): Measured {
    return { size: this.#size, hash: this.#hasher.copy().digest("hex") };
  }

  /** @throws AppError payload_too_large, and what `onHead` throws */
  async *chunks(): AsyncGenerator<Uint8Array> {
    const { maxSize, onHead } = this.#options;
    let head: Uint8Array | null = new Uint8Array();
    for await (const chunk of toChunks(this.#content)) {
      if (chunk.byteLength === 0) continue;
      this.#size += chunk.byteLength;
      if (this.#size > maxSize) throw tooLarge(maxSize);
      this.#hasher.update(chunk);
      if (head === null) {
        yield chunk;
        continue;
      }
      head = head.byteLength === 0 ? chunk : Buffer.concat([head, chunk]);
      if (head.byteLength < HEAD_BYTES) continue;
      onHead(head);
      yield head;
      head = null;
    }
    if (head === null) return;
    onHead(head);
    yield head;
  }
}

async function* toChunks(content: FileContent): AsyncGenerator<Uint8Array> {
  if (typeof content === "string") yield Buffer.from(content);
  else if (content instanceof ArrayBuffer) yield new Uint8Array(content);
  else if (ArrayBuffer.isView(content))
    yield new Uint8Array(content.buffer, content.byteOffset, content.byteLength);
  else if (content instanceof File) yield* toSlices(content);
  else if (content instanceof Blob) yield* content.stream();
  else if (content instanceof ReadableStream) yield* content;
  else throw new TypeError("Cannot keep the file: expected a file, a stream, bytes or text");
}

/** A file of a form is in memory: its stream would be a copy of all of it. */
async function* toSlices(file: File): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < file.size; at += SLICE_BYTES) {
    // oxlint-disable-next-line no-await-in-loop -- one is held at a time
    yield await file.slice(at, at + SLICE_BYTES).bytes();
  }
}

function tooLarge(maxSize: number): Error {
  return fail("payload_too_large", `Cannot take the file: it is larger than ${maxSize} bytes`);
}
