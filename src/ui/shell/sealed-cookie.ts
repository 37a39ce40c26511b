import { isSameText } from "../../accounts/keys/opaque-tokens.ts";

const ATTRIBUTES = "Path=/; HttpOnly; SameSite=Lax";
const MAX_LENGTH = 3900; // characters; browsers keep 4096

/** A value that a page leaves for the next one, in a cookie: what another host of the domain sets is none. */
export class SealedCookie<Value> {
  readonly #name: string;
  readonly #key: Uint8Array;
  readonly #seconds: number;
  readonly #pattern: RegExp;

  /** @param seconds that it is kept */
  constructor(name: string, key: Uint8Array, seconds: number) {
    this.#name = name;
    this.#key = key;
    this.#seconds = seconds;
    this.#pattern = new RegExp(`(?:^|;\\s*)${name}=([\\w-]+)\\.([\\w-]{43})(?:;|$)`);
  }

  /** Returns the header `Set-Cookie` that keeps a value for the next page; null for one that is too large. */
  keep(value: Value): string | null {
    const packed = Buffer.from(Bun.deflateSync(Buffer.from(JSON.stringify(value)))).toString("base64url");
    const cookie = `${this.#name}=${packed}.${this.#seal(packed)}; ${ATTRIBUTES}; Max-Age=${this.#seconds}`;
    return cookie.length > MAX_LENGTH ? null : cookie;
  }

  /** Returns the value that a request brings; null for none that was made here. */
  read({ headers }: Request): Value | null {
    const [, packed = "", mark = ""] = this.#pattern.exec(headers.get("cookie") ?? "") ?? [];
    if (packed === "" || !isSameText(this.#seal(packed), mark)) return null;
    return JSON.parse(Buffer.from(Bun.inflateSync(Buffer.from(packed, "base64url"))).toString()) as Value;
  }

  /** The header `Set-Cookie` of whoever has taken it. */
  get clear(): string {
    return `${this.#name}=; ${ATTRIBUTES}; Max-Age=0`;
  }

  #seal(packed: string): string {
    return new Bun.CryptoHasher("sha256", this.#key).update(`${this.#name} ${packed}`).digest("base64url");
  }
}
