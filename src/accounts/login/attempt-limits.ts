import type { LimitStore } from "../../cluster/limit-store.ts";
import type { AppError } from "../../errors/errors.ts";
import { fail } from "../identity/error-codes.ts";
import type { Attempts } from "../identity/session-owner.ts";
import { steadyNow } from "../people/steady-clock.ts";

const MAX_KEYS = 10_000;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const TOO_MANY = "Too many attempts";

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
    throw tooMany("rate_limited", TOO_MANY, waitMs);
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
  readonly login: Attempts;
  /** By address. */
  readonly otp: Attempts;
  /** By address. */
  readonly registration: Attempts;
  /** Of mails with links, by the address of the client that asks for them. */
  readonly mailsByClient: Attempts;
  /** The same by the email that they are for, whether it has an account or not. */
  readonly mailsByAddress: Attempts;
  /** Of somebody who is logged in and gives the password again, by session; also of a day, which is long. */
  readonly confirmation: Attempts;
  /** The same for codes, of which there are only a million. */
  readonly codes: Attempts;
}

export interface AuthLimitsOptions {
  /** @default steadyNow */
  readonly now?: () => number;
  /** In which all instances count together. @default each counts for itself */
  readonly store?: LimitStore | null;
}

/** Creates the limits that the server runs with. */
export function createAuthLimits({ now = steadyNow, store = null }: AuthLimitsOptions = {}): AuthLimits {
  const create = (name: string, limit: number, windowMs: number): Attempts =>
    createAttempts({ name, limit, windowMs, now, store });
  const minutely = create("again a minute", 5, MINUTE_MS);
  return {
    login: create("login", 30, MINUTE_MS),
    otp: create("otp", 30, MINUTE_MS),
    registration: create("registration", 20, 60 * MINUTE_MS),
    mailsByClient: create("mails by client", 30, 60 * MINUTE_MS),
    mailsByAddress: create("mails by address", 5, 60 * MINUTE_MS),
    confirmation: takeBoth(minutely, create("passwords a day", 30, DAY_MS)),
    codes: takeBoth(minutely, create("codes a day", 30, DAY_MS)),
  };
}

/**
 * Counts attempts here, and then on all instances, which Redis is asked for each time: a second in which they don't know of
 * each other would be worth as many guesses again. While it is away, or answers nothing, what was counted here is what counts.
 */
function createAttempts({
  name,
  store,
  ...options
}: AttemptLimitOptions & { readonly name: string; readonly store: LimitStore | null }): Attempts {
  const here = new AttemptLimit(options);
  return {
    async take(key) {
      here.take(key);
      const giveBackHere = (): void => here.giveBack(key);
      if (store === null) return giveBackHere;
      const shared = store.nameOf(`${name} ${key}`);
      const waitMs = await store.take(shared, options);
      if (waitMs === null) return giveBackHere;
      if (waitMs > 0) {
        giveBackHere();
        throw tooMany("rate_limited", TOO_MANY, waitMs);
      }
      return () => {
        giveBackHere();
        void store.giveBack(shared);
      };
    },
  };
}

function takeBoth(first: Attempts, second: Attempts): Attempts {
  return {
    async take(key) {
      const giveBackFirst = await first.take(key);
      const giveBackSecond = await second.take(key);
      return () => {
        giveBackFirst();
        giveBackSecond();
      };
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
