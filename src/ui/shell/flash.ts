import { SealedCookie } from "./sealed-cookie.ts";

/** A message of what has been done, which the next page shows once. */
export interface Flash {
  /** English, as `t()` takes it. */
  readonly text: string;
  readonly values?: Readonly<Record<string, string>>;
  readonly color?: "success" | "info" | "warning" | "error";
}

const MAX_LENGTH = 2000; // characters of a message
const MAX_SECONDS = 60;

/** Keeps messages for the next page. */
export class Flashes {
  readonly #cookie: SealedCookie<Flash>;

  constructor(key: Uint8Array) {
    this.#cookie = new SealedCookie("xcore_flash", key, MAX_SECONDS);
  }

  /** Returns the header `Set-Cookie` that keeps a message for the next page; null for one that is too large. */
  keep(flash: Flash): string | null {
    return this.#cookie.keep({ ...flash, text: flash.text.slice(0, MAX_LENGTH) });
  }

  /** Returns the message that a request brings; null for none that was made here. */
  read(request: Request): Flash | null {
    return this.#cookie.read(request);
  }

  /** The header `Set-Cookie` of whoever has shown it. */
  get clear(): string {
    return this.#cookie.clear;
  }
}
