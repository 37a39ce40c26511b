import { crc32, deflateSync } from "node:zlib";

/** A PNG of one colour, as small as one is. */
export function makePng(width: number, height: number): Uint8Array<ArrayBuffer> {
  const row = Buffer.alloc(1 + width * 3, 0x80);
  row[0] = 0;
  return toPng(width, height, deflateSync(Buffer.concat(Array.from({ length: height }, () => row))));
}

/** A PNG whose head says that it is larger than anything: what there is of it would fill gigabytes. */
export function makeBomb(width = 50_000, height = 50_000): Uint8Array<ArrayBuffer> {
  return toPng(width, height, deflateSync(Buffer.alloc(1_000_000)));
}

function toPng(width: number, height: number, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8); // 8 bits of three colours
  const signature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
  return new Uint8Array(
    Buffer.concat([
      signature,
      toChunk("IHDR", head),
      toChunk("IDAT", data),
      toChunk("IEND", Buffer.alloc(0)),
    ]),
  );
}

function toChunk(name: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(name, "latin1"), data]);
  const frame = Buffer.alloc(4);
  frame.writeUInt32BE(data.byteLength);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([frame, body, check]);
}
