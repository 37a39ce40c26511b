import { Type } from "@sinclair/typebox";

const UNITS: Readonly<Record<string, number>> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };
const SIZE = /^(\d{1,6}(?:\.\d{1,3})?) ?([kmg]?)i?b$/i;

/** The sizes that a config string may hold, as an ECMA-262 pattern: a number above zero and b, kb, mb or gb. */
export const BYTE_SIZE_PATTERN = "^(?=.*[1-9])\\d{1,6}(\\.\\d{1,3})? ?[kKmMgG]?[iI]?[bB]$";

/**
 * Reads a size such as "512kb", "1.5 MB" or 1048576 as a number of bytes. A kilobyte is 1024 bytes, as it
 * is to web servers; "kib" means the same.
 *
 * @throws RangeError when `size` is not a size, is zero or is not a whole number of bytes
 */
export function parseByteSize(size: string | number): number {
  const bytes = typeof size === "number" ? size : countBytes(size);
  if (!Number.isSafeInteger(bytes) || bytes < 1) {
    throw new RangeError(
      `Cannot read size ${JSON.stringify(size)}: expected bytes or a string such as "16mb"`,
    );
  }
  return bytes;
}

/** Makes the schema of a size with a default, such as "16mb". */
export function byteSize(preset: string, description: string) {
  return Type.Union(
    [
      Type.String({ pattern: BYTE_SIZE_PATTERN, title: 'a size such as "512kb", "16mb" or "1gb"' }),
      Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, title: "a number of bytes above zero" }),
    ],
    { default: preset, description },
  );
}

function countBytes(size: string): number {
  const [, amount = "", unit = ""] = SIZE.exec(size) ?? [];
  return amount === "" ? Number.NaN : Math.ceil(Number(amount) * (UNITS[unit.toLowerCase()] ?? Number.NaN));
}
