import { readThreadCode } from "./thread-code.ts";

type Reply = { readonly css: string } | { readonly problem: string };

/**
 * Compiles the stylesheet for these classes, in a thread that ends with it: requests are answered meanwhile, and what it
 * needs of memory is given back.
 *
 * @throws Error with what the compiler says
 */
export async function compileStylesheet(candidates: readonly string[]): Promise<string> {
  const url = URL.createObjectURL(new Blob([await readThreadCode()], { type: "text/javascript" }));
  const worker = new Worker(url, { ref: false });
  try {
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    worker.addEventListener("message", ({ data }: MessageEvent<Reply>) => resolve(data));
    worker.addEventListener("error", ({ message }) => reject(new Error(message)));
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has none
    worker.postMessage(candidates);
    const reply = await promise;
    if ("css" in reply) return reply.css;
    throw new Error(`Cannot compile the stylesheet: ${reply.problem}`);
  } finally {
    worker.terminate();
    URL.revokeObjectURL(url);
  }
}
