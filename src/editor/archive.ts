import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { collectDeclarations } from "./declarations.ts";
import { packDeclarations } from "./packed-declarations.ts";

const PROJECT = join(import.meta.dir, "../..");
const CACHE = join(PROJECT, "node_modules/.cache/xcore-types");

/**
 * Returns the packed declarations. In the executable they are a file of its own: build.ts puts a module that reads it
 * in the place of this one, which makes them anew whenever a source has changed.
 */
export async function readArchive(): Promise<Uint8Array> {
  const kept = join(CACHE, `${await hashSources()}.zst`);
  if (await Bun.file(kept).exists()) return Bun.file(kept).bytes();
  const packed = await packDeclarations(await collectDeclarations());
  await mkdir(CACHE, { recursive: true });
  const written = `${kept}.${crypto.randomUUID()}`;
  await Bun.write(written, packed);
  await rename(written, kept);
  return packed;
}

/** Digest of all that the declarations are made from. */
async function hashSources(): Promise<string> {
  const names = [...new Bun.Glob("src/**/*.ts").scanSync(PROJECT), "bun.lock", "tsconfig.json"].toSorted();
  const texts = await Promise.all(names.map((name) => Bun.file(join(PROJECT, name)).text()));
  const hasher = new Bun.CryptoHasher("sha256");
  for (const [index, name] of names.entries()) hasher.update(`${name}\0${texts[index]}\0`);
  return hasher.digest("hex").slice(0, 32);
}
