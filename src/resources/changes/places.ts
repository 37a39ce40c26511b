import { createFail, type ErrorCode } from "../../errors/codes.ts";

/** Codes of resources. */
export const RESOURCE_ERROR_CODES = {
  too_many_streams: {
    status: 503,
    meaning: "As many follow changes on this instance as it can tell of them; try again, as retry-after says",
  },
} as const satisfies Record<string, ErrorCode>;

const fail = createFail(RESOURCE_ERROR_CODES);

/** How many streams of changes a process has. */
export interface PlaceLimits {
  /** In all. */
  readonly all: number;
  /** Of one account. */
  readonly ofUser: number;
  /** Of nobody known, together. */
  readonly ofUnknown: number;
}

/** A share of those that have a filter of their own: each of these is a condition that the database is asked for at every change. */
const FILTERED_SHARE = 0.1;
const LIMITS: PlaceLimits = { all: 10_000, ofUser: 1000, ofUnknown: 5000 };
const RETRY = { headers: { "retry-after": "10" } };

interface Taken {
  streams: number;
  filtered: number;
}

/** The places of those who follow changes: who takes too many doesn't get more, so that others do. */
export class Places {
  readonly #limits: PlaceLimits;
  readonly #all: Taken = { streams: 0, filtered: 0 };
  readonly #byUser = new Map<number | null, Taken>();

  constructor(limits: PlaceLimits = LIMITS) {
    this.#limits = limits;
  }

  /**
   * Takes a place.
   *
   * @param userId null for nobody known
   * @param isFiltered whether they have a filter of their own
   * @returns what gives it back
   * @throws AppError rate_limited, too_many_streams
   */
  take(userId: number | null, isFiltered: boolean): () => void {
    const { all, ofUser, ofUnknown } = this.#limits;
    const own = this.#byUser.get(userId) ?? { streams: 0, filtered: 0 };
    const ownLimit = userId === null ? ofUnknown : ofUser;
    if (!hasRoom(this.#all, all, isFiltered))
      throw fail("too_many_streams", "Cannot follow changes: too many do on this instance now", RETRY);
    if (!hasRoom(own, ownLimit, isFiltered)) {
      const most = isFiltered ? toFiltered(ownLimit) : ownLimit;
      const who = userId === null ? "Those who aren't logged in" : "You";
      const what = isFiltered ? "streams with filters" : "streams";
      throw fail(
        "rate_limited",
        `Cannot follow changes: ${who} have ${most} ${what} already, end others first`,
        RETRY,
      );
    }
    this.#byUser.set(userId, own);
    count([this.#all, own], isFiltered, 1);
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      count([this.#all, own], isFiltered, -1);
      if (own.streams === 0) this.#byUser.delete(userId);
    };
  }
}

function hasRoom({ streams, filtered }: Taken, limit: number, isFiltered: boolean): boolean {
  return streams < limit && (!isFiltered || filtered < toFiltered(limit));
}

function toFiltered(limit: number): number {
  return Math.ceil(limit * FILTERED_SHARE);
}

function count(all: readonly Taken[], isFiltered: boolean, by: 1 | -1): void {
  for (const taken of all) {
    taken.streams += by;
    if (isFiltered) taken.filtered += by;
  }
}
