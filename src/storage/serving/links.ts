import { createHmac, timingSafeEqual } from "node:crypto";
import { fail } from "../contract/error-codes.ts";

/** Where files are served to whoever has a link. */
export const LINK_PATH = "/system/files";

/** What a link says. */
export interface Link {
  readonly id: string;
  /** Seconds since the epoch. */
  readonly expires: number;
  /** Base64url. */
  readonly signature: string;
}

/** Makes and checks links to files, which whoever has one may use until it is over. */
export class Links {
  readonly #key: Uint8Array;

  /** @param key is for links alone */
  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** Returns the path of a link to a file, good for so many seconds. */
  make(id: string, seconds: number): string {
    const expires = Math.ceil(Date.now() / 1000 + seconds);
    return `${LINK_PATH}/${id}?expires=${expires}&signature=${this.#sign(id, expires)}`;
  }

  /**
   * Returns for how many seconds a link is good.
   *
   * @throws AppError link_refused, without a word of what was wrong
   */
  check({ id, expires, signature }: Link): number {
    // As it is written: the same bytes can be, in other letters too.
    const given = Buffer.from(signature);
    const right = Buffer.from(this.#sign(id, expires));
    const isRight = given.byteLength === right.byteLength && timingSafeEqual(given, right);
    const seconds = expires - Date.now() / 1000;
    if (isRight && seconds > 0) return seconds;
    throw fail("link_refused", "This link is over, or isn't whole: ask for a new one");
  }

  #sign(id: string, expires: number): string {
    return createHmac("sha256", this.#key).update(`${id}\n${expires}`).digest("base64url");
  }
}
