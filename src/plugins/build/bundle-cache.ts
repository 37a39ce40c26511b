import { lstatSync, type Stats } from "node:fs";
import { mkdir, readdir, readFile, rm, stat, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Logger } from "pino";
import { replaceBytes } from "../../files/replace.ts";
import type { PluginFiles } from "../source/files.ts";
import type { Bundle, BundleOptions } from "./bundle.ts";
import { digestInputs, readUnchanged } from "./inputs.ts";
import { digestFound, digestLayout, digestPackages, digestSettingsAbove } from "./layout.ts";
import { openBundle, sealBundle } from "./sealed-bundle.ts";

export interface BundleCacheOptions {
  /** Folder of its own, absolute; made when it is needed. */
  readonly directory: string;
  /** 32 bytes that nobody knows who may not run code in the server: entries are sealed with it. */
  readonly key: Uint8Array;
  /** Digest of the executable, whose entries are no other's. */
  readonly executable: string;
  readonly log: Logger;
  /** Bytes of all entries together. @default 128 MiB */
  readonly maxBytes?: number;
}

/** What a plugin is bundled of. */
export interface BundleSource extends BundleOptions {
  readonly files: PluginFiles;
}

/** An entry that is to be written. */
interface Made {
  readonly source: BundleSource;
  readonly bundle: Bundle;
  readonly name: string;
  readonly layout: string;
  /** When bundling began. */
  readonly startedAt: number;
}

const MAX_BYTES = 128 * 1024 * 1024;
const LARGEST = 1 / 8; // of all bytes, for one entry
const WRITTEN_AFTER_MS = 500; // without another bundle
const SWEPT_AFTER = 1 / 16; // of all bytes, written since
const OWNER_ONLY_FOLDER = 0o700;
const OWNER_ONLY_FILE = 0o600;
const WRITABLE_BY_OTHERS = 0o022;
const USED_MS = 86_400_000; // how exactly it is known when an entry was last used
const STALE_MS = 3_600_000; // age at which a half-written file was left behind

/**
 * Bundles on disk, a file for each plugin: a start needn't bundle what is as it was. An entry is used only if it was
 * sealed by this installation, and every file that it was made of, and all else that decides over a bundle, is as it was
 * then. Whatever goes wrong with the folder, plugins are bundled as if there were none.
 */
export class BundleCache {
  readonly #options: BundleCacheOptions;
  readonly #maxBytes: number;
  /** Folder of this executable's entries. */
  readonly #folder: string;
  /**
   * The layouts of plugins when they were first bundled. For as long as it runs, Bun remembers of a folder what it found
   * there first: what it bundles after a change may not be what another process would bundle.
   */
  readonly #layouts = new Map<string, string>();
  /** The settings above folders, which Bun remembers too. */
  readonly #settings = new Map<string, string | null>();
  /** What is to be written, by name. */
  readonly #waiting = new Map<string, Made>();
  #timer: Timer | undefined;
  #writing: Promise<void> = Promise.resolve();
  #unswept = Infinity; // bytes
  #isUntrustedTold = false;
  #isFailureTold = false;

  constructor(options: BundleCacheOptions) {
    const { directory, executable, maxBytes = MAX_BYTES } = options;
    this.#options = options;
    this.#maxBytes = maxBytes;
    this.#folder = join(directory, executable.slice(0, 16));
  }

  /**
   * Returns the kept bundle of a plugin; makes one where there is none, or none that may be used, and keeps it in the
   * background.
   *
   * @throws what `make` throws
   */
  async getOrMake(source: BundleSource, make: () => Promise<Bundle>): Promise<Bundle> {
    const layout = this.#layoutOf(source);
    const name = this.#nameOf(source);
    const kept = layout === null ? null : await this.#find(name, layout, source.files);
    if (kept !== null) return kept;
    const { root } = source.files;
    const first = this.#layouts.get(root) ?? layout ?? "";
    this.#layouts.set(root, first);
    const startedAt = Date.now();
    const bundle = await make();
    if (layout !== null && layout === first) {
      this.#keepLater({ source, bundle, name, layout, startedAt });
    }
    return bundle;
  }

  /** Writes what waits to be written; resolves once all is. */
  async settled(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const made of this.#waiting.values()) this.#writing = this.#writing.then(() => this.#keep(made));
    this.#waiting.clear();
    await this.#writing;
  }

  /** Once loading has paused: it isn't held up, and of a plugin that is saved again and again the last is kept. */
  #keepLater(made: Made): void {
    this.#waiting.set(made.name, made);
    this.#timer ??= setTimeout(() => void this.settled(), WRITTEN_AFTER_MS).unref();
    this.#timer.refresh();
  }

  /** Null: what is bundled of it can't be known again. */
  #layoutOf({ files, packages }: BundleSource, isNow = false): string | null {
    const above = files.isSingleFile ? files.folder : dirname(files.folder);
    if (!this.#settings.has(above)) this.#settings.set(above, digestSettingsAbove(above));
    const settings = isNow ? digestSettingsAbove(above) : (this.#settings.get(above) ?? null);
    const layout = isNow ? digestFound(files) : digestLayout(files);
    const installed = packages === null ? "" : digestPackages(packages);
    const parts = [layout, settings, installed];
    return parts.includes(null) ? null : parts.join(" ");
  }

  /** Bundles hold absolute paths, and paths that are relative to where the server runs. */
  #nameOf({ files, entries, packages }: BundleSource): string {
    const parts = [
      files.root,
      files.folder,
      entries,
      packages,
      process.cwd(),
      process.env["NODE_PATH"] ?? "",
    ];
    return new Bun.CryptoHasher("sha256", this.#options.key).update(JSON.stringify(parts)).digest("hex");
  }

  async #find(name: string, layout: string, files: PluginFiles): Promise<Bundle | null> {
    if (!this.#isTrusted()) return null;
    const file = join(this.#folder, name);
    const bytes = await readFile(file).catch(() => null);
    if (bytes === null) return null;
    const sealed = openBundle(bytes, name, this.#options.key);
    if (sealed === null) {
      const plugin = files.source.basename;
      this.#options.log.warn({ plugin, file }, "kept bundle is damaged: the plugin is bundled again");
      await rm(file, { recursive: true, force: true }).catch(() => {}); // it is written anew in any case
      return null;
    }
    if (sealed.layout !== layout) return null;
    const inputs = await readUnchanged(sealed.inputs, files.overlay);
    if (inputs === null) return null;
    this.#noteUse(file);
    const { code, map, hash } = sealed;
    return { code, map, hash, inputs };
  }

  #noteUse(file: string): void {
    const { mtimeMs = Infinity } = statsOf(file) ?? {};
    if (Date.now() - mtimeMs < USED_MS) return;
    const now = new Date();
    void utimes(file, now, now).catch(() => {}); // then it looks older than it is
  }

  /** Never throws: without an entry the next start bundles again. */
  async #keep({ source, bundle, name, layout, startedAt }: Made): Promise<void> {
    const { directory, key } = this.#options;
    try {
      const inputs = await digestInputs(bundle.inputs, source.files.overlay, startedAt);
      // What has changed since it was bundled would pass for what was bundled.
      if (inputs === null || this.#layoutOf(source, true) !== layout) return;
      const { code, map, hash } = bundle;
      const bytes = sealBundle({ layout, inputs, hash, code, map }, name, key);
      if (bytes.length > this.#maxBytes * LARGEST) return;
      await mkdir(dirname(directory), { recursive: true });
      await mkdir(this.#folder, { recursive: true, mode: OWNER_ONLY_FOLDER });
      if (!this.#isTrusted()) return;
      await replaceBytes(join(this.#folder, name), bytes, OWNER_ONLY_FILE);
      this.#unswept += bytes.length;
      if (this.#unswept > this.#maxBytes * SWEPT_AFTER) await this.#sweep();
    } catch (error) {
      // Another version's process has removed this one's entries meanwhile.
      const isRemoved = (error as NodeJS.ErrnoException).code === "ENOENT";
      if (isRemoved || this.#isFailureTold) return;
      this.#isFailureTold = true;
      this.#options.log.warn({ err: error, directory }, "bundles can't be kept: starts take longer");
    }
  }

  /** Removes the entries of other versions, and those that were used longest ago while there are too many. */
  async #sweep(): Promise<void> {
    this.#unswept = 0;
    const { directory } = this.#options;
    for (const name of await readdir(directory)) {
      const other = join(directory, name);
      if (other !== this.#folder) await rm(other, { recursive: true, force: true });
    }
    const entries = await listEntries(this.#folder);
    let total = entries.reduce((sum, { size }) => sum + size, 0);
    for (const { file, size, usedMs } of entries.toSorted((a, b) => a.usedMs - b.usedMs)) {
      const isLeft = file.endsWith(".tmp") && Date.now() - usedMs > STALE_MS;
      if (total <= this.#maxBytes && !isLeft) continue;
      await rm(file, { force: true });
      total -= size;
    }
  }

  /** Who can write there could put back what was there before, however old. */
  #isTrusted(): boolean {
    const { directory, log } = this.#options;
    const folder = [directory, this.#folder].find((path) => !isOwn(path));
    if (folder === undefined) return true;
    if (!this.#isUntrustedTold) {
      const advice = "remove it, or let nobody but the user that xcore runs as write there";
      log.warn({ folder }, `kept bundles are left alone, since others can write to their folder: ${advice}`);
    }
    this.#isUntrustedTold = true;
    return false;
  }
}

/** A file of the folder; `usedMs`: when it was last used or written. */
interface Entry {
  readonly file: string;
  readonly size: number;
  readonly usedMs: number;
}

async function listEntries(folder: string): Promise<Entry[]> {
  const files = (await readdir(folder)).map((name) => join(folder, name));
  const entries = files.map(async (file) => {
    const { size, mtimeMs } = await stat(file);
    return { file, size, usedMs: mtimeMs };
  });
  const found = await Promise.allSettled(entries); // another process may have removed some meanwhile
  return found.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
}

/** Whether a folder belongs to this user, who alone may write to it, or isn't there. Windows has no such modes. */
function isOwn(folder: string): boolean {
  const stats = statsOf(folder);
  if (stats === null) return true;
  if (!stats.isDirectory()) return false;
  if (process.geteuid === undefined) return true;
  return stats.uid === process.geteuid() && (stats.mode & WRITABLE_BY_OTHERS) === 0;
}

function statsOf(path: string): Stats | null {
  try {
    return lstatSync(path);
  } catch {
    return null; // It isn't there, or can't be reached: then neither reading nor writing works.
  }
}
