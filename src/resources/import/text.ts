import { isUtf8 } from "node:buffer";
import { type ImportFile, unreadable } from "./source.ts";

const PIECE = 256 * 1024; // bytes

/**
 * Decodes a text piece by piece: by its byte order mark, as its sender says, as UTF-8, or else as what Excel writes in Western
 * Europe.
 *
 * @throws AppError validation_error for a charset that isn't known
 */
export function* decodeText(
  { bytes, charset }: Pick<ImportFile, "bytes" | "charset">,
  onPart: (part: number) => void = () => {},
): Generator<string> {
  const decoder = createDecoder(bytes, charset);
  for (let from = 0; from < bytes.length; from += PIECE) {
    onPart(from / bytes.length);
    const text = decoder.decode(bytes.subarray(from, from + PIECE), { stream: true });
    if (text !== "") yield text;
  }
  const rest = decoder.decode();
  if (rest !== "") yield rest;
}

function createDecoder(bytes: Uint8Array, charset: string | null): TextDecoder {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le");
  if (first === 0xfe && second === 0xff) return new TextDecoder("utf-16be");
  const said = charset === null || /^utf-?8$/i.test(charset) ? null : toDecoder(charset);
  // Who says UTF-8 and sends something else doesn't know what they send. ISO-2022-JP is all ASCII.
  if (isUtf8(bytes) && said?.encoding !== "iso-2022-jp") return new TextDecoder();
  return said ?? new TextDecoder("windows-1252");
}

function toDecoder(charset: string): TextDecoder {
  try {
    return new TextDecoder(charset);
  } catch (cause) {
    throw unreadable(`the charset "${charset.slice(0, 40)}" isn't known; send UTF-8`, cause);
  }
}
