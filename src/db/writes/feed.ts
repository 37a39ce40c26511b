import { isCommit, type StatementEffect, toEffect } from "./statement-effects.ts";
import type { OnTablesWritten, TableWrite } from "../contract/driver.ts";

/** Tells what this process commits. While nobody listens, no statement is looked at. */
export class WriteFeed {
  readonly #listeners = new Set<OnTablesWritten>();

  get isHeard(): boolean {
    return this.#listeners.size > 0;
  }

  listen(listener: OnTablesWritten): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Runs what may change any table, such as migrations. */
  async around<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } finally {
      this.publish([null]);
    }
  }

  publish(writes: readonly (TableWrite | null)[]): void {
    if (writes.length === 0) return;
    const known = writes.filter((write) => write !== null);
    for (const listener of this.#listeners) listener(known.length === writes.length ? known : null);
  }
}

/** Follows the statements of one connection from transaction to transaction. */
export class WriteTracker {
  readonly #feed: WriteFeed;
  /** What the open transaction has written, and each savepoint in it; null stands for what can't be told. */
  #levels: (TableWrite | null)[][] = [];

  constructor(feed: WriteFeed) {
    this.#feed = feed;
  }

  get isHeard(): boolean {
    return this.#feed.isHeard;
  }

  /** Notes a statement that has run. @param isInTransaction whether one is open after it */
  noteRun(sql: string, isInTransaction: boolean): void {
    this.#note(toEffect(sql), isInTransaction);
  }

  /** Notes a statement that has failed. @param isInTransaction whether one is still open */
  noteFailure(isInTransaction: boolean): void {
    if (!isInTransaction) this.#levels = [];
  }

  /** Notes a statement whose answer was lost, with the connection. */
  noteLoss(sql: string, isInTransaction: boolean): void {
    if (!isInTransaction || isCommit(sql)) this.#note(toEffect(sql), false);
    this.#levels = [];
  }

  #note(effect: StatementEffect, isInTransaction: boolean): void {
    switch (effect) {
      case "begin":
        this.#levels = [[]];
        break;
      case "savepoint":
        this.#levels.push([]);
        break;
      case "release":
        this.#release();
        break;
      case "undo savepoint":
        this.#levels.splice(-1, 1, []);
        break;
      case "rollback":
        this.#levels = [];
        break;
      case "commit":
        this.#publish(this.#levels.flat());
        break;
      default:
        this.#noteWrites(effect, isInTransaction);
    }
  }

  #noteWrites(writes: readonly (TableWrite | null)[], isInTransaction: boolean): void {
    if (!isInTransaction) {
      this.#publish(writes);
    } else if (writes.length > 0) {
      // One that began before anybody listened may have written anything.
      if (this.#levels.length === 0) this.#levels.push([null]);
      this.#levels.at(-1)?.push(...writes);
    }
  }

  #release(): void {
    const released = this.#levels.pop() ?? [];
    if (this.#levels.length === 0) this.#levels.push([null]);
    this.#levels.at(-1)?.push(...released);
  }

  #publish(writes: readonly (TableWrite | null)[]): void {
    this.#levels = [];
    this.#feed.publish(writes);
  }
}
