import { existsSync, type FSWatcher, readdirSync, realpathSync, statSync, watch } from "node:fs";
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
  const onError = (error: Error): void => options.onError(error);
  const links = new Map<string, { target: string; watched: DirectoryWatch }>();
  const followLinks = (): void => {
    const targets = readLinks(directory);
    for (const [path, { target, watched }] of links) {
      watched.check();
      if (targets.get(path) === target) continue;
      watched.close();
      links.delete(path);
    }
    for (const [path, target] of targets) {
      if (links.has(path)) continue;
      links.set(path, { target, watched: watchDirectory(target, () => burst.add(path), onError) });
    }
  };
  const burst = new Burst((paths) => {
    watched.check();
    followLinks();
    options.onChange(paths);
  });
  const watched = watchDirectory(
    directory,
    (name) => burst.add(name === null ? null : join(directory, firstPart(name))),
    onError,
  );
  followLinks();
  return () => {
    watched.close();
    for (const link of links.values()) link.watched.close();
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

interface DirectoryWatch {
  /** Makes up for events that were lost. */
  check(): void;
  close(): void;
}

/** The links directly in a directory, with what they lead to. */
function readLinks(directory: string): Map<string, string> {
  const targets = new Map<string, string>();
  try {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (!entry.isSymbolicLink()) continue;
      const path = join(directory, entry.name);
      const target = readTarget(path);
      if (target !== null) targets.set(path, target);
    }
  } catch {
    // It isn't there.
  }
  return targets;
}

function readTarget(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    return null;
  }
}

/** Watches a directory, or a file, and all below; null: it came, went or was replaced. */
function watchDirectory(
  directory: string,
  onName: (name: string | null) => void,
  onError: (error: Error) => void,
): DirectoryWatch {
  let tree: FSWatcher | null = null;
  const open = (): void => {
    tree?.close();
    // A file is seen from its folder.
    tree = isFolder(directory) ? openWatcher(directory, true, onName, onError) : null;
  };
  const unwatchEntry = watchEntry(
    directory,
    () => {
      open();
      onName(null);
    },
    onError,
  );
  open();
  return {
    // Of two events of one name within a millisecond, such as a removal and a creation, Bun drops the second.
    check: () => {
      if ((tree !== null) !== isFolder(directory)) open();
    },
    close: () => {
      unwatchEntry();
      tree?.close();
    },
  };
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** Watches what stands at `path`, even while folders above it are missing. Returns its undo. */
function watchEntry(path: string, onChange: () => void, onError: (error: Error) => void): () => void {
  const folder = dirname(path);
  const watcher = openWatcher(
    folder,
    false,
    (name) => {
      if (name === null || name === basename(path)) onChange();
    },
    onError,
  );
  if (watcher !== null || folder === path) return () => watcher?.close();
  const onFolder = (): void => {
    if (!existsSync(folder)) return;
    unwatch();
    unwatch = watchEntry(path, onChange, onError);
    onChange();
  };
  let unwatch = watchEntry(folder, onFolder, onError);
  onFolder(); // it may have come meanwhile
  return () => unwatch();
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
    const watcher = watch(directory, { recursive }, (_event, name) => onName(name ?? null));
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
