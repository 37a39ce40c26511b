import type { AppError } from "../../errors/errors.ts";
import { fail } from "../identity/error-codes.ts";
import { steadyNow } from "../people/steady-clock.ts";

const MAX_KEYS = 10_000;

export interface AttemptLimitOptions {
  /** How many within the window. */
  readonly limit: number;
  readonly windowMs: number;
  /** @default steadyNow */
  readonly now?: () => number;
  /** How many keys are remembered; the one that was seen longest ago is forgotten first. @default 10000 */
  readonly maxKeys?: number;
}

/** Counts attempts by key, such as an address, within a sliding window, in memory. */
export class AttemptLimit {
  readonly #limit: number;
  readonly #windowMs: number;
  readonly #now: () => number;
  readonly #maxKeys: number;
  /** When each of the last attempts was, the oldest first; keys in the order in which they were last seen. */
  readonly #attempts = new Map<string, number[]>();

  constructor({ limit, windowMs, now = steadyNow, maxKeys = MAX_KEYS }: AttemptLimitOptions) {
    this.#limit = limit;
    this.#windowMs = windowMs;
    this.#now = now;
    this.#maxKeys = maxKeys;
  }

  /** How many keys are remembered. */
  get size(): number {
    return this.#attempts.size;
  }

  /** Counts an attempt. @throws AppError rate_limited, without counting, when there were too many */
  take(key: string): void {
    const now = this.#now();
    // What a clock that was set back leaves in the future was now, at the latest.
    const attempts = (this.#attempts.get(key) ?? []).map((at) => Math.min(at, now));
    const recent = attempts.filter((at) => at > now - this.#windowMs);
    const [oldest = now] = recent;
    this.#attempts.delete(key);
    if (recent.length < this.#limit) recent.push(now);
    else this.#throwLimited(key, recent, oldest + this.#windowMs - now);
    this.#remember(key, recent);
  }

  /** Takes back the last attempt: it was none to be limited, such as a login that succeeded. */
  giveBack(key: string): void {
    const recent = this.#attempts.get(key);
    recent?.pop();
    if (recent?.length === 0) this.#attempts.delete(key);
  }

  #throwLimited(key: string, recent: number[], waitMs: number): never {
    this.#remember(key, recent);
    throw tooMany("rate_limited", "Too many attempts", waitMs);
  }

  #remember(key: string, recent: number[]): void {
    this.#attempts.set(key, recent);
    if (this.#attempts.size <= this.#maxKeys) return;
    for (const first of this.#attempts.keys()) {
      this.#attempts.delete(first);
      return;
    }
  }
}

/** The limits of everything that guesses could be tried at. */
export interface AuthLimits {
  /** By address. */
  readonly login: AttemptLimit;
  /** By address. */
  readonly otp: AttemptLimit;
  /** By address. */
  readonly registration: AttemptLimit;
  /** Of somebody who is logged in and gives the password again, by session; also of a day, which is long. */
  readonly confirmation: Pick<AttemptLimit, "take" | "giveBack">;
  /** The same for codes, of which there are only a million. */
  readonly codes: Pick<AttemptLimit, "take">;
}

/** Creates the limits that the server runs with. */
export function createAuthLimits(now: () => number = steadyNow): AuthLimits {
  const minutely = new AttemptLimit({ limit: 5, windowMs: 60_000, now });
  const createDaily = () => new AttemptLimit({ limit: 30, windowMs: 86_400_000, now });
  const [passwords, codes] = [createDaily(), createDaily()];
  return {
    login: new AttemptLimit({ limit: 30, windowMs: 60_000, now }),
    otp: new AttemptLimit({ limit: 30, windowMs: 60_000, now }),
    registration: new AttemptLimit({ limit: 20, windowMs: 3_600_000, now }),
    confirmation: {
      take(key) {
        minutely.take(key);
        passwords.take(key);
      },
      giveBack(key) {
        minutely.giveBack(key);
        passwords.giveBack(key);
      },
    },
    codes: {
      take(key) {
        minutely.take(key);
        codes.take(key);
      },
    },
  };
}

/** The error of whoever must wait. */
export function tooMany(code: "rate_limited" | "account_locked", what: string, waitMs: number): AppError {
  const seconds = Math.max(1, Math.ceil(waitMs / 1000));
  return fail(code, `${what}: try again in ${seconds} seconds`, {
    headers: { "retry-after": String(seconds) },
  });
}
