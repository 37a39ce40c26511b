import { countLines, type LineSink } from "./line-buffer.ts";

/** What the console needs of a stream: `process.stdout`, or any Writable. */
export type ConsoleStream = NodeJS.WritableStream & { readonly isTTY?: boolean };

export interface ConsoleSinkOptions {
  /** Told, once the reader goes on, how many lines it missed. */
  onCatchUp: (lostLines: number) => void;
  /** Bytes that may wait for a slow reader. @default 8388608 */
  limit?: number;
}

/**
 * Writes to a terminal or a pipe and survives it: lines that a stalled reader leaves waiting are bounded, and a
 * closed pipe (`xcore | head`) ends the console, not the server.
 */
export class ConsoleSink implements LineSink {
  readonly #stream: ConsoleStream;
  readonly #options: ConsoleSinkOptions;
  readonly #limit: number;
  readonly #waiting = new Set<() => void>();
  // Kept for its identity: it is what close() removes.
  readonly #onError = (error: unknown): void => this.#fail(error);
  #pending = 0;
  #lostLines = 0;
  #isGone = false;

  constructor(stream: ConsoleStream, options: ConsoleSinkOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#limit = options.limit ?? 8 * 1024 * 1024;
    stream.on("error", this.#onError);
  }

  write(lines: Buffer): void {
    if (this.#isGone) return;
    if (this.#pending > this.#limit) {
      this.#lostLines += countLines(lines);
      return;
    }
    this.#pending += lines.length;
    try {
      this.#stream.write(Buffer.from(lines), () => this.#settle(lines.length));
    } catch (error) {
      this.#settle(lines.length);
      this.#fail(error);
    }
  }

  /** Waits until the stream has passed everything on, at most `timeoutMs`: its reader may have stalled. */
  drained(timeoutMs = 1000): Promise<void> {
    if (this.#pending === 0 || this.#isGone) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      this.#waiting.add(done);
    });
  }

  /** Lets go of the stream without closing it. */
  close(): void {
    this.#isGone = true;
    this.#stream.removeListener("error", this.#onError);
    this.#release();
  }

  #settle(length: number): void {
    this.#pending -= length;
    if (this.#pending > 0) return;
    this.#release();
    const lostLines = this.#lostLines;
    this.#lostLines = 0;
    if (lostLines > 0 && !this.#isGone) this.#options.onCatchUp(lostLines);
  }

  #fail(error: unknown): void {
    const code = error instanceof Error && "code" in error ? error.code : null;
    // Anything else, such as EAGAIN or EIO, may pass.
    if (code !== "EPIPE" && code !== "ERR_STREAM_DESTROYED" && code !== "ERR_STREAM_WRITE_AFTER_END") return;
    this.#isGone = true;
    this.#release();
  }

  #release(): void {
    for (const done of this.#waiting) done();
  }
}
