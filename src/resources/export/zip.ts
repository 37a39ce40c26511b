import { crc32 } from "node:zlib";

/** A file of an archive. */
export interface Entry {
  readonly path: string;
  /** In UTF-8 once it is written. */
  readonly text: AsyncIterable<string> | Iterable<string>;
}

/** What the directory at the end says of an entry. */
interface Written {
  readonly path: Buffer;
  readonly at: number;
  readonly crc: number;
  readonly size: number;
  readonly packed: number;
}

/** Deflated, its name in UTF-8, and its size behind it (4.4.4). */
const HEAD = [20, 0x0808, 8, 0, 33] as const;
const MAX_SIZE = 0xffff_ffff;

/**
 * Writes an archive (PKWARE's APPNOTE) as its files come: none is held whole.
 *
 * @throws RangeError for a file, or an archive, of 4 GiB
 */
export async function* writeZip(entries: Iterable<Entry>): AsyncGenerator<Uint8Array> {
  const written: Written[] = [];
  let at = 0;
  for (const { path: name, text } of entries) {
    const path = Buffer.from(name);
    const head = Buffer.concat([toHead("PK\u0003\u0004", [0, 0, 0]), toShorts(path.length, 0), path]);
    yield head;
    let [crc, size, packed] = [0, 0, 0];
    const packing = encode(text, (bytes) => {
      crc = crc32(bytes, crc);
      size += bytes.length;
    }).pipeThrough(new CompressionStream("deflate-raw"));
    for await (const bytes of packing) {
      packed += bytes.length;
      yield bytes;
    }
    if (size > MAX_SIZE) throw new RangeError(`Cannot pack "${name}": it has 4 GiB or more`);
    const descriptor = Buffer.concat([Buffer.from("PK\u0007\u0008"), toLongs(crc, packed, size)]);
    yield descriptor;
    written.push({ path, at, crc, size, packed });
    at += head.length + packed + descriptor.length;
    if (at > MAX_SIZE) throw new RangeError("Cannot pack it: the archive has 4 GiB or more");
  }
  yield toDirectory(written, at);
}

function encode(
  text: Entry["text"],
  onBytes: (bytes: Uint8Array) => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  const pieces = (async function* () {
    yield* text;
  })();
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await pieces.next();
        if (done === true) return controller.close();
        const bytes = encoder.encode(value);
        onBytes(bytes);
        controller.enqueue(bytes);
      },
      async cancel() {
        await pieces.return();
      },
    },
    { highWaterMark: 0 },
  );
}

function toDirectory(written: readonly Written[], at: number): Buffer {
  const records = written.map(({ path, crc, packed, size, at: offset }) =>
    Buffer.concat([
      Buffer.from("PK\u0001\u0002"),
      toShorts(HEAD[0]),
      toHead("", [crc, packed, size]),
      toShorts(path.length, 0, 0, 0, 0),
      toLongs(0, offset),
      path,
    ]),
  );
  const directory = Buffer.concat(records);
  const { length } = records;
  const end = [toShorts(0, 0, length, length), toLongs(directory.length, at), toShorts(0)];
  return Buffer.concat([directory, Buffer.from("PK\u0005\u0006"), ...end]);
}

function toHead(signature: string, sizes: readonly number[]): Buffer {
  return Buffer.concat([Buffer.from(signature), toShorts(...HEAD), toLongs(...sizes)]);
}

function toShorts(...numbers: readonly number[]): Buffer {
  return Buffer.from(Uint16Array.from(numbers).buffer);
}

function toLongs(...numbers: readonly number[]): Buffer {
  return Buffer.from(Uint32Array.from(numbers).buffer);
}
