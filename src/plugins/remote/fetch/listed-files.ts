const ENDINGS = [".tsx", ".ts", ".jsx", ".js", ".mts", ".mjs", ".cts", ".cjs", ".json"];

/** Names of files that a plugin brings whether they are imported or not. */
export class ListedFiles {
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
