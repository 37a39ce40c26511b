/** What rows of companies and jobs wait for, in whichever process: each asks by HTTP. */
export class Gate implements Disposable {
  readonly #opened = Promise.withResolvers<void>();
  readonly #reached = Promise.withResolvers<void>();
  readonly #server = Bun.serve({
    port: 0,
    idleTimeout: 0,
    fetch: async () => {
      this.#reached.resolve();
      await this.#opened.promise;
      return new Response("open");
    },
  });

  /** The resources of plugins/crm: the company of this name waits as it is made, and so does each job "hold". */
  toRun(name: string, more = ""): string {
    const wait = `fetch("${this.#server.url.href}")`;
    return `import { createRouter, hooks, jobs, resource } from "xcore";
import { companies, contacts, deals } from "./schema.ts";

jobs.define("hold", async () => void (await ${wait}));
hooks.on("crm.company.creating", async ({ data }) => {
  if (data.values.name === ${JSON.stringify(name)}) await ${wait};
}, { timeout_ms: 60_000 });

export default createRouter()
  .use(resource(companies, { history: true, ${more} }))
  .use(resource(contacts))
  .use(resource(deals));
`;
  }

  /** Resolves once one waits. */
  get reached(): Promise<void> {
    return this.#reached.promise;
  }

  open(): void {
    this.#opened.resolve();
  }

  [Symbol.dispose](): void {
    void this.#server.stop(true);
  }
}
