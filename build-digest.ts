import { existsSync } from "node:fs";
import { join } from "node:path";

const PROJECT = import.meta.dir;
/** Folders that the executable is made of. */
export const FOLDERS = ["src", "docs", "drizzle", "templates", "plugins", "patches"];
/** Files beside them that say how. */
export const SETTINGS = [
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
  const sources: string[] = [...new Bun.Glob(`{${FOLDERS.join(",")}}/**/*`).scanSync({ cwd: PROJECT })];
  const names = [...sources, ...SETTINGS].toSorted();
  const hasher = new Bun.CryptoHasher("sha256").update(Bun.revision);
  for (const name of names) {
    hasher.update(`${name}\0`).update(await Bun.file(join(PROJECT, name)).bytes());
  }
  return hasher.digest("hex");
}

/**
 * The commit that the sources are of, with "+" where they differ from it; `XCORE_COMMIT` says it where git doesn't. Nothing of
 * time or place is in it: the same sources say the same, whenever and wherever they are built.
 */
export async function findCommit(): Promise<string | null> {
  const { XCORE_COMMIT: told = "" } = process.env;
  if (told !== "") return /^[0-9a-f]{7,64}\+?$/.test(told) ? told : null;
  if (!existsSync(join(PROJECT, ".git"))) return null; // a folder above may be somebody else's
  const git = (...args: string[]): string | null => {
    try {
      const { exitCode, stdout } = Bun.spawnSync(["git", ...args], { cwd: PROJECT, stderr: "ignore" });
      return exitCode === 0 ? stdout.toString().trim() : null;
    } catch {
      return null; // there is no git
    }
  };
  const commit = git("rev-parse", "HEAD");
  return commit === null
    ? null
    : `${commit}${git("status", "--porcelain", "--", ...FOLDERS, ...SETTINGS) === "" ? "" : "+"}`;
}
