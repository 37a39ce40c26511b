import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";

const PROJECT = resolve(import.meta.dir, "../..");
const BUILT = join(PROJECT, "node_modules/.cache/xcore-test");
/** All that the executable is made of. */
const SOURCES = "{src,drizzle,templates,plugins}/**/*";
const SETTINGS = ["build.ts", "package.json", "bun.lock", "tsconfig.json"];

/** How `xcore` is run from its sources. */
export const FROM_SOURCES: readonly string[] = [process.execPath, join(PROJECT, "src/index.ts")];

/** How tests run `xcore`: the executable that was built for them, if it is of these sources; it starts faster. */
export const XCORE: readonly string[] = await findCommand();

if (import.meta.main) await build();

async function findCommand(): Promise<readonly string[]> {
  const file = join(BUILT, await hashSources(), "xcore");
  return (await Bun.file(file).exists()) ? [file] : FROM_SOURCES;
}

/** Builds the executable for tests, unless it is there: `bun test/cli/xcore-command.ts`. */
async function build(): Promise<void> {
  const hash = await hashSources();
  if (await Bun.file(join(BUILT, hash, "xcore")).exists()) return;
  const made = join(BUILT, `.${process.pid}`);
  const child = Bun.spawn([process.execPath, "build.ts", "--outdir", made], {
    cwd: PROJECT,
    stdio: ["ignore", "ignore", "inherit"],
  });
  if ((await child.exited) !== 0) throw new Error("Cannot build the executable for the tests");
  for (const name of await readdir(BUILT)) {
    if (join(BUILT, name) !== made) await rm(join(BUILT, name), { recursive: true });
  }
  await rename(made, join(BUILT, hash));
}

async function hashSources(): Promise<string> {
  await mkdir(BUILT, { recursive: true });
  const names = [...new Bun.Glob(SOURCES).scanSync({ cwd: PROJECT }), ...SETTINGS].toSorted();
  const hasher = new Bun.CryptoHasher("sha256").update(Bun.revision);
  for (const name of names) {
    hasher.update(`${name}\0`).update(await Bun.file(join(PROJECT, name)).bytes());
  }
  return hasher.digest("hex");
}
