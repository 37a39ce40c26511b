import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { digestSources } from "../../build-digest.ts";

const PROJECT = resolve(import.meta.dir, "../..");
const BUILT = join(PROJECT, "node_modules/.cache/xcore-test");

/** How `xcore` is run from its sources. */
export const FROM_SOURCES: readonly string[] = [process.execPath, join(PROJECT, "src/index.ts")];

/** How tests run `xcore`: the executable that was built for them, if it is of these sources; it starts faster. */
export const XCORE: readonly string[] = await findCommand();

if (import.meta.main) await buildXcore();

async function findCommand(): Promise<readonly string[]> {
  await mkdir(BUILT, { recursive: true });
  const file = join(BUILT, await digestSources(), "xcore");
  return (await Bun.file(file).exists()) ? [file] : FROM_SOURCES;
}

/** Builds the executable for tests, unless it is there: `bun test/cli/xcore-command.ts`. @returns its path */
export async function buildXcore(): Promise<string> {
  const hash = await digestSources();
  const file = join(BUILT, hash, "xcore");
  if (await Bun.file(file).exists()) return file;
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
  return file;
}
