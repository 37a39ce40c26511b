import { fail } from "../errors/codes.ts";
import type { AppError } from "../errors/errors.ts";

/** Bytes of forms that are in memory before others wait. */
const ROOM = 104_857_600;
const PATIENCE_MS = 30_000;
const LOOK_EVERY_MS = 1000;
/** How long a form may take, in ms, before it has to come fast enough where others wait. */
const MIN_AGE_MS = 10_000;
/** Bytes in a ms. */
const MIN_RATE = 64;

/** A form from its first byte until its request has been answered. */
interface Turn {
  /** Bytes that are there. */
  held: number;
  /** Ends it while it comes; null once it is there. */
  giveWay: ((error: AppError) => void) | null;
  /** When it began to come, or to go on, in ms. */
  since: number;
  /** Bytes that were there by then. */
  before: number;
  isAnswered: boolean;
}

export interface FormTurnsOptions {
  /** Bytes of forms in memory before others wait. @default 100 MB */
  readonly room?: number;
  /** How long one waits, in ms. @default 30 seconds */
  readonly patienceMs?: number;
  /** In ms. @default the time since the process has started */
  readonly now?: () => number;
}

/**
 * Lets large forms into memory in turn: a form is held as a whole, until its request has been answered. What waits isn't read, so that
 * its client waits too. The first of all goes on in any case, so that there is always one that can end.
 */
export class FormTurns {
  readonly #turns = new Map<Request, Turn>();
  /** In the order in which they began. */
  readonly #inside = new Set<Turn>();
  readonly #waiting = new Map<Turn, PromiseWithResolvers<void>>();
  readonly #options: Required<FormTurnsOptions>;
  #held = 0;
  #looking: Timer | null = null;

  constructor({
    room = ROOM,
    patienceMs = PATIENCE_MS,
    now = () => performance.now(),
  }: FormTurnsOptions = {}) {
    this.#options = { room, patienceMs, now };
  }

  /** Requests with a large form that haven't been answered. */
  get size(): number {
    return this.#turns.size;
  }

  /** Bytes of forms that are held now. */
  get held(): number {
    return this.#held;
  }

  /**
   * Returns a request whose form comes as there is room for it; it has to be told of by `leave` when it is answered. Reading it fails
   * with payload_too_large past `limit` bytes, and with bodies_too_slow when it has waited for 30 seconds, or when others wait and
   * it comes, after 10 seconds, at less than 64 KB/s.
   */
  take(request: Request, body: ReadableStream<Uint8Array>, limit: number): Request {
    const turn = { held: 0, giveWay: null, since: 0, before: 0, isAnswered: false };
    const taken = new Request(request, { method: request.method, body: this.#pass(turn, body, limit) });
    this.#turns.set(taken, turn);
    return taken;
  }

  /** Gives back the room of a request that has been answered. */
  leave(request: Request): void {
    const turn = this.#turns.get(request);
    if (turn === undefined) return;
    this.#turns.delete(request);
    turn.isAnswered = true;
    this.#inside.delete(turn);
    this.#held -= turn.held;
    this.#waiting.get(turn)?.resolve();
    this.#admit();
  }

  /** Ends the first of the forms that come too slowly. */
  makeWay(): void {
    const now = this.#options.now();
    const slow = [...this.#inside].find((turn) => {
      const age = now - turn.since;
      const isComing = turn.giveWay !== null && !this.#waiting.has(turn);
      return isComing && age >= MIN_AGE_MS && turn.held - turn.before < age * MIN_RATE;
    });
    slow?.giveWay?.(noRoom());
  }

  #pass(turn: Turn, body: ReadableStream<Uint8Array>, limit: number): ReadableStream<Uint8Array> {
    const reader = body.getReader();
    const refuse = (controller: ReadableStreamDefaultController, error: unknown): void => {
      turn.giveWay = null;
      controller.error(error);
      void reader.cancel().catch(() => {});
    };
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          try {
            if (!this.#inside.has(turn)) this.#begin(turn, (error) => refuse(controller, error));
            if (!this.#mayGoOn(turn)) await this.#wait(turn);
            const { done, value } = await reader.read();
            if (turn.giveWay === null) return; // it has given way
            if (done) {
              turn.giveWay = null;
              return controller.close();
            }
            if (turn.held + value.byteLength > limit) throw tooLarge(limit);
            turn.held += value.byteLength;
            if (!turn.isAnswered) this.#held += value.byteLength;
            controller.enqueue(value);
          } catch (error) {
            refuse(controller, error);
          }
        },
        cancel: (reason) => {
          turn.giveWay = null;
          return reader.cancel(reason);
        },
      },
      { highWaterMark: 0 }, // what nobody reads isn't held
    );
  }

  #begin(turn: Turn, giveWay: (error: AppError) => void): void {
    turn.giveWay = giveWay;
    if (turn.isAnswered) return;
    turn.since = this.#options.now();
    this.#inside.add(turn);
  }

  #mayGoOn(turn: Turn): boolean {
    if (turn.isAnswered || this.#held < this.#options.room) return true;
    const [first] = this.#inside;
    return turn === first;
  }

  async #wait(turn: Turn): Promise<void> {
    const waiter = Promise.withResolvers<void>();
    this.#waiting.set(turn, waiter);
    const timeout = setTimeout(() => waiter.reject(noRoom()), this.#options.patienceMs);
    this.#looking ??= setInterval(() => this.makeWay(), LOOK_EVERY_MS);
    try {
      await waiter.promise;
      turn.since = this.#options.now();
      turn.before = turn.held;
    } finally {
      clearTimeout(timeout);
      this.#waiting.delete(turn);
      if (this.#waiting.size === 0) {
        clearInterval(this.#looking);
        this.#looking = null;
      }
    }
  }

  #admit(): void {
    for (const [turn, { resolve }] of this.#waiting) {
      if (this.#mayGoOn(turn)) resolve();
    }
  }
}

export function tooLarge(limit: number): AppError {
  return fail("payload_too_large", `Cannot take the body: it is larger than ${limit} bytes`, {
    headers: { connection: "close" },
  });
}

export function noRoom(): AppError {
  return fail("bodies_too_slow", "Cannot take the body: too many others are under way; try again", {
    headers: { connection: "close", "retry-after": "10" },
  });
}
