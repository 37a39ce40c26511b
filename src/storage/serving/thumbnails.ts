import { fail } from "../contract/error-codes.ts";
import type { Backend } from "../contract/backend.ts";
import { type StoredFile, THUMBNAIL_SIZES } from "../contract/stored-file.ts";

/** Of an image, told by its head before anything is decoded: 4 bytes each, which a file of a few KB could make gigabytes of. */
const MAX_PIXELS = 64_000_000;
/** Each holds all of its pixels. */
const AT_ONCE = 2;
const MAX_WAITING = 100;
const QUALITY = 80;

/** Smaller images of files: made when first asked for, kept beside the file and gone with it. */
export class Thumbnails {
  readonly #backend: Backend;
  /** Those under way, by their names: who asks for the same waits for the same. */
  readonly #making = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();
  readonly #waiting: (() => void)[] = [];
  #atWork = 0;

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
    await this.#enter();
    try {
      const content = await this.#backend.read(file.id, null);
      if (content === null) throw fail("not_found", "The content of this file is gone");
      const bytes = await scale(await new Response(content).bytes(), size);
      await this.#backend.write(name, toChunks(bytes));
      return bytes;
    } finally {
      this.#leave();
    }
  }

  async #enter(): Promise<void> {
    if (this.#atWork < AT_ONCE) {
      this.#atWork += 1;
      return;
    }
    if (this.#waiting.length >= MAX_WAITING) {
      throw fail("storage_unavailable", "Cannot make a thumbnail now: too many others are asked for", {
        headers: { "retry-after": "2" },
      });
    }
    await new Promise<void>((resolve) => void this.#waiting.push(resolve));
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#atWork -= 1;
    else next();
  }
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
