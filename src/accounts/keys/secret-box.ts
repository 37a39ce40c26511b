const VERSION = "v1";
const KEY_BYTES = 32;
/** The length that NIST SP 800-38D recommends; random ones don't repeat in any number of secrets kept here. */
const IV_BYTES = 12;
const SEALED = /^v1\.([\w-]{16})\.([\w-]{22,})$/;

/**
 * Encrypts texts that are kept in the database, with AES-256-GCM. A sealed text reads "v1.<iv>.<ciphertext>", in
 * base64url, and opens only in the context it was sealed for: it can't be moved to another row.
 */
export class SecretBox {
  readonly #key: Promise<CryptoKey>;

  /**
   * @param key 32 bytes, or a key of AES-GCM
   * @throws RangeError or TypeError for another one
   */
  constructor(key: Uint8Array | CryptoKey) {
    if (key instanceof Uint8Array && key.length !== KEY_BYTES) {
      throw new RangeError(`Cannot seal secrets with a key of ${key.length} bytes: expected ${KEY_BYTES}`);
    }
    this.#key = key instanceof Uint8Array ? importKey(key) : Promise.resolve(toUsable(key));
  }

  /** Returns what seals and opens in one context. */
  in(context: string): { seal(text: string): Promise<string>; open(sealed: string): Promise<string> } {
    return {
      seal: (text) => this.seal(text, context),
      open: (sealed) => this.open(sealed, context),
    };
  }

  async seal(text: string, context: string): Promise<string> {
    const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
    const encrypted = await crypto.subtle.encrypt(toCipher(iv, context), await this.#key, toBytes(text));
    return [VERSION, toBase64(iv), toBase64(new Uint8Array(encrypted))].join(".");
  }

  /** @throws Error when it was sealed with another key or in another context, was changed, or is something else */
  async open(sealed: string, context: string): Promise<string> {
    const [, iv, encrypted] = SEALED.exec(sealed) ?? [];
    if (iv === undefined || encrypted === undefined) {
      throw new Error(`Cannot open a secret of "${context}": it isn't in the format "${VERSION}"`);
    }
    const key = await this.#key;
    try {
      const text = await crypto.subtle.decrypt(toCipher(fromBase64(iv), context), key, fromBase64(encrypted));
      return new TextDecoder("utf-8", { fatal: true }).decode(text);
    } catch (cause) {
      const message = `Cannot open a secret of "${context}": it was sealed with another secret key, or changed`;
      throw new Error(message, { cause });
    }
  }
}

async function importKey(bytes: Uint8Array): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", Uint8Array.from(bytes), "AES-GCM", false, ["encrypt", "decrypt"]);
}

function toUsable(key: CryptoKey): CryptoKey {
  if (key.algorithm.name === "AES-GCM") return key;
  throw new TypeError(`Cannot seal secrets with a key of "${key.algorithm.name}": expected one of AES-GCM`);
}

function toCipher(iv: Uint8Array<ArrayBuffer>, context: string): AesGcmParams {
  return { name: "AES-GCM", iv, additionalData: toBytes(context) };
}

function toBytes(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(text));
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(text, "base64url"));
}
