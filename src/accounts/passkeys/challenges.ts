import { createHmac, timingSafeEqual } from "node:crypto";
import { lte } from "drizzle-orm";
import { hashToken } from "../keys/opaque-tokens.ts";
import { steadyNow } from "../people/steady-clock.ts";
import type { CoreStore } from "../people/store.ts";

/** How long a browser has to answer one, in ms. */
export const CHALLENGE_MS = 10 * 60_000;

const RANDOM_BYTES = 16;
const TIME_BYTES = 6;
const SEALED_BYTES = RANDOM_BYTES + TIME_BYTES;
const MAC_BYTES = 32;

/** What an answer to a challenge is good for, and whose: a session, an account that a password was right for, or "" for anybody's. */
export interface ChallengeUse {
  readonly purpose: "registration" | "login" | "second step" | "confirmation";
  readonly subject: string;
}

/**
 * What passkeys sign. A challenge says itself until when it is good and for what, under a seal: whoever asks for one
 * leaves nothing behind in the database. One that was answered is kept there until then, so that none is answered twice.
 */
export class Challenges {
  readonly #store: CoreStore;
  readonly #key: Uint8Array;
  readonly #now: () => number;
  readonly #steadyNow: () => number;

  /** @param now in ms since the epoch; @default Date.now */
  constructor(store: CoreStore, key: Uint8Array, now?: () => number) {
    this.#store = store;
    this.#key = key;
    this.#now = now ?? Date.now;
    // A clock that goes wrong for a minute deletes nothing.
    this.#steadyNow = now ?? steadyNow;
  }

  /** Returns a challenge in base64url. */
  mint(use: ChallengeUse): string {
    const sealed = Buffer.alloc(SEALED_BYTES);
    crypto.getRandomValues(sealed.subarray(0, RANDOM_BYTES));
    sealed.writeUIntBE(this.#now() + CHALLENGE_MS, RANDOM_BYTES, TIME_BYTES);
    return Buffer.concat([sealed, this.#seal(sealed, use)]).toString("base64url");
  }

  /** Whether a challenge is of ours, for this use, and still good. Who has answered it before isn't known here. */
  isGood(challenge: string, use: ChallengeUse): boolean {
    const bytes = Buffer.from(challenge, "base64url");
    if (bytes.length !== SEALED_BYTES + MAC_BYTES || bytes.toString("base64url") !== challenge) return false;
    const sealed = bytes.subarray(0, SEALED_BYTES);
    if (!timingSafeEqual(this.#seal(sealed, use), bytes.subarray(SEALED_BYTES))) return false;
    return toExpiry(sealed) > this.#now();
  }

  /** Uses a challenge up that is good; false where that was done before. Of several at once, on any instance, one succeeds. */
  async useUp(challenge: string): Promise<boolean> {
    const { db, tables } = this.#store;
    const expires_at = new Date(toExpiry(Buffer.from(challenge, "base64url")));
    const { rowsAffected } = await db
      .insert(tables.passkeyChallenges)
      .values({ id: hashToken(challenge), expires_at })
      .onConflictDoNothing({ target: tables.passkeyChallenges.id });
    return rowsAffected === 1;
  }

  /** Deletes those that nobody could answer any more. */
  async purge(): Promise<void> {
    const { db, tables } = this.#store;
    const before = new Date(Math.min(this.#now(), this.#steadyNow()));
    await db.delete(tables.passkeyChallenges).where(lte(tables.passkeyChallenges.expires_at, before));
  }

  #seal(sealed: Uint8Array, { purpose, subject }: ChallengeUse): Buffer {
    return createHmac("sha256", this.#key).update(sealed).update(`${purpose}\0${subject}`).digest();
  }
}

function toExpiry(sealed: Buffer): number {
  return sealed.readUIntBE(RANDOM_BYTES, TIME_BYTES);
}
