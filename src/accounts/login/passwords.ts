import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";
import { fail } from "../identity/error-codes.ts";
import { assertChoice, assertPassword, isLongPassword, type PasswordOwner } from "./password-rules.ts";

const BCRYPT_BYTES = 72;
const MAX_WAITING = 256;

export interface PasswordOptions {
  readonly algorithm: "bcrypt" | "argon2id";
  /** Rounds of bcrypt are 2 to the power of this: 4 to 15. */
  readonly bcryptCost: number;
  /**
   * How many passwords are hashed at once; further ones wait in line.
   *
   * @default half of the processors, at least one
   */
  readonly concurrency?: number;
}

/** What comes of checking a password against a hash. */
export interface PasswordCheck {
  readonly isValid: boolean;
  /** Whether the hash was made with other settings than today's. */
  readonly isRehashDue: boolean;
}

/** A password that somebody has chosen, as their account keeps it. */
export interface NewPassword {
  readonly hash: string;
  /** Whether it is as long as an administrator's has to be. */
  readonly isLong: boolean;
}

/** Hashes passwords, on threads beside the event loop and few of them at once. */
export interface Passwords {
  /** @throws AppError validation_error for a password that can't be used, as `assertPassword` says */
  hash(password: string): Promise<string>;
  /** Hashes one that its owner has chosen. @throws AppError validation_error as `assertChoice` says */
  choose(password: string, owner: PasswordOwner): Promise<NewPassword>;
  verify(password: string, hash: string): Promise<PasswordCheck>;
  /** Takes the time of a verify: for whoever has no hash to check against. */
  burn(password: string): Promise<void>;
}

/**
 * Creates what hashes passwords. bcrypt reads 72 bytes only: of a longer password it is given the SHA-512, so
 * that every character counts. Passwords are composed (NFKC) first: the same letters typed on another keyboard
 * are the same password.
 *
 * All of its functions throw AppError rate_limited when too many wait in line already.
 */
export function createPasswords(options: PasswordOptions): Passwords {
  const line = new WaitingLine(options.concurrency ?? Math.max(1, Math.floor(availableParallelism() / 2)));
  const decoy = toDecoy(options);

  const hash = async (password: string): Promise<string> => {
    assertPassword(password);
    return line.run(() => Bun.password.hash(toInput(password, options.algorithm), toSetting(options)));
  };

  return {
    hash,
    async choose(password, owner) {
      await assertChoice(password, owner);
      return { hash: await hash(password), isLong: isLongPassword(password) };
    },
    verify: (password, known) =>
      line.run(async () => {
        const matches = await check(password, known);
        // Halves of surrogate pairs are all one character in UTF-8.
        const isValid = matches && password.isWellFormed();
        return { isValid, isRehashDue: isValid && !isOfToday(known, options) };
      }),
    async burn(password) {
      await line.run(() => check(password, decoy));
    },
  };
}

async function check(password: string, hash: string): Promise<boolean> {
  try {
    return await Bun.password.verify(toInput(password, algorithmOf(hash)), hash);
  } catch {
    return false; // a hash that is none
  }
}

function toInput(password: string, algorithm: PasswordOptions["algorithm"]): string {
  const text = password.normalize("NFKC");
  if (algorithm === "argon2id" || Buffer.byteLength(text) <= BCRYPT_BYTES) return text;
  // As text, for bcrypt elsewhere ends at a zero byte: 72 of 88 characters, 432 of 512 bits.
  return createHash("sha512").update(text).digest("base64").slice(0, BCRYPT_BYTES);
}

function toSetting({ algorithm, bcryptCost }: PasswordOptions) {
  return algorithm === "bcrypt" ? { algorithm, cost: bcryptCost } : { algorithm };
}

/** A hash that no password has, and that takes as long to check as any other. */
function toDecoy({ algorithm, bcryptCost }: PasswordOptions): string {
  if (algorithm === "bcrypt")
    return `$2b$${String(bcryptCost).padStart(2, "0")}$${"A".repeat(21)}u${"A".repeat(30)}u`;
  // With what Bun hashes by when it is told nothing else.
  return `$argon2id$v=19$m=65536,t=2,p=1$${"A".repeat(43)}$${"A".repeat(43)}`;
}

function algorithmOf(hash: string): PasswordOptions["algorithm"] {
  return hash.startsWith("$argon2") ? "argon2id" : "bcrypt";
}

function isOfToday(hash: string, { algorithm, bcryptCost }: PasswordOptions): boolean {
  if (algorithmOf(hash) !== algorithm) return false;
  return algorithm === "argon2id" || Number(hash.split("$")[2]) === bcryptCost;
}

/** Runs so many tasks at once; further ones wait their turn, in order. */
class WaitingLine {
  readonly #places: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(places: number) {
    this.#places = places;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#places) await this.#wait();
    else this.#running++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      // Who waits takes over the place: nobody can slip in between.
      if (next === undefined) this.#running--;
      else next();
    }
  }

  #wait(): Promise<void> {
    if (this.#waiting.length >= MAX_WAITING) {
      const message = "Too many people log in right now: try again";
      throw fail("rate_limited", message, { headers: { "retry-after": "1" } });
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
