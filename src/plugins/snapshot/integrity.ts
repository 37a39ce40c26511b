import { sha256 } from "../../files/sha256.ts";
import { isName, type Snapshot } from "./snapshot.ts";

const PREFIX = "sha256-";
const PATTERN = /^sha256-[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;

/**
 * Digest of a snapshot, which identifies it wherever it was found: the base64 of the SHA-256 of a list in UTF-8. The
 * list has a line for each file, as `sha256sum` writes it, in the order of the bytes of the names; then one for each
 * redirect, in the same order; and for a single-file plugin one that names its module:
 *
 *     <SHA-256 of the file, in hex, lower case><two blanks><name><newline>
 *     redirect<tab><name><tab><name of the file><newline>
 *     entry<tab><name><newline>
 *
 * So for a folder without imports from elsewhere it is what this prints, in the folder:
 * `find . -type f -printf '%P\n' | LC_ALL=C sort | xargs -d '\n' sha256sum | openssl dgst -sha256 -binary | base64`
 *
 * @returns "sha256-…", as in Subresource Integrity (https://www.w3.org/TR/SRI/)
 * @throws RangeError for a name that could pass for another line
 */
export function computeIntegrity({ entry, files, redirects }: Omit<Snapshot, "signatures">): string {
  return toIntegrity({
    entry,
    files: new Map([...files].map(([name, content]) => [name, sha256(content)])),
    redirects,
  });
}

/** The same digest, from the SHA-256 of each file in lower-case hex. */
export function toIntegrity(listed: {
  readonly entry: string;
  readonly files: ReadonlyMap<string, string>;
  readonly redirects: ReadonlyMap<string, string>;
}): string {
  const names = [listed.entry, ...listed.files.keys(), ...[...listed.redirects].flat()];
  const odd = names.find((name) => !isName(name));
  if (odd !== undefined) throw new RangeError(`Cannot list ${JSON.stringify(odd)}: it can't be a name`);
  const hasher = new Bun.CryptoHasher("sha256");
  for (const [name, hash] of inByteOrder(listed.files)) hasher.update(`${hash}  ${name}\n`);
  for (const [from, to] of inByteOrder(listed.redirects)) hasher.update(`redirect\t${from}\t${to}\n`);
  if (listed.entry !== "plugin.json") hasher.update(`entry\t${listed.entry}\n`);
  return `${PREFIX}${hasher.digest("base64")}`;
}

/** Whether a text is an integrity as `computeIntegrity` gives it. */
export function isIntegrity(text: string): boolean {
  return PATTERN.test(text);
}

/** The digest of an integrity in hex: a name for files. */
export function integrityToHex(integrity: string): string {
  return Buffer.from(integrity.slice(PREFIX.length), "base64").toString("hex");
}

function inByteOrder(entries: ReadonlyMap<string, string>): [string, string][] {
  return [...entries].toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}
