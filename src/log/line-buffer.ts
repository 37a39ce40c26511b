/** Where a buffer puts its lines: a file or the console. */
export interface LineSink {
  /** Takes whole lines, each ending with a newline. Never throws. */
  write(lines: string): void;
}

export interface LineBufferOptions<T> {
  /** Puts the line of a deferred value on the pieces; returns about how many characters it has. */
  toPieces?: (pieces: string[], value: T) => number;
  /** Characters, about, after which the lines are written at once. @default 32768 */
  limit?: number;
  /** The longest a line waits, in ms. @default 100 */
  delayMs?: number;
}

const MAX_DEFERRED = 64;

/**
 * Gathers lines so that one system call writes about two hundred of them. A line reaches the sinks when the
 * buffer is full, when it is urgent, at `flush()`, or `delayMs` later. The timer runs only while there are
 * lines to write and never keeps the process alive.
 */
export class LineBuffer<T = never> {
  readonly #sinks: readonly LineSink[];
  readonly #limit: number;
  readonly #delayMs: number;
  // Joining pieces once takes half the time of adding strings to a string, which JavaScriptCore keeps as trees.
  readonly #pieces: string[] = [];
  #length = 0;
  // Formatted many at a time, a line costs half of what it does between two requests.
  readonly #deferred: T[] = [];
  readonly #toPieces: ((pieces: string[], value: T) => number) | undefined;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(sinks: readonly LineSink[], options: LineBufferOptions<T> = {}) {
    this.#sinks = sinks;
    this.#limit = options.limit ?? 32_768;
    this.#delayMs = options.delayMs ?? 100;
    this.#toPieces = options.toPieces;
  }

  /** Adds a line, which must end with a newline. An urgent one is written before this returns. */
  write(line: string, isUrgent: boolean): void {
    this.#formatDeferred();
    this.#pieces.push(line);
    this.#length += line.length;
    if (isUrgent || this.#length >= this.#limit) this.#drain();
    else this.#startTimer();
  }

  /** Adds the line of a value, which is made later: until then the value must not change. */
  defer(value: T): void {
    this.#deferred.push(value);
    if (this.#deferred.length < MAX_DEFERRED) {
      this.#startTimer();
      return;
    }
    this.#formatDeferred();
    if (this.#length >= this.#limit) this.#drain();
  }

  /** Hands every gathered line to the sinks. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#drain();
  }

  #formatDeferred(): void {
    if (this.#toPieces === undefined) return;
    for (const value of this.#deferred) this.#length += this.#toPieces(this.#pieces, value);
    this.#deferred.length = 0;
  }

  #drain(): void {
    this.#formatDeferred();
    if (this.#pieces.length === 0) return;
    const lines = this.#pieces.join("");
    this.#pieces.length = 0;
    this.#length = 0;
    for (const sink of this.#sinks) sink.write(lines);
  }

  // A running timer is kept when a full buffer is written: one timer every `delayMs` costs less than clearing
  // it and starting another with each buffer.
  #startTimer(): void {
    if (this.#timer !== null) return;
    this.#timer = setTimeout(() => this.flush(), this.#delayMs);
    this.#timer.unref();
  }
}
