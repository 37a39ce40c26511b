import { timingSafeEqual } from "node:crypto";
import { fail } from "../../errors/codes.ts";

/** Bytes of the digests that an executable is compared with. */
const DIGESTS: Readonly<Record<string, number>> = { sha256: 32, sha384: 48, sha512: 64 };
const FORM = /^(sha\d{3})-([A-Za-z0-9+/]+={0,2})$/;

/** What a file must be. */
export interface Integrity {
  readonly algorithm: "sha256" | "sha384" | "sha512";
  readonly digest: Uint8Array;
}

/**
 * Reads a digest in the form of Subresource Integrity, in which plugins are pinned as well.
 *
 * @throws AppError validation_error
 * @see https://www.w3.org/TR/SRI/
 */
export function parseIntegrity(text: string): Integrity {
  const [, algorithm = "", base64 = ""] = FORM.exec(text) ?? [];
  const digest = Buffer.from(base64, "base64");
  if (digest.length === DIGESTS[algorithm] && digest.toString("base64") === base64) {
    return { algorithm: algorithm as Integrity["algorithm"], digest };
  }
  throw fail(
    "validation_error",
    `Cannot use ${JSON.stringify(text)} as an integrity: write sha256-, sha384- or sha512- and the digest in base64, such as ` +
      'what "openssl dgst -sha256 -binary xcore | openssl base64 -A" prints',
  );
}

/**
 * @param unfit what else is wrong with them, such as that a page came in place of a file; null for nothing that is known
 * @throws AppError update_failed where bytes aren't what they must be
 */
export function assertIntegrity(
  bytes: Uint8Array,
  { algorithm, digest }: Integrity,
  { subject, unfit }: { readonly subject: string; readonly unfit: string | null },
): void {
  const found = new Bun.CryptoHasher(algorithm).update(bytes).digest();
  if (timingSafeEqual(found, digest)) return;
  const shown = `${algorithm}-${found.toString("base64")}`;
  throw fail(
    "update_failed",
    `Cannot update to ${subject}: it is ${shown}, and not what --integrity says${unfit === null ? "" : `; ${unfit}`}; nothing was changed`,
  );
}
