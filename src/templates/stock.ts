import { join } from "node:path";
import type { Logger } from "pino";
import { watchTree } from "../files/watch.ts";
import type { TemplateSource } from "./engine/template.ts";
import { TemplateError } from "./engine/problems.ts";
import { findCatalogueFault, Languages } from "./languages/catalogues.ts";
import { type Additions, CORE_OWNER, Library } from "./library.ts";
import { readTemplates } from "./sources/disk.ts";
import { readEmbedded } from "./sources/embedded.ts";

export interface StockOptions {
  /** Absolute path of the folder whose templates override the others. */
  readonly directory: string;
  /** Path to show for a file. */
  readonly toDisplayPath: (file: string) => string;
  /** Whether there is a plugin of this name, loaded or not. */
  readonly isPlugin: (name: string) => boolean;
  /** Whether the folder is watched. */
  readonly watches: boolean;
  readonly log: Logger;
}

/** The templates of a plugin, and what it adds to them. */
export interface Owned extends Additions {
  readonly name: string;
  /** Those of its own folder, by their names below it. */
  readonly texts: ReadonlyMap<string, string>;
  /** Path to show of that folder. */
  readonly shown: string;
  /** Those of the plugins that it depends on, by name: they may not serve yet. @default none */
  readonly dependencies?: ReadonlyMap<string, Owned>;
}

/** What there is beside the templates in files. */
export interface StockContents {
  /** What the core's templates know beside what all do. */
  readonly additions: Additions;
  /** The templates of plugins that serve, by name, as they come and go. */
  readonly published: ReadonlyMap<string, Owned>;
}

type Sources = Map<string, TemplateSource>;

/** Where xcore's own come from. */
const EMBEDDED = "xcore:templates";

/** All templates there are: those inside the executable, those of the project's folder, and those of plugins. */
export class Stock {
  /** The core's own, and those of the project. */
  core: Library;
  /** What their texts are in other languages. */
  readonly languages = new Languages(CORE_OWNER);
  readonly #options: StockOptions;
  readonly #additions: Additions;
  readonly #embedded: Sources;
  #disk: Sources;
  readonly #published: ReadonlyMap<string, Owned>;
  /** Of plugins, with the templates of the project that override theirs now. */
  #libraries = new WeakMap<Owned, Library>();
  readonly #unwatch: () => void;
  #reading: Promise<void> = Promise.resolve();
  /** Called when the texts of templates have changed. */
  onChange: () => void = () => {};

  private constructor(
    options: StockOptions,
    { additions, published }: StockContents,
    embedded: Sources,
    disk: Sources,
  ) {
    this.#options = options;
    this.#additions = additions;
    this.#published = published;
    this.#embedded = embedded;
    this.#refuseTranslations(disk, new Map());
    this.#disk = disk;
    this.core = this.#createCore();
    this.#report([...disk.values()]);
    this.#unwatch = options.watches ? this.#watch() : () => {};
  }

  /** Reads all templates but those of plugins. */
  static async open(options: StockOptions, contents: StockContents): Promise<Stock> {
    const texts = await readEmbedded();
    const disk = await readSources(options);
    return new Stock(options, contents, toSources(texts, EMBEDDED), disk);
  }

  /** The templates of a plugin, with those of the project that override them. */
  libraryOf(owned: Owned): Library {
    const known = this.#libraries.get(owned);
    if (known !== undefined) return known;
    const prefix = `${owned.name}/`;
    const overriding = [...this.#disk].filter(([name]) => name.startsWith(prefix));
    const layers = [
      new Map(overriding.map(([name, source]) => [name.slice(prefix.length), source])),
      toSources(owned.texts, owned.shown),
    ];
    this.#keepLanguages(owned.name, layers);
    const library = new Library({
      owner: owned.name,
      layers: layers.map(withoutLanguages),
      additions: owned,
      others: (name) =>
        findIn(owned.dependencies, name, (one) => this.libraryOf(one)) ?? this.core.find(name),
      otherComponents: (name) => this.core.findComponent(name),
    });
    this.#libraries.set(owned, library);
    return library;
  }

  /** The texts of all templates that pages may be made of. */
  get texts(): string[] {
    return [...this.core.texts, ...[...this.#published.values()].flatMap(({ texts }) => [...texts.values()])];
  }

  /** Resolves once what has changed on the disk so far is read. */
  settled(): Promise<void> {
    return this.#reading;
  }

  close(): void {
    this.#unwatch();
  }

  /** @throws TemplateError for a file of translations that can't be used */
  #keepLanguages(owner: string, layers: readonly Sources[]): void {
    const files = layers
      .toReversed()
      .flatMap((layer) => [...layer].map(([name, source]) => ({ ...source, name })));
    const [fault] = this.languages.keep(owner, files);
    if (fault === undefined) return;
    const shown = layers.map((layer) => layer.get(fault.name)?.shown).find((one) => one !== undefined);
    throw new TemplateError(fault.message, shown ?? fault.name, fault);
  }

  #createCore(): Library {
    const layers = [this.#disk, this.#embedded];
    this.#keepLanguages(CORE_OWNER, layers);
    return new Library({
      owner: CORE_OWNER,
      layers: layers.map(withoutLanguages),
      additions: this.#additions,
      others: (name) => this.#findPublished(name),
      otherComponents: () => null,
    });
  }

  #findPublished(name: string) {
    return findIn(this.#published, name, (owned) => this.libraryOf(owned));
  }

  #watch(): () => void {
    const { directory, log } = this.#options;
    return watchTree(directory, {
      onChange: () => void (this.#reading = this.#reading.then(() => this.#reload())),
      onError: (error) => log.error({ err: error }, "templates can't be watched"),
    });
  }

  /** Takes what has changed, but for what can't be used: what was there before goes on being used in its place. */
  async #reload(): Promise<void> {
    const before = this.#disk;
    const after = await readSources(this.#options);
    const others = this.#refuseTranslations(after, before);
    for (const [name, source] of after) {
      const known = before.get(name);
      if (known?.text === source.text) after.set(name, known);
    }
    const changed = [...after.values()].filter((source) => before.get(source.name) !== source);
    if (changed.length === 0 && after.size === before.size) return;
    this.#use(after);
    const refused = this.#report(changed);
    for (const { name } of refused) {
      const known = before.get(name);
      if (known !== undefined) after.set(name, known);
    }
    this.#use(after);
    this.#options.log.info(
      { changed: changed.length - refused.length, refused: refused.length + others },
      "templates read again",
    );
    this.onChange();
  }

  /** Puts files of translations that can't be read back to what they were before, and says so in the log; returns how many. */
  #refuseTranslations(sources: Sources, before: Sources): number {
    let count = 0;
    for (const [name, source] of sources) {
      const fault = name.endsWith(".json") ? findCatalogueFault(source) : null;
      if (fault === null) continue;
      const { message } = new TemplateError(fault.message, source.shown, fault);
      this.#options.log.error(`Cannot use a file of translations: ${message}`);
      const known = before.get(name);
      if (known === undefined) sources.delete(name);
      else sources.set(name, known);
      count += 1;
    }
    return count;
  }

  #use(disk: Sources): void {
    this.#disk = disk;
    this.#libraries = new WeakMap();
    this.core = this.#createCore();
  }

  /** Logs what is wrong with templates of the project; returns those that can't be used. */
  #report(sources: readonly TemplateSource[]): TemplateSource[] {
    return sources.filter((source) => {
      if (source.name.endsWith(".json")) return false;
      const folder = source.name.split("/")[0] ?? "";
      // Of a plugin that isn't loaded yet, they are checked with it.
      if (!this.#published.has(folder) && this.#options.isPlugin(folder)) return false;
      const problem = this.#ownerOf(source).problemOf(source);
      if (problem !== null) this.#options.log.error(`Cannot use a template: ${problem.message}`);
      return problem !== null;
    });
  }

  #ownerOf({ name }: TemplateSource): Library {
    const owned = this.#published.get(name.split("/")[0] ?? "");
    return owned === undefined ? this.core : this.libraryOf(owned);
  }
}

/** Finds "shop/list.html" among the templates of plugins. */
function findIn(
  owners: ReadonlyMap<string, Owned> | undefined,
  name: string,
  libraryOf: (owned: Owned) => Library,
) {
  const [plugin = "", ...rest] = name.split("/");
  const owned = owners?.get(plugin);
  return owned === undefined || rest.length === 0 ? null : libraryOf(owned).find(rest.join("/"));
}

async function readSources({ directory, toDisplayPath }: StockOptions): Promise<Sources> {
  const texts = await readTemplates(directory);
  return new Map(
    [...texts].map(([name, text]) => [name, { name, text, shown: toDisplayPath(join(directory, name)) }]),
  );
}

/** Their translations are no templates. */
function withoutLanguages(sources: Sources): Sources {
  return new Map([...sources].filter(([name]) => !name.endsWith(".json")));
}

function toSources(texts: ReadonlyMap<string, string>, folder: string): Sources {
  return new Map([...texts].map(([name, text]) => [name, { name, text, shown: `${folder}/${name}` }]));
}
