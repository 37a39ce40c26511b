import { AsyncLocalStorage } from "node:async_hooks";
import { DatabaseError } from "../contract/database-error.ts";
import type { Caller } from "../contract/driver.ts";

/** Nobody gives up sooner, and asking takes as long as a small query. */
const PATIENCE_MS = 20;

/**
 * Knows for whom code runs, so that what waited for its turn isn't begun for somebody who has given up, and has maybe
 * sent it again. Only the first write of a request is held back: refused later, it would be half done.
 */
export class Callers {
  readonly #storage = new AsyncLocalStorage<Caller>();

  /** Runs `work` for a caller. */
  run<Input, T>(caller: Caller, work: (input: Input) => T, input: Input): T {
    return this.#storage.run(caller, work, input);
  }

  /** For whom the code runs that asks; undefined for the server itself. */
  get current(): Caller | undefined {
    return this.#storage.getStore();
  }
}

/** Whether a write needn't be begun any more. */
export function isAbandoned(caller: Caller | undefined): boolean {
  if (caller === undefined || caller.hasWritten) return false;
  return performance.now() - caller.startedAt > PATIENCE_MS && caller.isGone();
}

/** @throws DatabaseError "abandoned" when a write needn't be begun any more */
export function assertWanted(caller: Caller | undefined): void {
  if (isAbandoned(caller)) throw abandoned();
}

/** What a write is refused with that nobody waits for. */
export function abandoned(): DatabaseError {
  return new DatabaseError("abandoned", "Cannot write: the client gave up before it was begun");
}

/** Notes that something was written for a caller. */
export function noteWritten(caller: Caller | undefined): void {
  if (caller !== undefined) caller.hasWritten = true;
}

/**
 * Runs a transaction, and has it rolled back where nobody waits for it at its end any more.
 *
 * @param transact begins it, and runs what it is given inside
 */
export function transactFor<Channel, T>(
  caller: Caller | undefined,
  transact: (work: (channel: Channel) => Promise<T>) => Promise<T>,
  work: (channel: Channel) => Promise<T>,
): Promise<T> {
  if (caller === undefined || caller.hasWritten) return transact(work);
  const isWritten = transact(async (channel) => {
    assertWanted(caller);
    const made = await work(channel);
    assertWanted(caller);
    return made;
  });
  return isWritten.then((result) => {
    noteWritten(caller);
    return result;
  });
}
