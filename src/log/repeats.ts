/** Tells of lines that weren't written: how many like it there were, and in how many seconds. */
export type TellRepeats = (count: number, seconds: number) => void;

export interface RepeatsOptions {
  /** After how long it is told how many there were, in ms. @default 10_000 */
  readonly windowMs?: number;
  /** How many equal lines are written in that time. @default 5 */
  readonly most?: number;
}

interface Repeated {
  readonly since: number;
  readonly tell: TellRepeats;
  count: number;
}

const MAX_KEYS = 1000;

/**
 * Keeps equal lines from filling the log: the first ones are written, and of the others how many there were. An outage
 * under load would rotate away whatever says how it began.
 */
export class Repeats {
  readonly #windowMs: number;
  readonly #most: number;
  readonly #seen = new Map<string, Repeated>();
  #timer: NodeJS.Timeout | null = null;

  constructor({ windowMs = 10_000, most = 5 }: RepeatsOptions = {}) {
    this.#windowMs = windowMs;
    this.#most = most;
  }

  /** How many different lines are being counted. */
  get size(): number {
    return this.#seen.size;
  }

  /**
   * Whether a line is to be written. @param key same for equal lines
   *
   * @param tell called later where more came than are written
   */
  admits(key: string, tell: TellRepeats): boolean {
    const seen = this.#seen.get(key);
    if (seen !== undefined) return (seen.count += 1) <= this.#most;
    if (this.#seen.size >= MAX_KEYS) return true;
    this.#seen.set(key, { since: performance.now(), tell, count: 1 });
    if (this.#timer === null) {
      this.#timer = setTimeout(() => this.flush(), this.#windowMs);
      this.#timer.unref();
    }
    return true;
  }

  /** Tells now, and counts anew. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const all = [...this.#seen.values()];
    this.#seen.clear();
    const now = performance.now();
    for (const { since, tell, count } of all) {
      if (count > this.#most) tell(count, Math.max(1, Math.round((now - since) / 1000)));
    }
  }
}
