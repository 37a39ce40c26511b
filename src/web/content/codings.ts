import { mayBeKnown } from "../clients/site.ts";

/** What an answer may be compressed by, the better first. */
export const CODINGS = ["zstd", "gzip"] as const;

export type Coding = (typeof CODINGS)[number];

/** Less than this isn't worth its headers: it fits into one packet as it is. */
export const LEAST_BYTES = 1024;

const MAX_LENGTH = 1024; // of a header that is read; browsers send 30 characters
const WEIGHT = /^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/;
const COMPRESSIBLE =
  /^(?:text\/|application\/(?:json|javascript|xml|wasm|manifest\+json|ld\+json)|image\/svg\+xml|[\w.+-]+\/[\w.-]+\+(?:json|xml)\b)/;

/**
 * Chooses what to compress an answer by, as its client weighs it (RFC 9110, 12.5.3); null for none, which is what nobody
 * has to say that they take.
 */
export function chooseCoding({ headers }: Request, offered: readonly Coding[] = CODINGS): Coding | null {
  const header = headers.get("accept-encoding");
  if (header === null || header.length > MAX_LENGTH) return null;
  const weights = readWeights(header);
  const others = weights.get("*") ?? 0;
  let best: Coding | null = null;
  let most = weights.get("identity") ?? 0;
  for (const coding of offered) {
    const weight = weights.get(coding) ?? others;
    if (weight > most || (weight === most && best === null && weight > 0)) [best, most] = [coding, weight];
  }
  return best;
}

/** Whether a content of this type becomes smaller. */
export function isCompressible(type: string): boolean {
  return COMPRESSIBLE.test(type) && !type.startsWith("text/event-stream");
}

/** Compresses at once, for what is kept. */
export function compress(bytes: Uint8Array<ArrayBuffer>, coding: Coding): Uint8Array<ArrayBuffer> {
  return coding === "zstd"
    ? new Uint8Array(Bun.zstdCompressSync(bytes, { level: 9 }))
    : Bun.gzipSync(bytes, { level: 9 });
}

/**
 * Compresses a page that was made for one request, where that is worth it: null otherwise. How well a page is compressed tells
 * how often it repeats what somebody else has put into the address (BREACH): one that is made for whoever is known by a cookie
 * or a key may hold what is theirs alone, such as the proof of a form, and is sent as it is.
 */
export function compressPage(
  text: string,
  request: Request,
): { readonly bytes: Uint8Array<ArrayBuffer>; readonly coding: Coding } | null {
  if (text.length < LEAST_BYTES || mayBeKnown(request)) return null;
  const coding = chooseCoding(request);
  if (coding === null) return null;
  const bytes = new TextEncoder().encode(text);
  return { bytes: coding === "zstd" ? zstdQuickly(bytes) : Bun.gzipSync(bytes, { level: 4 }), coding };
}

/** Compresses beside what else there is to do. */
export async function compressLater(
  bytes: Uint8Array<ArrayBuffer>,
  coding: Coding,
): Promise<Uint8Array<ArrayBuffer>> {
  if (coding === "zstd") return new Uint8Array(await Bun.zstdCompress(bytes, { level: 9 }));
  const { gzip } = process.getBuiltinModule("node:zlib");
  return new Promise((resolve, reject) => {
    gzip(bytes, { level: 9 }, (error, made) =>
      error === null ? resolve(new Uint8Array(made)) : reject(error),
    );
  });
}

/** The entity tag of a form of a content: another one for each, for their bytes are others (RFC 9110, 8.8.3.3). */
export function toTag(version: string, coding: Coding | null): string {
  return coding === null ? `"${version}"` : `"${version}-${coding}"`;
}

function zstdQuickly(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Bun.zstdCompressSync(bytes, { level: 3 }));
}

/** A weight that nobody can mean counts as none. */
function readWeights(header: string): Map<string, number> {
  const weights = new Map<string, number>();
  for (const member of header.toLowerCase().split(",")) {
    const [name = "", ...parameters] = member.split(";").map((part) => part.trim());
    const weight = parameters.length === 0 ? 1 : Number(WEIGHT.exec(parameters[0] ?? "")?.[1] ?? 0);
    if (name !== "" && !weights.has(name)) weights.set(name === "x-gzip" ? "gzip" : name, weight);
  }
  return weights;
}
