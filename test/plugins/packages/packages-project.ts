import { readdir } from "node:fs/promises";
import { join } from "node:path";
import pino from "pino";
import { runBun } from "../../../src/plugins/packages/bun-process.ts";
import { type PackageNeeds, readPackageNeeds } from "../../../src/plugins/packages/needs.ts";
import { PackageStore } from "../../../src/plugins/packages/store.ts";
import { type Files, TestFolder } from "../../setup.ts";
import type { TestRegistry } from "./registry.ts";

/** A project whose npm packages come from a registry of the test, with a cache of its own. */
export class PackagesProject implements AsyncDisposable {
  readonly folder: TestFolder;
  /** The lines of its log, parsed. */
  readonly logged: Record<string, unknown>[] = [];
  readonly store: PackageStore;
  isOffline = false;

  private constructor(folder: TestFolder) {
    this.folder = folder;
    this.store = this.openStore();
  }

  static async create(registry: TestRegistry, files: Files = {}): Promise<PackagesProject> {
    return new PackagesProject(await TestFolder.create({ ".npmrc": registry.npmrc, ...files }));
  }

  get cache(): string {
    return join(this.folder.path, "data/plugins");
  }

  get vendor(): string {
    return join(this.folder.path, "vendor/plugins");
  }

  /** Another store over the same folders, as another process has it. */
  openStore(): PackageStore {
    const { cache, vendor, folder, logged } = this;
    const write = (line: string): void => void logged.push(JSON.parse(line) as Record<string, unknown>);
    return new PackageStore({
      cache,
      vendor,
      projectDirectory: folder.path,
      isOffline: () => this.isOffline,
      log: pino({ level: "trace", base: null, timestamp: false }, { write }),
    });
  }

  /** Needs of a plugin with these files. */
  async needs(files: Readonly<Record<string, string | object>>): Promise<PackageNeeds> {
    const needs = await readPackageNeeds((name) => {
      const content = files[name];
      if (content === undefined) return Promise.resolve(null);
      return Promise.resolve(Buffer.from(typeof content === "string" ? content : JSON.stringify(content)));
    });
    if (needs === null) throw new Error("nothing is needed");
    return needs;
  }

  /** The bun.lock that Bun makes for a package.json. */
  async lock(manifest: object): Promise<string> {
    await using folder = await TestFolder.create({ "package.json": manifest });
    await Bun.write(join(folder.path, ".npmrc"), Bun.file(join(this.folder.path, ".npmrc")));
    const cache = join(folder.path, "cache");
    const args = ["install", "--lockfile-only", "--ignore-scripts", `--cache-dir=${cache}`];
    const { code, output } = await runBun(args, { cwd: folder.path });
    const lock = Bun.file(join(folder.path, "bun.lock"));
    if (code !== 0 || !(await lock.exists()))
      throw new Error(`bun install made no lockfile (${code}): ${output}`);
    return await lock.text(); // before the folder is removed
  }

  /** Paths of what is in the cache, or in another folder. */
  async list(folder = this.cache): Promise<string[]> {
    const names: string[] = await readdir(folder, { recursive: true }).catch(() => []);
    return names.toSorted();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.folder[Symbol.asyncDispose]();
  }
}
