import { timingSafeEqual } from "node:crypto";

/** A bundle as it is kept on disk. */
export interface SealedBundle {
  /** Digest of what decided over it beside its files. */
  readonly layout: string;
  /** SHA-256 of each of its files, in hex, by absolute path. */
  readonly inputs: Readonly<Record<string, string>>;
  /** See Bundle. */
  readonly hash: string;
  readonly code: string;
  readonly map: string;
}

const SEAL_BYTES = 32;
const LENGTH_BYTES = 4;

/**
 * Writes a bundle as bytes that begin with a seal (HMAC-SHA-256, RFC 2104): a digest alone could be made anew by whoever
 * changes what is behind it.
 *
 * @param name of the file that they are kept in: in another one they don't open
 */
export function sealBundle({ code, map, ...head }: SealedBundle, name: string, key: Uint8Array): Uint8Array {
  const parts = [Buffer.from(code), Buffer.from(map)] as const;
  const header = Buffer.from(JSON.stringify({ ...head, codeBytes: parts[0].length }));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(header.length);
  const content = Buffer.concat([length, header, ...parts]);
  return Buffer.concat([sealOf(content, name, key), content]);
}

/** Reads what `sealBundle` wrote with the same name and key; null when it is anything else. */
export function openBundle(bytes: Buffer, name: string, key: Uint8Array): SealedBundle | null {
  if (bytes.length < SEAL_BYTES + LENGTH_BYTES) return null;
  const content = bytes.subarray(SEAL_BYTES);
  // Nothing behind the seal is read before it is known to be ours.
  if (!timingSafeEqual(bytes.subarray(0, SEAL_BYTES), sealOf(content, name, key))) return null;
  const codeAt = LENGTH_BYTES + content.readUInt32LE(0);
  const { codeBytes, ...head } = JSON.parse(content.toString("utf8", LENGTH_BYTES, codeAt)) as Omit<
    SealedBundle,
    "code" | "map"
  > & { codeBytes: number };
  const mapAt = codeAt + codeBytes;
  return { ...head, code: content.toString("utf8", codeAt, mapAt), map: content.toString("utf8", mapAt) };
}

function sealOf(content: Uint8Array, name: string, key: Uint8Array): Buffer {
  return new Bun.CryptoHasher("sha256", key).update(`${name}\0`).update(content).digest();
}
