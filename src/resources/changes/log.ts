import type { Notice } from "./notices.ts";

/** How far somebody has read: by each process that has told of changes, the number of its last one. */
export type Position = ReadonlyMap<string, number>;

interface Entry {
  readonly from: string;
  readonly number: number;
  readonly notice: Notice;
}

interface Sender {
  /** The number of its earliest notice that is kept, and of its last. */
  first: number;
  last: number;
}

const LOSS = "loss-";
const MAX_ENTRIES = 5000;
const MAX_ID = 2000; // characters
const PART = /^([\w-]{1,40}):(\d{1,15})$/;

/** The latest changes of a table's rows, from which who comes back goes on. */
export class ChangeLog {
  readonly #entries: Entry[] = [];
  readonly #senders = new Map<string, Sender>();

  /** @param last number of the process's last notice before now */
  constructor(from: string, last: number) {
    this.meet(from, last);
  }

  /** Takes note of a process, and of how far it is; returns false where notices before are missing. */
  meet(from: string, last: number): boolean {
    const sender = this.#senders.get(from);
    if (sender === undefined) this.#senders.set(from, { first: last + 1, last });
    return sender === undefined || sender.last === last;
  }

  /** Forgets everything: whoever has read less than this has missed something. */
  clear(): void {
    this.#entries.length = 0;
    for (const sender of this.#senders.values()) sender.first = sender.last + 1;
    // What others have told meanwhile may be lost: a number that nobody has read.
    for (const from of this.#senders.keys()) if (from.startsWith(LOSS)) this.#senders.delete(from);
    this.#senders.set(`${LOSS}${crypto.randomUUID().slice(0, 8)}`, { first: 2, last: 1 });
  }

  /** Sets how far a process is, whatever was before. */
  jump(from: string, last: number): void {
    this.#senders.set(from, { first: last + 1, last });
  }

  /** Adds notices of a process, numbered on from `number`; returns false where some before them are missing. */
  add(from: string, number: number, notices: readonly Notice[]): boolean {
    const sender = this.#senders.get(from);
    if (sender !== undefined && number !== sender.last + 1) return false;
    const last = number + notices.length - 1;
    if (sender === undefined) this.#senders.set(from, { first: number, last });
    else sender.last = last;
    for (const [at, notice] of notices.entries()) this.#entries.push({ from, number: number + at, notice });
    for (const dropped of this.#entries.splice(0, this.#entries.length - MAX_ENTRIES))
      (this.#senders.get(dropped.from) as Sender).first = dropped.number + 1;
    return true;
  }

  /** Where it ends, as an event's id says it. */
  get end(): string {
    return [...this.#senders].map(([from, { last }]) => `${from}:${last}`).join(",");
  }

  /** What has been noted since; null where that isn't known. */
  since(position: Position): Notice[] | null {
    for (const from of position.keys()) if (!this.#senders.has(from)) return null;
    for (const [from, { first }] of this.#senders) if ((position.get(from) ?? 0) < first - 1) return null;
    return this.#entries
      .filter(({ from, number }) => number > (position.get(from) ?? 0))
      .map(({ notice }) => notice);
  }
}

/** Reads the id of an event; null for what is none. */
export function readPosition(id: string): Position | null {
  if (id.length > MAX_ID) return null;
  const position = new Map<string, number>();
  for (const part of id.split(",")) {
    const [, from, number] = PART.exec(part.trim()) ?? [];
    if (from === undefined) return null;
    position.set(from, Number(number));
  }
  return position;
}
