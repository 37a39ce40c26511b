import { type FSWatcher, watch } from "node:fs";
import { basename, dirname, join } from "node:path";

const QUIET_MS = 10; // after the last write of a burst
const BURST_MS = 250; // a burst that goes on is reported this often

export interface WatchOptions {
  /** Gets the changed paths directly below the directory, once per burst of writes; null: anything may have. */
  readonly onChange: (paths: ReadonlySet<string> | null) => void;
  readonly onError: (error: Error) => void;
}

/**
 * Watches a directory and everything below it. The directory may come, go and be replaced; folders in it that
 * are links are followed.
 *
 * @returns its undo
 */
export function watchTree(directory: string, options: WatchOptions): () => void {
  const burst = new Burst(options.onChange);
  const onError = (error: Error): void => options.onError(error);
  let tree: FSWatcher | null = null;
  const watchDirectory = (): void => {
    tree?.close();
    tree = openWatcher(
      directory,
      true,
      (name) => burst.add(name === null ? null : join(directory, firstPart(name))),
      onError,
    );
  };
  const parent = openWatcher(
    dirname(directory),
    false,
    (name) => {
      if (name !== null && name !== basename(directory)) return;
      watchDirectory();
      burst.add(null);
    },
    onError,
  );
  watchDirectory();
  return () => {
    parent?.close();
    tree?.close();
    burst.cancel();
  };
}

/** Watches one file, which may come, go and be replaced; returns its undo. */
export function watchFile(
  file: string,
  options: { onChange: () => void; onError: (error: Error) => void },
): () => void {
  const burst = new Burst(() => options.onChange());
  const watcher = openWatcher(
    dirname(file),
    false,
    (name) => {
      if (name === null || name === basename(file)) burst.add(file);
    },
    options.onError,
  );
  return () => {
    watcher?.close();
    burst.cancel();
  };
}

/** Gathers changes until they pause. */
class Burst {
  readonly #report: (paths: ReadonlySet<string> | null) => void;
  #paths = new Set<string>();
  #isAnything = false;
  #startedAt = 0;
  #timer: Timer | null = null;

  constructor(report: (paths: ReadonlySet<string> | null) => void) {
    this.#report = report;
  }

  add(path: string | null): void {
    if (path === null) this.#isAnything = true;
    else this.#paths.add(path);
    if (this.#timer === null) this.#startedAt = performance.now();
    else clearTimeout(this.#timer);
    const left = this.#startedAt + BURST_MS - performance.now();
    this.#timer = setTimeout(() => this.#end(), Math.max(0, Math.min(QUIET_MS, left)));
  }

  cancel(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #end(): void {
    const paths = this.#isAnything ? null : this.#paths;
    this.#paths = new Set();
    this.#isAnything = false;
    this.#timer = null;
    this.#report(paths);
  }
}

function openWatcher(
  directory: string,
  recursive: boolean,
  onName: (name: string | null) => void,
  onError: (error: Error) => void,
): FSWatcher | null {
  try {
    const watcher = watch(directory, { recursive }, (_event, name) => onName(name));
    watcher.on("error", (error) => {
      watcher.close();
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") onError(error);
    });
    return watcher;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") onError(error as Error);
    return null;
  }
}

function firstPart(name: string): string {
  return name.split(/[/\\]/, 1)[0] ?? name;
}
