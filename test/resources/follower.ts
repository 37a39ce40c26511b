import { expect } from "bun:test";
import type { TestApp, TestUser } from "../setup.ts";

export interface Told {
  readonly event: string;
  readonly id: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- a test reads what it knows to be there
  readonly data: any;
}

/** A client of the stream of changes of deals. */
export class Follower implements AsyncDisposable {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly response: Response;
  readonly #abort: AbortController;
  #text = "";
  /** Of the last event. */
  lastId = "";

  private constructor(response: Response, abort: AbortController) {
    this.response = response;
    this.#abort = abort;
    this.#reader = response.body?.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  }

  static async open(app: TestApp, user: TestUser, query = "", lastId?: string): Promise<Follower> {
    const abort = new AbortController();
    const response = await app.fetch(`/crm/deals/changes${query.replaceAll(" ", "%20")}`, {
      headers: { ...user.headers, ...(lastId !== undefined && { "last-event-id": lastId }) },
      signal: abort.signal,
    });
    expect([response.status, response.headers.get("content-type")]).toEqual([
      200,
      "text/event-stream; charset=utf-8",
    ]);
    return new Follower(response, abort);
  }

  /** The next event; null at the end. */
  async next(): Promise<Told | null> {
    const end = this.#text.indexOf("\n\n");
    if (end === -1) {
      const { done, value } = await this.#reader.read();
      if (done) return null;
      this.#text += new TextDecoder().decode(value);
      return this.next();
    }
    const fields = new Map(
      this.#text
        .slice(0, end)
        .split("\n")
        .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)] as const),
    );
    this.#text = this.#text.slice(end + 2);
    this.lastId = fields.get("id") ?? this.lastId;
    const event = fields.get("event");
    if (event === undefined) return this.next();
    return { event, id: this.lastId, data: JSON.parse(fields.get("data") ?? "null") };
  }

  async nexts(count: number): Promise<[string, unknown][]> {
    const told: [string, unknown][] = [];
    // oxlint-disable-next-line no-await-in-loop -- in their order
    while (told.length < count) told.push(toShort(await this.next()));
    return told;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.#reader.closed.catch(() => {});
  }
}

function toShort(told: Told | null): [string, unknown] {
  if (told === null) return ["end", null];
  return [told.event, told.data.title ?? told.data.id ?? null];
}
