import { quote } from "../../config/json/values.ts";
import { PluginError } from "../failure/failure.ts";

/** A key pair to sign plugins with. */
export interface SigningKey {
  /** "ed25519:…", as `plugins.trusted_keys` lists it. */
  readonly publicKey: string;
  readonly privateKey: CryptoKey;
}

interface Signature {
  readonly key: string;
  /** In base64. */
  readonly signature: string;
}

const ALGORITHM = { name: "Ed25519" };
const KEY_PREFIX = "ed25519:";
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const MAX_SIGNATURES = 64;
const MAX_SHOWN = 3; // keys in a message
const MAX_BYTES = 64 * 1024;

/**
 * Makes sure that a trusted key has signed a plugin (Ed25519, RFC 8032, of the UTF-8 of `xcore plugin <integrity>`).
 *
 * @param signatures content of the signature file; null when there is none
 * @param trustedKeys "ed25519:" and the base64 of a public key's 32 bytes, each; none trusts nobody
 * @returns the key
 * @throws PluginError when none of them has
 */
export async function assertSigned(
  integrity: string,
  signatures: Uint8Array | null,
  trustedKeys: readonly string[],
): Promise<string> {
  const wrong = trustedKeys.find((key) => !isPublicKey(key));
  if (wrong !== undefined) {
    const expected = `write it as "${KEY_PREFIX}<base64 of 32 bytes>", as \`xcore plugin key\` prints it`;
    throw new PluginError("fetch", `Cannot use ${quote(wrong)} of plugins.trusted_keys: ${expected}`);
  }
  const listed = signatures === null ? [] : parseSignatures(signatures);
  const signers = typeof listed === "string" ? [] : await verifyAll(integrity, listed);
  const trusted = signers.find((key) => trustedKeys.includes(key));
  if (trusted !== undefined) return trusted;
  throw new PluginError("fetch", `Cannot trust ${integrity}: ${explain(listed, signers)}`);
}

/** Lists the keys that have signed a plugin; whether they are trusted is another question. */
export async function listSigners(integrity: string, signatures: Uint8Array | null): Promise<string[]> {
  const listed = signatures === null ? [] : parseSignatures(signatures);
  return typeof listed === "string" ? [] : verifyAll(integrity, listed);
}

/**
 * Signs a plugin.
 *
 * @param signatures content of the signature file so far: those of other keys stay, as far as they hold
 * @returns content of the signature file
 */
export async function signIntegrity(
  integrity: string,
  key: SigningKey,
  signatures: Uint8Array | null,
): Promise<Uint8Array> {
  const listed = signatures === null ? [] : parseSignatures(signatures);
  const before = typeof listed === "string" ? [] : listed;
  const holding = new Set(await verifyAll(integrity, before));
  holding.delete(key.publicKey);
  const others = before.filter((one) => holding.delete(one.key));
  const bytes = await crypto.subtle.sign(ALGORITHM, key.privateKey, toMessage(integrity));
  const own: Signature = { key: key.publicKey, signature: Buffer.from(bytes).toString("base64") };
  const all = [...others, own].toSorted((a, b) => (a.key < b.key ? -1 : 1));
  return new TextEncoder().encode(`${JSON.stringify({ signatures: all }, null, 2)}\n`);
}

/** Whether a text is a public key as `plugins.trusted_keys` lists them. */
export function isPublicKey(text: string): boolean {
  return text.startsWith(KEY_PREFIX) && fromBase64(text.slice(KEY_PREFIX.length), KEY_BYTES) !== null;
}

async function verifyAll(integrity: string, signatures: readonly Signature[]): Promise<string[]> {
  const message = toMessage(integrity);
  const holding = await Promise.all(signatures.map((signature) => verify(message, signature)));
  return [...new Set(signatures.filter((_, index) => holding[index]).map(({ key }) => key))];
}

async function verify(message: Uint8Array<ArrayBuffer>, { key, signature }: Signature): Promise<boolean> {
  const raw = fromBase64(key.slice(KEY_PREFIX.length), KEY_BYTES);
  const bytes = fromBase64(signature, SIGNATURE_BYTES);
  if (raw === null || bytes === null) return false;
  try {
    const publicKey = await crypto.subtle.importKey("raw", raw, ALGORITHM, false, ["verify"]);
    return await crypto.subtle.verify(ALGORITHM, publicKey, bytes, message);
  } catch {
    return false; // 32 bytes that are no key
  }
}

/** Returns what is wrong where it isn't a signature file. */
function parseSignatures(bytes: Uint8Array): Signature[] | string {
  if (bytes.length > MAX_BYTES) return `its signature file is larger than ${MAX_BYTES} bytes`;
  const value = parseJson(bytes);
  const listed = isRecord(value) ? value["signatures"] : undefined;
  if (!Array.isArray(listed)) return 'its signature file isn\'t JSON with "signatures"';
  if (listed.length > MAX_SIGNATURES)
    return `its signature file holds more than ${MAX_SIGNATURES} signatures`;
  return listed.every(isSignature) ? listed : "its signature file holds something that is no signature";
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

function isSignature(value: unknown): value is Signature {
  if (!isRecord(value)) return false;
  const { key, signature } = value;
  return typeof key === "string" && isPublicKey(key) && typeof signature === "string";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function explain(listed: readonly Signature[] | string, signers: readonly string[]): string {
  const advice = "ask its author to run `xcore plugin sign`, or leave plugins.trusted_keys empty";
  if (typeof listed === "string") return `${listed}; ${advice}`;
  if (listed.length === 0) return `it isn't signed; ${advice}`;
  if (signers.length === 0) return `its signatures are of something else; ${advice}`;
  const keys = signers.slice(0, MAX_SHOWN).join(", ");
  return `it is signed by ${keys}, which plugins.trusted_keys doesn't name; add it there if you trust who holds it`;
}

function toMessage(integrity: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`xcore plugin ${integrity}`);
}

/** Returns null for what isn't exactly the base64 of so many bytes: one key must have one name. */
function fromBase64(text: string, length: number): Uint8Array<ArrayBuffer> | null {
  const bytes = Buffer.from(text, "base64");
  return bytes.length === length && bytes.toString("base64") === text ? new Uint8Array(bytes) : null;
}
