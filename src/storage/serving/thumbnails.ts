import { fail } from "../contract/error-codes.ts";
import type { Backend } from "../contract/backend.ts";
import { type StoredFile, THUMBNAIL_SIZES } from "../contract/stored-file.ts";

/** Of an image, told by its head before anything is decoded: 4 bytes each, which a file of a few KB could make gigabytes of. */
const MAX_PIXELS = 64_000_000;
/** More than most pictures have: one of these takes seconds, however few bytes its file has. */
const LARGE_PIXELS = 16_000_000;
/** The sizes of most images are told by these many bytes of them. */
const HEAD_BYTES = 128 * 1024;
const QUALITY = 80;

/** Smaller images of files: made when first asked for, kept beside the file and gone with it. */
export class Thumbnails {
  readonly #backend: Backend;
  /** Those under way, by their names: who asks for the same waits for the same. */
  readonly #making = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();
  /** Each at work holds all of its pixels. Large images keep no others waiting, and few wait for them. */
  readonly #turns = {
    usual: new Turns({ atOnce: 2, maxWaiting: 100 }),
    large: new Turns({ atOnce: 1, maxWaiting: 8 }),
  };

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /**
   * Returns the WebP of a file in one of THUMBNAIL_SIZES.
   *
   * @throws AppError image_refused, not_found, storage_unavailable
   */
  async get(file: StoredFile, size: string): Promise<Uint8Array<ArrayBuffer>> {
    const name = `${file.id}-${size}`;
    const kept = await this.#backend.read(name, null);
    if (kept !== null) return new Response(kept).bytes();
    const making =
      this.#making.get(name) ?? this.#make(file, size, name).finally(() => this.#making.delete(name));
    this.#making.set(name, making);
    return making;
  }

  /** Removes those of a file. */
  async remove(id: string): Promise<void> {
    await Promise.all(THUMBNAIL_SIZES.map((size) => this.#backend.remove(`${id}-${size}`)));
  }

  async #make(file: StoredFile, size: string, name: string): Promise<Uint8Array<ArrayBuffer>> {
    const turns = await this.#findTurns(file);
    await turns.enter();
    try {
      const content = await this.#backend.read(file.id, null);
      if (content === null) throw gone();
      const bytes = await scale(await new Response(content).bytes(), size);
      await this.#backend.write(name, toChunks(bytes));
      return bytes;
    } finally {
      turns.leave();
    }
  }

  /** Finds by the head of a file whether it is a large image, or one that doesn't tell. */
  async #findTurns({ id, size }: StoredFile): Promise<Turns> {
    const head = await this.#backend.read(id, size > HEAD_BYTES ? { start: 0, end: HEAD_BYTES } : null);
    if (head === null) throw gone();
    const pixels = await countPixels(await new Response(head).bytes());
    return pixels !== null && pixels <= LARGE_PIXELS ? this.#turns.usual : this.#turns.large;
  }
}

/** How many thumbnails are made at once, and wait: the others are refused. */
class Turns {
  readonly #atOnce: number;
  readonly #maxWaiting: number;
  readonly #waiting: (() => void)[] = [];
  #atWork = 0;

  constructor({ atOnce, maxWaiting }: { readonly atOnce: number; readonly maxWaiting: number }) {
    this.#atOnce = atOnce;
    this.#maxWaiting = maxWaiting;
  }

  /** Waits for its turn, which lasts until `leave`. @throws AppError storage_unavailable */
  async enter(): Promise<void> {
    if (this.#atWork < this.#atOnce) {
      this.#atWork += 1;
      return;
    }
    if (this.#waiting.length >= this.#maxWaiting) {
      throw fail("storage_unavailable", "Cannot make a thumbnail now: too many others are asked for", {
        headers: { "retry-after": "2" },
      });
    }
    await new Promise<void>((resolve) => void this.#waiting.push(resolve));
  }

  leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#atWork -= 1;
    else next();
  }
}

/** How many pixels an image says to have; null where its head doesn't tell. */
async function countPixels(head: Uint8Array): Promise<number | null> {
  try {
    const { width, height } = await new Bun.Image(head, { maxPixels: MAX_PIXELS }).metadata();
    return width * height;
  } catch {
    return null;
  }
}

function gone() {
  return fail("not_found", "The content of this file is gone");
}

async function scale(image: Uint8Array, size: string): Promise<Uint8Array<ArrayBuffer>> {
  const [width = 0, height = 0] = size.split("x").map(Number);
  try {
    const made = new Bun.Image(image, { maxPixels: MAX_PIXELS })
      .resize(width, height, { fit: "inside", withoutEnlargement: true })
      .webp({ quality: QUALITY });
    return (await made.bytes()) as Uint8Array<ArrayBuffer>;
  } catch (cause) {
    const { code } = cause as { readonly code?: string };
    const reason =
      code === "ERR_IMAGE_TOO_MANY_PIXELS"
        ? `it has more than ${MAX_PIXELS} pixels`
        : "it is no image, or damaged";
    throw fail("image_refused", `Cannot make a thumbnail of this file: ${reason}`, { cause });
  }
}

async function* toChunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
