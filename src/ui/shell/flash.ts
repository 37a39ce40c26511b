import { SealedCookie } from "./sealed-cookie.ts";

/** A message of what has been done, which the next page shows once. */
export interface Flash {
  /** English, as `t()` takes it. */
  readonly text: string;
  readonly values?: Readonly<Record<string, string>>;
  readonly color?: "success" | "info" | "warning" | "error";
}

const MAX_LENGTH = 2000; // characters of a message, and of each value in it
const MAX_SECONDS = 60;

/** Keeps messages for the next page. */
export class Flashes {
  readonly #cookie: SealedCookie<Flash>;

  constructor(key: Uint8Array) {
    this.#cookie = new SealedCookie("xcore_flash", key, MAX_SECONDS);
  }

  /** Returns the header `Set-Cookie` that keeps a message for a person's next page: what is too long for a cookie is cut. */
  keep(flash: Flash, person: number | null, maxText = MAX_LENGTH): string | null {
    const kept = this.#cookie.keep(cut(flash, maxText), person);
    return kept !== null || maxText === 0 ? kept : this.keep(flash, person, Math.floor(maxText / 2));
  }

  /** Returns the message that a request of a person brings; null for none that was made here. */
  read(request: Request, person: number | null): Flash | null {
    return this.#cookie.read(request, person);
  }

  /** The header `Set-Cookie` of whoever has shown it. */
  get clear(): string {
    return this.#cookie.clear;
  }
}

/** A message of which no text is longer. */
function cut({ text, values = {}, ...others }: Flash, maxText: number): Flash {
  const toShort = (one: string) => (one.length <= maxText ? one : `${one.slice(0, maxText)}\u2026`);
  const short = Object.entries(values).map(([name, value]) => [name, toShort(value)]);
  return { text: toShort(text), values: Object.fromEntries(short) as Record<string, string>, ...others };
}
