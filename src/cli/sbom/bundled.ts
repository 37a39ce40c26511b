import { join } from "node:path";
import { type InstalledPackage, listInstalled } from "../../plugins/contents/contents.ts";

const PROJECT = join(import.meta.dir, "../../..");

/**
 * Lists the npm packages that this program is made of. Of the executable these are the ones that were bundled: build.ts
 * puts the list in the place of this file.
 */
export async function listBundled(): Promise<InstalledPackage[]> {
  const { dependencies } = (await Bun.file(join(PROJECT, "package.json")).json()) as { dependencies: object };
  return listInstalled(PROJECT, Object.keys(dependencies));
}
