import { computeIntegrity } from "../../../src/plugins/snapshot/integrity.ts";

type Answer = (request: Request) => Response | Promise<Response>;

/** A web server of a plugin's author: answers with files, and as else a test wants it to. */
export class PluginHost implements AsyncDisposable {
  readonly #server: Bun.Server<unknown>;
  /** What is answered, by path: "/crm/plugin.json". */
  readonly answers = new Map<string, string | object | Answer>();
  /** Paths that were asked for, in order. */
  readonly requests: string[] = [];

  constructor(answers: Readonly<Record<string, string | object | Answer>> = {}) {
    this.add(answers);
    this.#server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      idleTimeout: 0,
      fetch: (request) => {
        const { pathname } = new URL(request.url);
        this.requests.push(pathname);
        const answer = this.answers.get(pathname);
        if (answer === undefined) return new Response("not found", { status: 404 });
        if (typeof answer === "function") return (answer as Answer)(request);
        return new Response(typeof answer === "string" ? answer : JSON.stringify(answer));
      },
    });
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  url(path: string): string {
    return this.origin + path;
  }

  add(answers: Readonly<Record<string, string | object | Answer>>): void {
    for (const [path, answer] of Object.entries(answers)) this.answers.set(path, answer);
  }

  /** Puts a plugin's files below a folder; returns the entry of config.json that pins it. */
  publish(
    folder: string,
    files: Readonly<Record<string, string | object>>,
    entry = "plugin.json",
  ): { url: string; integrity: string } {
    const texts = Object.entries(files).map(([name, content]): [string, string] => [
      name,
      typeof content === "string" ? content : JSON.stringify(content),
    ]);
    this.add(Object.fromEntries(texts.map(([name, text]) => [`${folder}/${name}`, text])));
    const bytes = new Map(texts.map(([name, text]) => [name, new TextEncoder().encode(text)]));
    const integrity = computeIntegrity({ entry, files: bytes, redirects: new Map() });
    return { url: this.url(`${folder}/${entry}`), integrity };
  }

  async stop(): Promise<void> {
    await this.#server.stop(true);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
