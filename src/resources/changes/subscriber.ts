const MAX_BYTES = 1024 * 1024;

/** Whom a stream tells of changes, as far as they read: what they don't read is bounded, and then ends it. */
export class Subscriber {
  readonly stream: ReadableStream<Uint8Array>;
  readonly #onEnd: () => void;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  #queue: Uint8Array[] = [];
  #bytes = 0;
  #waiting: (() => void) | null = null;
  #isHeld = true;
  #isEnded = false;

  /** @param onEnd is told once that it is over, whoever has ended it */
  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
    this.stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => void (this.#controller = controller),
        pull: () => this.#give(),
        cancel: () => this.#leave(),
      },
      { highWaterMark: 0 },
    );
  }

  /** Tells something; ends the stream of whoever hasn't read what was before. */
  tell(chunk: Uint8Array): void {
    if (this.#isEnded) return;
    this.#queue.push(chunk);
    this.#bytes += chunk.byteLength;
    if (this.#bytes > MAX_BYTES) this.end();
    else if (!this.#isHeld) this.#wake();
  }

  /** Lets what is told through from now on, after this. */
  open(first: Uint8Array): void {
    if (this.#isEnded) return;
    this.#queue.unshift(first);
    this.#bytes += first.byteLength;
    this.#isHeld = false;
    this.#wake();
  }

  end(): void {
    if (this.#isEnded) return;
    this.#leave();
    this.#controller?.close();
  }

  #leave(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#queue = [];
    this.#wake();
    this.#onEnd();
  }

  async #give(): Promise<void> {
    while (!this.#isEnded && (this.#isHeld || this.#queue.length === 0)) {
      // oxlint-disable-next-line no-await-in-loop -- until there is something
      await new Promise<void>((resolve) => (this.#waiting = resolve));
    }
    if (this.#isEnded) return;
    const [only] = this.#queue;
    const chunk = this.#queue.length === 1 && only !== undefined ? only : Buffer.concat(this.#queue);
    this.#queue = [];
    this.#bytes = 0;
    this.#controller?.enqueue(chunk);
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.();
  }
}
