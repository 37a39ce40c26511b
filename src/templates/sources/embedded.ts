import { join } from "node:path";

/** The project's templates/. build.ts puts its files into the executable, in place of this module. */
const DIRECTORY = join(import.meta.dir, "../../../templates");

/** Reads the templates that xcore brings, by their names. */
export async function readEmbedded(): Promise<ReadonlyMap<string, string>> {
  const { readTemplates } = await import("./disk.ts");
  return readTemplates(DIRECTORY);
}
