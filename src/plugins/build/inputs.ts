import { readFile, stat } from "node:fs/promises";
import { sha256 } from "../../files/sha256.ts";
import { isTextOf } from "../packages/files.ts";
import type { Overlay } from "../source/files.ts";

/** Digests by absolute path: SHA-256 in hex. */
export type InputDigests = Readonly<Record<string, string>>;

const AT_ONCE = 32; // files read at the same time
const CLOCK_MS = 1000; // by which the clocks of the disk and of this machine may differ

/**
 * Reads the files that a bundle was made of.
 *
 * @returns null when one isn't what it was
 */
export async function readUnchanged(
  digests: InputDigests,
  overlay: Overlay | null,
): Promise<Map<string, Uint8Array> | null> {
  const read = async ([file, digest]: readonly [string, string]): Promise<[string, Uint8Array] | null> => {
    const content = overlay?.get(file) ?? (await readFile(file).catch(() => null));
    return content !== null && sha256(content) === digest ? [file, content] : null;
  };
  return inBatches(Object.entries(digests), read);
}

/**
 * Digests the files that a bundle was made of, as they were then.
 *
 * @param startedAt when it began to be made, in ms since 1970
 * @returns null when one has changed, or may have
 */
export async function digestInputs(
  inputs: ReadonlyMap<string, string | Uint8Array>,
  overlay: Overlay | null,
  startedAt: number,
): Promise<InputDigests | null> {
  const digest = async ([file, content]: readonly [string, string | Uint8Array]): Promise<
    [string, string] | null
  > => {
    if (overlay?.has(file) === true) return [file, sha256(content)];
    if (typeof content === "string") {
      const bytes = await readFile(file).catch(() => null);
      return bytes !== null && isTextOf(bytes, content) ? [file, sha256(bytes)] : null;
    }
    // It was read once more after it was bundled.
    const { ctimeMs } = await stat(file);
    return ctimeMs < startedAt - CLOCK_MS ? [file, sha256(content)] : null;
  };
  const digests = await inBatches([...inputs], digest);
  return digests && Object.fromEntries(digests);
}

async function inBatches<Item, Value>(
  items: readonly Item[],
  act: (item: Item) => Promise<[string, Value] | null>,
): Promise<Map<string, Value> | null> {
  const found = new Map<string, Value>();
  for (let start = 0; start < items.length; start += AT_ONCE) {
    // oxlint-disable-next-line no-await-in-loop -- so many at once, and no more
    for (const entry of await Promise.all(items.slice(start, start + AT_ONCE).map(act))) {
      if (entry === null) return null;
      found.set(...entry);
    }
  }
  return found;
}
