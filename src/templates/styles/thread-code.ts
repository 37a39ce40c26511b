import { join } from "node:path";

/**
 * Returns the code of the thread that compiles stylesheets, with all that it imports. In the executable it is a compressed
 * file: build.ts puts a module that reads it in the place of this one.
 */
export async function readThreadCode(): Promise<string> {
  const { outputs } = await Bun.build({
    entrypoints: [join(import.meta.dir, "thread.ts")],
    target: "bun",
    minify: true,
  });
  return (await outputs[0]?.text()) ?? "";
}
