import { PluginError } from "../../failure/failure.ts";
import type { SigningKey } from "../../snapshot/signatures.ts";

export type { SigningKey };

const ALGORITHM = { name: "Ed25519" };
const PEM = /-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]+)-----END \1-----/;

/** Makes the text of a new key file: an Ed25519 key in PKCS#8 (RFC 8410), as `openssl genpkey` writes it. */
export async function createSigningKey(): Promise<string> {
  const made = (await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"])) as CryptoKeyPair;
  const bytes = Buffer.from(await crypto.subtle.exportKey("pkcs8", made.privateKey));
  return `-----BEGIN PRIVATE KEY-----\n${bytes.toString("base64")}\n-----END PRIVATE KEY-----\n`;
}

/**
 * Reads the text of a key file.
 *
 * @param file path to show in errors, which never hold the key
 * @throws PluginError for any other kind of key
 */
export async function parseSigningKey(text: string, file: string): Promise<SigningKey> {
  const [, label, base64 = ""] = PEM.exec(text) ?? [];
  if (label !== "PRIVATE KEY") throw refuse(file, describe(label));
  try {
    const bytes = new Uint8Array(Buffer.from(base64, "base64"));
    const privateKey = await crypto.subtle.importKey("pkcs8", bytes, ALGORITHM, true, ["sign"]);
    const { x = "" } = await crypto.subtle.exportKey("jwk", privateKey);
    const publicKey = `ed25519:${Buffer.from(x, "base64url").toString("base64")}`;
    return { publicKey, privateKey };
  } catch {
    throw refuse(file, "it holds a key of another kind");
  }
}

function describe(label: string | undefined): string {
  switch (label) {
    case undefined:
      return "it holds no key in PEM";
    case "PUBLIC KEY":
      return "it holds a public key";
    case "ENCRYPTED PRIVATE KEY":
      return "its key is locked by a password";
    default:
      return `it holds a key of another kind ("${label}")`;
  }
}

function refuse(file: string, state: string): PluginError {
  const advice = "make an Ed25519 key with `xcore plugin key FILE`";
  return new PluginError("fetch", `Cannot sign with "${file}": ${state}; ${advice}`);
}
