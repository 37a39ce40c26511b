import { join } from "node:path";

/** The project's docs/. build.ts puts its files into the executable, in place of this module. */
const DIRECTORY = join(import.meta.dir, "../../docs");

/** Reads the documents, as Markdown, by the names of their files. */
export async function readDocuments(): Promise<ReadonlyMap<string, string>> {
  const names = [...new Bun.Glob("*.md").scanSync(DIRECTORY)].toSorted();
  return new Map(
    await Promise.all(
      names.map(async (name) => [name, await Bun.file(join(DIRECTORY, name)).text()] as const),
    ),
  );
}
