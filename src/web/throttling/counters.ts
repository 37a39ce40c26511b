/** How many requests one key may make within a window that slides. */
export interface Limit {
  /** At least 1. */
  readonly max: number;
  readonly windowMs: number;
}

/** Where a key stands after its last request. */
export interface Standing {
  /** Whether the request was let in, and so counted. */
  readonly isAllowed: boolean;
  /** How many more there may be now. */
  readonly remaining: number;
  /** Of one that was refused: when the next is let in. Of others: when the window ends in which it was counted. */
  readonly waitMs: number;
}

/** What all instances have let in of one key, as far as this one knows. */
export interface SharedCount {
  readonly total: Counter;
  /** Counts requests that were let in here; the others are told. @param max of the limit */
  add(weight: number, max: number): void;
  takeBack(weight: number): void;
}

/** Returns what counts a key on all instances; null while it is asked for too little to matter. */
export type Sharing = (key: string | number, counter: Counter, max: number) => SharedCount | null;

const MAX_KEYS = 50_000;
const MOMENT_MS = 0.001;

/** What one key has used: in its window, and in the one before it. */
export class Counter {
  startedAt: number;
  windowMs: number;
  count = 0;
  before = 0;
  /** Null where each instance counts for itself. */
  shared: SharedCount | null = null;

  constructor(now: number, windowMs: number) {
    this.startedAt = now;
    this.windowMs = windowMs;
  }

  /**
   * How much counts now: of the window before, the whole requests in the share that still lies within the length of a
   * window. So one of a limit of one is let in once the window has ended, not twice as late. What was let in here counts
   * whatever the others say.
   */
  used(now: number): number {
    const here = this.#usedHere(now);
    return this.shared === null ? here : Math.max(here, this.shared.total.used(now));
  }

  #usedHere(now: number): number {
    const age = now - this.startedAt;
    if (age >= this.windowMs) this.#goOn(now, age);
    return Math.floor(this.before * (1 - (now - this.startedAt) / this.windowMs)) + this.count;
  }

  #goOn(now: number, age: number): void {
    const follows = age < 2 * this.windowMs;
    this.before = follows ? this.count : 0;
    this.startedAt = follows ? this.startedAt + this.windowMs : now;
    this.count = 0;
  }

  /** How long until one more fits, in ms. */
  waitMs(now: number, max: number): number {
    const { windowMs, before, count } = this;
    const left = windowMs - (now - this.startedAt);
    // Less than one too many of what came before must be left.
    const inThis = left - (windowMs * (max - count)) / before;
    const inNext = left + Math.max(0, windowMs * (1 - max / count));
    const here = Math.max(0, count < max ? inThis : inNext) + MOMENT_MS;
    return this.shared === null ? here : Math.max(here, this.shared.total.waitMs(now, max));
  }

  /** How long until the window ends in which most was counted. */
  leftMs(now: number): number {
    const here = this.windowMs - (now - this.startedAt);
    if (this.shared === null) return here;
    const { total } = this.shared;
    return total.used(now) < this.#usedHere(now) ? here : total.leftMs(now);
  }
}

/**
 * Counts requests by key in memory. A key's window begins with its first request, so that it gets all of its quota at
 * once; from then on what it used before counts less and less. Keys that are of no account any more are forgotten, and
 * of too many those that have asked for nothing for longest.
 */
export class Counters {
  /** @default each instance counts for itself */
  sharing: Sharing | null = null;
  /** Two generations: to take one key at a time out of a map of many is slow. */
  #recent = new Map<string | number, Counter>();
  #older = new Map<string | number, Counter>();
  readonly #maxKeys: number;
  #longestMs = 0;
  #turnAt = 0;

  /** @param maxKeys how many keys are remembered. @default 50_000, some 8 MB */
  constructor(maxKeys = MAX_KEYS) {
    this.#maxKeys = maxKeys;
  }

  /** How many keys are remembered. */
  get size(): number {
    return this.#recent.size + this.#older.size;
  }

  /** Returns what a key has used; makes it where there is nothing yet. */
  of(key: string | number, windowMs: number, now: number): Counter {
    const known = this.#recent.get(key);
    if (known !== undefined && known.windowMs === windowMs && now < this.#turnAt) return known;
    return this.#find(key, windowMs, now);
  }

  /** Has a key counted on all instances, once it has asked for enough. */
  share(key: string | number, counter: Counter, { max }: Limit): void {
    if (this.sharing === null || counter.shared !== null) return;
    counter.shared = this.sharing(key, counter, max);
  }

  #find(key: string | number, windowMs: number, now: number): Counter {
    this.#longestMs = Math.max(this.#longestMs, windowMs);
    const known = this.#recent.get(key) ?? this.#older.get(key);
    // What an older generation has, nobody asked for in two windows.
    if (now >= this.#turnAt || this.#recent.size >= this.#maxKeys / 2) this.#turn(now);
    const isSame = known !== undefined && known.windowMs === windowMs; // the limit may be another one by now
    const counter = isSame ? known : new Counter(now, windowMs);
    this.#older.delete(key);
    this.#recent.set(key, counter);
    return counter;
  }

  #turn(now: number): void {
    this.#older = this.#recent;
    this.#recent = new Map();
    this.#turnAt = now + 2 * this.#longestMs;
  }
}

/** Counts `weight` requests, if one more may be made. */
export function take(counter: Counter, { max }: Limit, now: number, weight = 1): boolean {
  if (counter.used(now) + 1 > max) return false;
  counter.count += weight;
  counter.shared?.add(weight, max);
  return true;
}

/** Takes back what was counted, as far as it still counts. */
export function giveBack(counter: Counter, weight = 1): void {
  counter.count = Math.max(0, counter.count - weight);
  counter.shared?.takeBack(weight);
}

/** Says where a key stands. */
export function toStanding(counter: Counter, { max }: Limit, now: number, isAllowed: boolean): Standing {
  const used = counter.used(now);
  return {
    isAllowed,
    remaining: isAllowed ? Math.max(0, Math.floor(max - used)) : 0,
    waitMs: isAllowed ? counter.leftMs(now) : counter.waitMs(now, max),
  };
}
