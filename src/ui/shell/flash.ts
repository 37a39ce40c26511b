/** A message of what has been done, which the next page shows once. */
export interface Flash {
  /** English, as `t()` takes it. */
  readonly text: string;
  readonly values?: Readonly<Record<string, string>>;
  readonly color?: "success" | "info" | "warning" | "error";
}

/** Puts messages into a cookie, and takes them out of it. */
export interface Flashes {
  /** Returns the header `Set-Cookie` that keeps a message for the next page. */
  keep(flash: Flash): string;
  /** Returns the message that a request brings; null for none that was made here. */
  read(request: Request): Flash | null;
  /** The header `Set-Cookie` of whoever has shown it. */
  readonly clear: string;
}

const NAME = "xcore_flash";
const MAX_LENGTH = 2000; // characters; browsers keep 4096
const ATTRIBUTES = "Path=/; HttpOnly; SameSite=Lax";
const COOKIE = new RegExp(`(?:^|;\\s*)${NAME}=([\\w-]+)\\.([\\w-]{43})(?:;|$)`);

/** Creates what keeps messages. They are sealed: what another host of the domain sets is shown to nobody. */
export function createFlashes(key: Uint8Array): Flashes {
  const seal = (text: string): string => new Bun.CryptoHasher("sha256", key).update(text).digest("base64url");
  return {
    keep(flash) {
      const text = flash.text.slice(0, MAX_LENGTH);
      const packed = Buffer.from(JSON.stringify({ ...flash, text })).toString("base64url");
      return `${NAME}=${packed}.${seal(packed)}; ${ATTRIBUTES}; Max-Age=60`;
    },
    read({ headers }) {
      const [, packed = "", mark = ""] = COOKIE.exec(headers.get("cookie") ?? "") ?? [];
      if (packed === "" || seal(packed) !== mark) return null;
      return JSON.parse(Buffer.from(packed, "base64url").toString()) as Flash;
    },
    clear: `${NAME}=; ${ATTRIBUTES}; Max-Age=0`,
  };
}
