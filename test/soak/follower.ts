import type { Person } from "./person.ts";

const RETRY_MS = 100;

/** Follows the changes of notes at one instance, and comes back where its stream ends, as a browser does. */
export class Follower {
  /** Notes of which it was told, by id. */
  readonly told = new Set<number>();
  /** When it was last told to load all anew, as `performance.now()` says it: what was before it knows from there. */
  resetAt = 0;
  readonly #person: Person;
  readonly #abort = new AbortController();
  #lastId: string | null = null;

  constructor(person: Person) {
    this.#person = person;
    void this.#follow();
  }

  stop(): void {
    this.#abort.abort();
  }

  async #follow(): Promise<void> {
    while (!this.#abort.signal.aborted) {
      try {
        await this.#read();
      } catch {
        // The stream was cut off: it comes back.
      }
      await Bun.sleep(RETRY_MS);
    }
  }

  async #read(): Promise<void> {
    const token = (await this.#person.logIn()) ?? "";
    const response = await fetch(`${this.#person.instance.url}/soak/notes/changes`, {
      headers: {
        authorization: `Bearer ${token}`,
        ...(this.#lastId !== null && { "last-event-id": this.#lastId }),
      },
      signal: this.#abort.signal,
    });
    if (!response.ok) return;
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of response.body ?? []) {
      const events = (text + decoder.decode(chunk, { stream: true })).split("\n\n");
      text = events.pop() ?? "";
      for (const event of events) this.#hear(event);
    }
  }

  #hear(event: string): void {
    const fields = new Map(event.split("\n").map((line) => line.split(/: ?(.*)/s, 2) as [string, string]));
    this.#lastId = fields.get("id") ?? this.#lastId;
    const name = fields.get("event");
    if (name === "reset" || (name === "ready" && this.resetAt === 0)) this.resetAt = performance.now();
    if (name !== "created" && name !== "updated" && name !== "deleted") return;
    const { id } = JSON.parse(fields.get("data") ?? "{}") as { id: number };
    this.told.add(id);
  }
}
