import { isSameText } from "../../accounts/keys/opaque-tokens.ts";

const ATTRIBUTES = "Path=/; HttpOnly; SameSite=Lax";
const MAX_LENGTH = 3900; // characters; browsers keep 4096

/** With the time that it ends at, in ms since the epoch. */
type Kept<Value> = readonly [until: number, value: Value];

/**
 * A value that a page leaves for the next one of the same person, in a cookie. What another host of the domain sets is none,
 * also where it has it from this server, for somebody else or long ago.
 */
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

  /**
   * Returns the header `Set-Cookie` that keeps a value for the next page; null for one that is too large.
   *
   * @param person id of who it is for; null for nobody known
   */
  keep(value: Value, person: number | null): string | null {
    const kept: Kept<Value> = [Date.now() + this.#seconds * 1000, value];
    const packed = Buffer.from(Bun.deflateSync(Buffer.from(JSON.stringify(kept)))).toString("base64url");
    const cookie = `${this.#name}=${packed}.${this.#seal(packed, person)}; ${ATTRIBUTES}; Max-Age=${this.#seconds}`;
    return cookie.length > MAX_LENGTH ? null : cookie;
  }

  /** Returns the value that a request brings; null for none that was made here, for this person and of late. */
  read({ headers }: Request, person: number | null): Value | null {
    const [, packed = "", mark = ""] = this.#pattern.exec(headers.get("cookie") ?? "") ?? [];
    if (packed === "" || !isSameText(this.#seal(packed, person), mark)) return null;
    const text = Buffer.from(Bun.inflateSync(Buffer.from(packed, "base64url"))).toString();
    const [until, value] = JSON.parse(text) as Kept<Value>;
    return until > Date.now() ? value : null;
  }

  /** The header `Set-Cookie` of whoever has taken it. */
  get clear(): string {
    return `${this.#name}=; ${ATTRIBUTES}; Max-Age=0`;
  }

  #seal(packed: string, person: number | null): string {
    const text = `${this.#name} ${person ?? "nobody"} ${packed}`;
    return new Bun.CryptoHasher("sha256", this.#key).update(text).digest("base64url");
  }
}
