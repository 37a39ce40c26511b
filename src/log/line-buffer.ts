/** Where a buffer puts its lines: a file or the console. */
export interface LineSink {
  /** Takes whole lines in UTF-8, each ending with a newline, which are only there until this returns. Never throws. */
  write(lines: Buffer): void;
}

export interface LineBufferOptions<T> {
  /** Writes the line of a deferred value from an index on, at most `MAX_LINE` bytes; returns where it ends. */
  writeLine?: (bytes: Buffer, start: number, value: T) => number;
  /** Bytes, about, after which the lines are written at once. @default 131072 */
  limit?: number;
  /** The longest a line waits, in ms. @default 100 */
  delayMs?: number;
}

export const MAX_LINE = 65_536; // bytes
const MAX_DEFERRED = 64;

/**
 * Gathers lines so that one system call writes about five hundred of them. A line reaches the sinks when the
 * buffer is full, when it is urgent, at `flush()`, or `delayMs` later. The timer runs only while there are
 * lines to write and never keeps the process alive.
 */
export class LineBuffer<T = never> {
  readonly #sinks: readonly LineSink[];
  readonly #limit: number;
  readonly #delayMs: number;
  // Kept: a string for many lines is made, encoded for each sink, and thrown away.
  #bytes: Buffer | null = null;
  #length = 0;
  // Formatted many at a time, a line costs half of what it does between two requests.
  readonly #deferred: T[] = [];
  readonly #writeLine: LineBufferOptions<T>["writeLine"];
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(sinks: readonly LineSink[], options: LineBufferOptions<T> = {}) {
    this.#sinks = sinks;
    this.#limit = options.limit ?? 131_072;
    this.#delayMs = options.delayMs ?? 100;
    this.#writeLine = options.writeLine;
  }

  /** Adds a line, which must end with a newline. An urgent one is written before this returns. */
  write(line: string, isUrgent: boolean): void {
    this.#formatDeferred();
    const most = line.length * 3; // bytes of a character of UTF-16 in UTF-8
    if (most > MAX_LINE) {
      this.#drain();
      this.#hand(Buffer.from(line));
      return;
    }
    this.#length += this.#ready().write(line, this.#length);
    if (isUrgent || this.#length >= this.#limit) this.#drain();
    else this.#startTimer();
  }

  /** Adds the line of a value, which is made later: until then the value must not change. */
  defer(value: T): void {
    this.#deferred.push(value);
    if (this.#deferred.length < MAX_DEFERRED) this.#startTimer();
    else this.#formatDeferred();
  }

  /** Hands every gathered line to the sinks. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#formatDeferred();
    this.#drain();
  }

  #formatDeferred(): void {
    if (this.#writeLine === undefined || this.#deferred.length === 0) return;
    const bytes = this.#ready();
    for (const value of this.#deferred) {
      this.#length = this.#writeLine(bytes, this.#length, value);
      if (this.#length >= this.#limit) this.#drain();
    }
    this.#deferred.length = 0;
  }

  /** Makes the buffer when there is a first line: most logs have none for long. */
  #ready(): Buffer {
    return (this.#bytes ??= Buffer.allocUnsafeSlow(this.#limit + MAX_LINE));
  }

  #drain(): void {
    const length = this.#length;
    if (length === 0 || this.#bytes === null) return;
    this.#length = 0;
    this.#hand(this.#bytes.subarray(0, length));
  }

  #hand(lines: Buffer): void {
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

/** How many lines there are in some bytes. */
export function countLines(bytes: Uint8Array): number {
  let count = 0;
  for (const byte of bytes) if (byte === 10) count++;
  return count;
}
