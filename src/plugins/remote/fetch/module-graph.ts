import { quote } from "../../../config/json/values.ts";
import type { FetchBudget } from "./budget.ts";
import { FetchError } from "../../failure/failure.ts";
import { assertNoPage, toSubject } from "./http-answer.ts";
import type { HttpClient } from "./http-client.ts";
import {
  isFilePath,
  isFollowed,
  isName,
  isUrlName,
  nameImport,
  type Snapshot,
} from "../../snapshot/snapshot.ts";
import { toFileUrl, toRelativeName } from "./location.ts";

const MAX_CODE = 8 * 1024 * 1024; // bytes of a file; the server waits while it is read, 0.1 s a MiB
const ENDINGS = [".tsx", ".ts", ".jsx", ".js", ".mts", ".mjs", ".cts", ".cjs", ".json"];
const CODE = /\.([cm]?)([jt])s(x?)$/;
const DECLARATIONS = /\.d\.[cm]?ts$/;

/** Reads a file of the plugin's own folder. @param reason who wants it, for errors */
export type ReadOwnFile = (name: string, reason: string) => Promise<Uint8Array>;

export interface ModuleGraphOptions {
  readonly client: HttpClient;
  readonly budget: FetchBudget;
  /** Ends what is under way when a file fails. */
  readonly abort: (reason: unknown) => void;
  /** URL of the plugin's folder; null when it isn't on the web. */
  readonly root?: URL | null;
  /** Gets the plugin's own files where there is no `root`; without it all of them are there already. */
  readonly readOwn?: ReadOwnFile | null;
}

/**
 * The files of a plugin, and those that they import from URLs, found by following imports: many at once, each once.
 */
export class ModuleGraph {
  readonly #options: ModuleGraphOptions;
  readonly #files = new Map<string, Uint8Array>();
  /** By a name that is imported, the name under which its file is kept, or that leads there in turn. */
  readonly #aliases = new Map<string, string>();
  readonly #asked = new Set<string>();
  readonly #listed = new ListedFiles();
  readonly #running = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | null = null;

  constructor(options: ModuleGraphOptions) {
    this.#options = options;
  }

  /** Takes files of the plugin's own that are there, and follows what they import. */
  add(files: ReadonlyMap<string, Uint8Array>): void {
    for (const [name, content] of files) {
      this.#listed.add(name);
      this.#asked.add(name);
      this.#files.set(name, content);
    }
    for (const [name, content] of files) this.#run(async () => this.#follow(name, content));
  }

  /**
   * Gets files of the plugin's own, which keep their names wherever the host of its folder redirects them.
   *
   * @param listing who names them, for errors
   */
  list(names: readonly string[], listing: string): void {
    const missing = [...new Set(names)].filter((name) => !this.#files.has(name));
    for (const name of missing) {
      this.#options.budget.takeFile(`"${name}"`);
      this.#listed.add(name);
      this.#asked.add(name);
    }
    for (const name of missing) this.#run(() => this.#getListed(name, `which "${listing}" names`));
  }

  /**
   * Resolves once every import has been followed.
   *
   * @throws FetchError for the first file that failed, when nothing runs any more
   */
  async finish(): Promise<Pick<Snapshot, "files" | "redirects">> {
    // What is under way may start more.
    // oxlint-disable-next-line no-await-in-loop -- as above
    while (this.#running.size > 0) await Promise.all(this.#running);
    if (this.#failure !== null) throw this.#failure.error;
    const redirects = new Map([...this.#aliases.keys()].map((name) => [name, this.#findFile(name)]));
    return { files: this.#files, redirects };
  }

  #run(task: () => Promise<void>): void {
    const running = task()
      .catch((error: unknown) => {
        this.#failure ??= { error };
        this.#options.abort(error);
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  #follow(name: string, content: Uint8Array): void {
    if (!isUrlName(name) && !isFollowed(name)) return;
    if (isCodeName(name) && content.length > MAX_CODE) {
      const advice = "split it, or take data out of it";
      throw new FetchError(`Cannot read "${name}": code is at most ${MAX_CODE} bytes a file; ${advice}`);
    }
    for (const specifier of findImports(name, content)) {
      const imported = this.#nameImport(name, specifier);
      if (imported !== null) this.#request(imported, `which "${name}" imports`, 0);
    }
  }

  #nameImport(importer: string, specifier: string): string | null {
    const name = nameImport(importer, specifier);
    const isFile = /^(\.{0,2}\/|https?:|file:)/.test(specifier);
    if (!isFile) return null;
    const subject = `Cannot import ${quote(specifier)} in "${importer}"`;
    if (name === null) throw new FetchError(`${subject}: write a path such as "./lib/tax.ts", or a URL`);
    if (!isUrlName(name) && name.includes("?")) {
      throw new FetchError(`${subject}: a file of the plugin has no "?" in its name; leave it out`);
    }
    return name;
  }

  #request(name: string, reason: string, hops: number): void {
    if (this.#asked.has(name)) return;
    this.#asked.add(name);
    const known = this.#toKnownName(name, reason);
    const isOwn = known === name && !isUrlName(name);
    if (isOwn && this.#listed.find(name) !== null) return;
    // Redirects too: each may be a request, and all are kept.
    this.#options.budget.takeFile(`"${name}"`);
    if (known !== name) {
      this.#aliases.set(name, known);
      this.#request(known, reason, hops);
    } else if (isOwn) {
      this.#run(() => this.#getOwn(name, reason, hops));
    } else {
      this.#run(() => this.#getModule(name, new URL(name), reason, hops));
    }
  }

  /** The name under which a file is kept: one of the plugin's folder by its path, any other by its URL. */
  #toKnownName(name: string, reason: string): string {
    const { root = null } = this.#options;
    if (!isUrlName(name) && isFilePath(name)) return name;
    if (root === null) {
      if (isUrlName(name)) return name;
      const advice = "move it in, or import it by its URL";
      throw new FetchError(`Cannot fetch "${name}", ${reason}: it is outside the plugin's folder; ${advice}`);
    }
    const url = isUrlName(name) ? new URL(name) : toFileUrl(root, name);
    const own = toRelativeName(root, url);
    if (own !== null) return this.#listed.find(own) ?? own;
    if (isName(url.href)) return url.href;
    throw new FetchError(`Cannot fetch ${toSubject({ url, reason })}: its URL is too long; shorten it`);
  }

  async #getOwn(name: string, reason: string, hops: number): Promise<void> {
    const { root = null, readOwn = null } = this.#options;
    if (root !== null) {
      await this.#getModule(name, toFileUrl(root, name), reason, hops);
    } else if (readOwn !== null) {
      this.#keep(name, await readOwn(name, reason));
    }
  }

  async #getModule(name: string, url: URL, reason: string, hops: number): Promise<void> {
    const { client, budget } = this.#options;
    const answer = await client.get({ url, budget, reason });
    const subject = toSubject({ url, reason });
    if (answer.kind === "redirect") {
      client.assertHops(hops + 1, subject);
      const led = { url: answer.url, reason: `where "${url.href}" leads, ${reason}` };
      client.assertScheme(led.url, toSubject(led));
      const next = this.#toKnownName(led.url.href, led.reason);
      this.#aliases.set(name, next);
      this.#request(next, led.reason, hops + 1);
      return;
    }
    assertNoPage(answer, { url, reason });
    if (!isCodeName(name) && /\b(java|type|ecma)script\b/.test(answer.type)) {
      const advice = 'import the URL of a file with an ending such as ".ts" or ".js"';
      throw new FetchError(`Cannot fetch ${subject}: it is code, and its name doesn't say so; ${advice}`);
    }
    this.#keep(name, answer.content);
  }

  async #getListed(name: string, reason: string): Promise<void> {
    const { client, budget, root = null } = this.#options;
    if (root === null) return;
    const url = toFileUrl(root, name);
    const file = await client.follow({ url, budget, reason });
    assertNoPage(file, { url, reason });
    this.#keep(name, file.content);
  }

  #keep(name: string, content: Uint8Array): void {
    this.#files.set(name, content);
    this.#follow(name, content);
  }

  #findFile(name: string): string {
    const seen = new Set<string>();
    let file = name;
    while (!this.#files.has(file)) {
      const next = this.#aliases.get(file);
      if (next === undefined || seen.has(file)) {
        throw new FetchError(`Cannot fetch "${name}": it is redirected in a circle`);
      }
      seen.add(file);
      file = next;
    }
    return file;
  }
}

/** Names of files that a plugin brings whether they are imported or not. */
class ListedFiles {
  readonly #names = new Set<string>();

  add(name: string): void {
    this.#names.add(name);
  }

  /**
   * Finds the file that the bundler takes for an import: "lib/tax" may mean "lib/tax.ts" or "lib/tax/index.ts", and
   * "lib/tax.js" what it was made of.
   */
  find(name: string): string | null {
    const endings = ["", ...ENDINGS, ...ENDINGS.map((ending) => `/index${ending}`)];
    const names = endings.map((ending) => name + ending);
    const source = /^(.*\.[cm]?)js(x?)$/.exec(name);
    if (source !== null) names.push(`${source[1]}ts${source[2]}`, `${source[1]}tsx`);
    return names.find((candidate) => this.#names.has(candidate)) ?? null;
  }
}

/** Whether a file of a snapshot holds code, which may import other files. */
export function isCodeName(name: string): boolean {
  return CODE.test(toPath(name)) && !DECLARATIONS.test(toPath(name));
}

/**
 * Returns what a file imports, as it says it: all that the bundler may ask for, and at times more, since an import
 * of nothing but types is only told from another when it says so. Code that can't be parsed imports nothing: whoever
 * bundles it says where its mistake is.
 */
function findImports(name: string, content: Uint8Array): string[] {
  if (!isCodeName(name)) return [];
  const [, , language, jsx] = CODE.exec(toPath(name)) ?? [];
  // In JavaScript Bun takes JSX whatever the ending is.
  const loader = language === "j" ? "jsx" : jsx === "x" ? "tsx" : "ts";
  const code = new TextDecoder().decode(content).replace(/^#!.*/, "");
  try {
    const imports = new Bun.Transpiler({ loader, target: "bun" }).scanImports(code);
    return [...new Set(imports.map(({ path }) => path))];
  } catch {
    return [];
  }
}

function toPath(name: string): string {
  return isUrlName(name) ? (URL.parse(name)?.pathname ?? "") : name;
}
