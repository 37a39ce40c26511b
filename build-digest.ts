import { join } from "node:path";

const PROJECT = import.meta.dir;
const SOURCES = "{src,drizzle,templates,plugins,patches}/**/*";
const SETTINGS = [
  "build.ts",
  "build-bundled.ts",
  "build-digest.ts",
  "build-packages.ts",
  "package.json",
  "bun.lock",
  "tsconfig.json",
];

/** SHA-256, in hex, of all that the executable is made of: the sources, the packages by their lockfile, and Bun. */
export async function digestSources(): Promise<string> {
  const sources: string[] = [...new Bun.Glob(SOURCES).scanSync({ cwd: PROJECT })];
  const names = [...sources, ...SETTINGS].toSorted();
  const hasher = new Bun.CryptoHasher("sha256").update(Bun.revision);
  for (const name of names) {
    hasher.update(`${name}\0`).update(await Bun.file(join(PROJECT, name)).bytes());
  }
  return hasher.digest("hex");
}
