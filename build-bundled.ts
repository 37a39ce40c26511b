import { join, relative } from "node:path";
import { readDigests, readInstalled } from "./src/plugins/contents/installed.ts";

const PROJECT = import.meta.dir;
const FOLDER = /^.*[/\\]node_modules[/\\](?:@[^/\\]+[/\\])?[^/\\]+/;

/** Notes which npm packages a build takes files of, for `xcore sbom`. */
export class BundledPackages {
  readonly #paths = new Set<string>();

  /** Notes the package of a file, named by its absolute path or by that below the project. */
  add(file: string): void {
    const [folder] = FOLDER.exec(join(PROJECT, relative(PROJECT, file))) ?? [];
    if (folder !== undefined) this.#paths.add(relative(PROJECT, folder).replaceAll("\\", "/"));
  }

  /** Notes the packages of a build, and changes nothing of it. */
  get recorder(): Bun.BunPlugin {
    return {
      name: "recorder",
      setup: (builder) => {
        builder.onLoad({ filter: /[/\\]node_modules[/\\]/ }, ({ path }) => {
          this.add(path);
          return undefined;
        });
      },
    };
  }

  /** Puts the list into the executable, once all else that it holds is known. */
  get lister(): Bun.BunPlugin {
    return {
      name: "lister",
      setup: (builder) => {
        builder.onLoad({ filter: /[/\\]sbom[/\\]bundled\.ts$/ }, async ({ defer }) => {
          await defer();
          const list = JSON.stringify(JSON.stringify(await this.#list()));
          return { contents: `export const listBundled = async () => JSON.parse(${list});`, loader: "ts" };
        });
      },
    };
  }

  async #list() {
    const digests = await readDigests(PROJECT);
    const paths = [...this.#paths].toSorted();
    const packages = await Promise.all(paths.map((path) => readInstalled(PROJECT, path, digests)));
    return packages.map((one) => ({ ...one, needs: one.needs.filter((path) => this.#paths.has(path)) }));
  }
}
