import type { Resolution } from "./inventory/resolve.ts";

/** Plugins that are loaded together, because some depend on others, and take over together. */
interface LoadGroup {
  readonly ids: ReadonlySet<string>;
  readonly abort: AbortController;
  readonly done: Promise<void>;
}

/** The groups of plugins that are being loaded. */
export class LoadGroups {
  readonly #groups = new Set<LoadGroup>();

  /** Starts to load a group of plugins. */
  add(ids: ReadonlySet<string>, load: (signal: AbortSignal) => Promise<void>): void {
    const abort = new AbortController();
    const group: LoadGroup = { ids, abort, done: load(abort.signal) };
    this.#groups.add(group);
    void group.done.finally(() => this.#groups.delete(group));
  }

  /** Aborts the loads that a selected plugin, or a new problem, has to do with; selects what they were loading. */
  absorb(selected: Set<string>, { dependencies, problems }: Resolution): void {
    for (const group of this.#groups) {
      if (group.abort.signal.aborted) continue; // what it was loading is being loaded again, or gone
      const isRelated = [...selected].some((id) =>
        [id, ...(dependencies.get(id) ?? [])].some((one) => group.ids.has(one)),
      );
      if (!isRelated && ![...group.ids].some((id) => problems.has(id))) continue;
      group.abort.abort(new Error("superseded by a newer change"));
      for (const id of group.ids) selected.add(id);
    }
  }

  abortAll(): void {
    for (const group of this.#groups) group.abort.abort(new Error("the server stops"));
  }

  /** Resolves once nothing is being loaded. */
  async settled(): Promise<void> {
    // oxlint-disable-next-line no-await-in-loop -- more may have been added meanwhile
    while (this.#groups.size > 0) await Promise.all([...this.#groups].map((group) => group.done));
  }
}
