import { DatabaseError } from "../contract/database-error.ts";
import type { EventLoopTurn } from "./event-loop-turn.ts";

interface Waiter {
  readonly since: number;
  resolve(): void;
  reject(error: DatabaseError): void;
}

/**
 * Lets one writer of this process at a time to the database, in the order in which they came. A writer that
 * waits longer than `waitMs` gets a DatabaseError "busy", so that a transaction that never ends doesn't stop all others
 * silently.
 */
export class WriterLock {
  readonly #turn: EventLoopTurn;
  readonly #waitMs: number;
  /** How often the lock has been released. */
  releases = 0;
  readonly #waiters = new Set<Waiter>();
  #isHeld = false;
  /** Null while a single statement holds the lock: reading the clock would take a part of its time that counts. */
  #heldSince: number | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(turn: EventLoopTurn, waitMs: number) {
    this.#turn = turn;
    this.#waitMs = waitMs;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Takes the lock when it is free and the turn hasn't been long; after `true` the caller must call `release()`. */
  tryAcquire(): boolean {
    if (this.#isHeld || this.#turn.isLong()) return false;
    this.#isHeld = true;
    this.#heldSince = null;
    return true;
  }

  /** Resolves when the lock is the caller's, who must call `release()`. @throws DatabaseError "busy" */
  acquire(): Promise<void> {
    if (this.tryAcquire()) {
      this.#heldSince = performance.now();
      return Promise.resolve();
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiters.add({ since: performance.now(), resolve, reject });
    if (!this.#isHeld) {
      this.#isHeld = true;
      setImmediate(() => this.#grant());
    }
    this.#watch();
    return promise;
  }

  /** Hands the lock to the writer that has waited longest. */
  release(): void {
    this.releases += 1;
    if (this.#waiters.size === 0) this.#isHeld = false;
    else if (this.#turn.isLong()) setImmediate(() => this.#grant());
    else this.#grant();
  }

  #grant(): void {
    const [waiter] = this.#waiters;
    if (waiter === undefined) {
      this.#isHeld = false;
      return;
    }
    this.#waiters.delete(waiter);
    this.#heldSince = performance.now();
    waiter.resolve();
  }

  /** One timer does for all waiters: they wait equally long, so their time is over in their order. */
  #watch(): void {
    const [first] = this.#waiters;
    if (this.#timer !== null || first === undefined) return;
    const leftMs = first.since + this.#waitMs - performance.now();
    this.#timer = setTimeout(() => this.#expire(), Math.max(leftMs, 1));
    this.#timer.unref();
  }

  #expire(): void {
    this.#timer = null;
    const now = performance.now();
    for (const waiter of this.#waiters) {
      if (now - waiter.since < this.#waitMs) break;
      this.#waiters.delete(waiter);
      waiter.reject(this.#toBusy(now));
    }
    this.#watch();
  }

  #toBusy(now: number): DatabaseError {
    const waited = `Cannot write to the database: waited ${toSeconds(this.#waitMs)} s`;
    // A single statement takes its time only while another process has locked the file.
    if (this.#heldSince === null) {
      return new DatabaseError("busy", `${waited} for a write that waits for another process`);
    }
    const held = toSeconds(now - this.#heldSince);
    return new DatabaseError(
      "busy",
      `${waited}, and the transaction before it has been open for ${held} s; await nothing slow inside a transaction`,
    );
  }
}

function toSeconds(ms: number): string {
  return String(Math.round(ms / 100) / 10);
}
