const BLOCK = 512;
const MAX_OCTAL_SIZE = 0o77777777777;
const MAX_NAME = 100;
const MAX_PREFIX = 155;

/** A file of a tar archive. */
export interface TarEntry {
  readonly name: string;
  readonly size: number;
  readonly content: AsyncIterable<Uint8Array>;
}

/** An archive that isn't one, ends too soon, or holds more than plain files. */
export class TarError extends Error {
  override readonly name = "TarError";
}

/**
 * Writes a tar archive (POSIX.1-1988 ustar; GNU's encoding for files from 8 GiB), of plain files that only their
 * owner may read.
 *
 * @throws TarError for a content that isn't as long as was said
 */
export async function* writeTar(
  entries: AsyncIterable<TarEntry> | Iterable<TarEntry>,
): AsyncGenerator<Buffer> {
  for await (const { name, size, content } of entries) {
    yield toHeader(name, size);
    let written = 0;
    for await (const chunk of content) {
      written += chunk.length;
      yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    }
    if (written !== size) throw new TarError(`"${name}" has ${written} bytes instead of ${size}`);
    yield Buffer.alloc(paddingOf(size));
  }
  yield Buffer.alloc(2 * BLOCK);
}

/**
 * Reads a tar archive of plain files, one after another. The caller reads each content to its end.
 *
 * @throws TarError for anything that `writeTar` would not have written
 */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  const bytes = new ByteReader(source);
  for (;;) {
    const header = await bytes.take(BLOCK);
    if (header.every((byte) => byte === 0)) break;
    const { name, size } = readHeader(header);
    yield { name, size, content: bytes.chunks(size) };
    const padding = await bytes.take(paddingOf(size));
    if (padding.some((byte) => byte !== 0)) throw new TarError("its padding is damaged");
  }
  if (!(await bytes.isZeroToTheEnd())) throw new TarError("something follows its end");
}

function toHeader(name: string, size: number): Buffer {
  const header = Buffer.alloc(BLOCK);
  const { prefix, rest } = splitName(name);
  header.write(rest, 0);
  header.write("0000600\0", 100); // mode
  header.write("0000000\0".repeat(2), 108); // owner and group
  writeSize(header, size);
  header.write("00000000000\0", 136); // time of change: when the backup was made stands in its manifest
  header.write("0", 156); // a plain file
  header.write("ustar\u000000", 257);
  header.write(prefix, 345);
  header.write(checksumOf(header), 148);
  return header;
}

function splitName(name: string): { prefix: string; rest: string } {
  const at = Buffer.byteLength(name) <= MAX_NAME ? -1 : name.lastIndexOf("/");
  const prefix = name.slice(0, Math.max(at, 0));
  const rest = name.slice(at + 1);
  if (Buffer.byteLength(rest) > MAX_NAME || Buffer.byteLength(prefix) > MAX_PREFIX) {
    throw new TarError(`the name "${name}" is too long`);
  }
  return { prefix, rest };
}

function writeSize(header: Buffer, size: number): void {
  if (size <= MAX_OCTAL_SIZE) {
    header.write(`${size.toString(8).padStart(11, "0")}\0`, 124);
    return;
  }
  header.writeUInt8(0x80, 124);
  header.writeBigUInt64BE(BigInt(size), 128);
}

function readHeader(header: Buffer): { name: string; size: number } {
  const isUstar = header.toString("latin1", 257, 262) === "ustar";
  const isWhole = header.toString("latin1", 148, 156) === checksumOf(header);
  if (!isUstar || !isWhole) throw new TarError("a header is damaged");
  const rest = textOf(header, 0, MAX_NAME);
  const prefix = textOf(header, 345, MAX_PREFIX);
  const name = prefix === "" ? rest : `${prefix}/${rest}`;
  // Errors show it.
  if (/\p{Cc}/u.test(name)) throw new TarError("a header is damaged");
  if (header.toString("latin1", 156, 157) !== "0") throw new TarError(`"${name}" is not a plain file`);
  const isLarge = header.readUInt8(124) === 0x80;
  const size = isLarge ? Number(header.readBigUInt64BE(128)) : Number.parseInt(textOf(header, 124, 12), 8);
  if (!Number.isSafeInteger(size) || size < 0) throw new TarError("a header is damaged");
  return { name, size };
}

function textOf(header: Buffer, start: number, length: number): string {
  const [text = ""] = header.toString("utf8", start, start + length).split("\0");
  return text;
}

/** The sum of a header's bytes, with blanks in the place of the sum itself. */
function checksumOf(header: Buffer): string {
  const sum = header.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 32 : byte), 0);
  return `${sum.toString(8).padStart(6, "0")}\0 `;
}

function paddingOf(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

/** Reads a stream of chunks by numbers of bytes. */
class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** For small numbers: the bytes are copied. */
  async take(count: number): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    for await (const part of this.chunks(count)) parts.push(part);
    return Buffer.concat(parts);
  }

  async *chunks(count: number): AsyncGenerator<Uint8Array> {
    let missing = count;
    while (missing > 0) {
      if (this.#rest.length === 0 && !(await this.#fill())) throw new TarError("it ends too soon");
      const part = this.#rest.subarray(0, missing);
      this.#rest = this.#rest.subarray(part.length);
      missing -= part.length;
      yield part;
    }
  }

  async isZeroToTheEnd(): Promise<boolean> {
    do {
      if (this.#rest.some((byte) => byte !== 0)) return false;
    } while (await this.#fill());
    return true;
  }

  async #fill(): Promise<boolean> {
    const next = await this.#source.next();
    this.#rest = next.done === true ? new Uint8Array() : next.value;
    return next.done !== true;
  }
}
