/** Takes a registration back; does nothing the second time. */
export type Undo = () => void;

type State = "pending" | "active" | "closed";

/**
 * Holds everything that one generation of a plugin registers with the host. Registrations take effect when
 * the generation takes over, in the same step in which the previous generation's are undone, so nothing is
 * ever handled twice; a generation that fails until then has touched nothing.
 */
export class Scope {
  #state: State = "pending";
  readonly #registrations = new Map<object, { register: () => Undo; undo: Undo | null }>();

  readonly #held = new Set<Promise<unknown>>();

  /** Whether nothing has been registered. */
  get isEmpty(): boolean {
    return this.#registrations.size === 0;
  }

  /** Registers something, now or as soon as the generation takes over; returns its undo. */
  register(register: () => Undo): Undo {
    if (this.#state === "closed") return () => {};
    const key = {};
    this.#registrations.set(key, { register, undo: this.#state === "active" ? register() : null });
    return () => {
      const registration = this.#registrations.get(key);
      this.#registrations.delete(key);
      registration?.undo?.();
    };
  }

  /** Puts everything registered so far into effect. */
  activate(): void {
    if (this.#state !== "pending") return;
    this.#state = "active";
    for (const registration of this.#registrations.values()) registration.undo = registration.register();
  }

  /** Has the generation live until this has ended, however it ends. */
  hold(work: Promise<unknown>): void {
    this.#held.add(work);
    const letGo = (): void => void this.#held.delete(work);
    work.then(letGo, letGo);
  }

  /** Resolves once all that is held has ended. */
  async settled(): Promise<void> {
    // oxlint-disable-next-line no-await-in-loop -- what has ended may have begun more
    while (this.#held.size > 0) await Promise.allSettled(this.#held);
  }

  /** Undoes everything, latest first; whatever is registered from now on has no effect. */
  close(): void {
    this.#state = "closed";
    for (const registration of [...this.#registrations.values()].toReversed()) registration.undo?.();
    this.#registrations.clear();
  }
}
