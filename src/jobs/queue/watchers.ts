/** Those who want to know at once when something about a job of this process has changed. */
export class Watchers {
  readonly #byId = new Map<string, Set<() => void>>();

  /** Calls `listener` at each change until the undo is called. */
  watch(id: string, listener: () => void): () => void {
    const listeners = this.#byId.get(id) ?? new Set();
    this.#byId.set(id, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#byId.delete(id);
    };
  }

  tell(id: string): void {
    for (const listener of this.#byId.get(id) ?? []) listener();
  }
}
