/** Where a buffer puts its lines: a file or the console. */
export interface LineSink {
  /** Takes whole lines, each ending with a newline. Never throws. */
  write(lines: string): void;
}

export interface LineBufferOptions {
  /** Characters, about, after which the lines are written at once. @default 32768 */
  limit?: number;
  /** The longest a line waits, in ms. @default 100 */
  delayMs?: number;
}

/**
 * Gathers lines so that one system call writes about two hundred of them. A line reaches the sinks when the
 * buffer is full, when it is urgent, at `flush()`, or `delayMs` later. The timer runs only while there are
 * lines to write and never keeps the process alive.
 */
export class LineBuffer {
  readonly #sinks: readonly LineSink[];
  readonly #limit: number;
  readonly #delayMs: number;
  // Joining pieces once takes half the time of adding strings to a string, which JavaScriptCore keeps as trees.
  readonly #pieces: string[] = [];
  #length = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(sinks: readonly LineSink[], options: LineBufferOptions = {}) {
    this.#sinks = sinks;
    this.#limit = options.limit ?? 32_768;
    this.#delayMs = options.delayMs ?? 100;
  }

  /** Adds a line, which must end with a newline. An urgent one is written before this returns. */
  write(line: string, isUrgent: boolean): void {
    this.#pieces.push(line);
    this.#added(line.length, isUrgent);
  }

  /** Adds the line that `push` puts on the pieces; `push` returns about how many characters it has. */
  writeWith<T>(push: (pieces: string[], value: T) => number, value: T): void {
    this.#added(push(this.#pieces, value), false);
  }

  /** Hands every gathered line to the sinks. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#drain();
  }

  #added(length: number, isUrgent: boolean): void {
    this.#length += length;
    if (isUrgent || this.#length >= this.#limit) this.#drain();
    // A running timer is kept when a full buffer is written: one timer every `delayMs` costs less than
    // clearing it and starting another every two hundred lines.
    else if (this.#timer === null) this.#startTimer();
  }

  #drain(): void {
    if (this.#pieces.length === 0) return;
    const lines = this.#pieces.join("");
    this.#pieces.length = 0;
    this.#length = 0;
    for (const sink of this.#sinks) sink.write(lines);
  }

  #startTimer(): void {
    this.#timer = setTimeout(() => this.flush(), this.#delayMs);
    this.#timer.unref();
  }
}
