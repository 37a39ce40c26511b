/** How long what comes after the first waits for more. */
const GATHER_MS = 50;

/** Tells names together that come often: the first at once, then those of each 50 ms, each once. */
export class Gathering {
  readonly #tell: (names: readonly string[]) => void;
  readonly #names = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(tell: (names: readonly string[]) => void) {
    this.#tell = tell;
  }

  add(names: readonly string[]): void {
    for (const name of names) this.#names.add(name);
    if (this.#timer === null) this.#flush();
  }

  /** Tells what waits, now. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#names.size > 0) this.#tell([...this.#names]);
    this.#names.clear();
  }

  #flush(): void {
    this.#timer = null;
    if (this.#names.size === 0) return;
    this.#timer = setTimeout(() => this.#flush(), GATHER_MS);
    const names = [...this.#names];
    this.#names.clear();
    this.#tell(names);
  }
}
