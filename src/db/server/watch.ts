import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "pino";
import type { ServerConnection } from "./connection.ts";
import { type ServerPlace, unreachable } from "./faults.ts";

export interface WatchOptions<C extends ServerConnection> {
  readonly connections: Iterable<C>;
  /** Opens one more, beside those. */
  readonly open: () => Promise<C>;
  /** How long a server may owe the answer to a statement, in ms. */
  readonly timeoutMs: number;
  readonly server: ServerPlace;
  readonly log: Logger;
}

const TICK_MS = 500;
const SUSPICIOUS_MS = 2000;
const BETWEEN_LOOKS_MS = 300;
const LOOK_MS = 5000;

/**
 * Sees to it that every statement ends. One that is owed an answer for longer than it may take loses its connection:
 * the server's own limit doesn't help where its packets don't arrive.
 *
 * One that is owed an answer for two seconds is asked for over another connection: where the server, twice, says that it
 * has been running nothing there, query or answer got lost on the way, and nothing is left to wait for.
 */
export class ConnectionWatch<C extends ServerConnection> {
  readonly #options: WatchOptions<C>;
  #timer: NodeJS.Timeout | null = null;
  #isLooking = false;

  constructor(options: WatchOptions<C>) {
    this.#options = options;
  }

  /** Watches for as long as connections are in use. */
  start(): void {
    if (this.#timer === null) this.#wake(Math.min(TICK_MS, this.#options.timeoutMs));
  }

  #wake(afterMs: number): void {
    this.#timer = setTimeout(() => this.#tick(), Math.max(1, afterMs));
    this.#timer.unref();
  }

  #tick(): void {
    this.#timer = null;
    const { connections, timeoutMs } = this.#options;
    const now = performance.now();
    const suspects = new Map<C, number>();
    let nextMs = Math.min(TICK_MS, timeoutMs);
    let isInUse = false;
    for (const connection of connections) {
      const since = connection.waitingSince;
      isInUse ||= connection.idleSince === 0;
      if (since === null) continue;
      const leftMs = since + timeoutMs - now;
      if (leftMs <= 0) {
        this.#giveUp(connection, `it didn't answer within ${Math.ceil(timeoutMs / 100) / 10} s`);
        continue;
      }
      nextMs = Math.min(nextMs, leftMs);
      if (now - since >= SUSPICIOUS_MS && connection.serverId !== null) suspects.set(connection, since);
    }
    if (suspects.size > 0 && !this.#isLooking) void this.#look(suspects);
    if (isInUse) this.#wake(nextMs);
  }

  #giveUp(connection: C, reason: string): void {
    const { server, log } = this.#options;
    const loss = unreachable(server, reason);
    log.warn(`${loss.message}; the connection was given up`);
    connection.lose(loss);
  }

  /** @param suspects and since when each owes an answer */
  async #look(suspects: ReadonlyMap<C, number>): Promise<void> {
    try {
      const prober = await this.#options.open();
      const late = unreachable(this.#options.server, "it doesn't answer");
      const timer = setTimeout(() => prober.lose(late), LOOK_MS);
      try {
        // Several may be on their way where packets are lost: the first that comes through looks.
        if (!this.#isLooking) await this.#loseForgotten(prober, suspects);
        await prober.end();
      } finally {
        clearTimeout(timer);
        prober.lose(late);
      }
    } catch {
      // A server that can't be asked is asked again; the statements have their limit.
    }
  }

  async #loseForgotten(prober: C, suspects: ReadonlyMap<C, number>): Promise<void> {
    const ids = [...suspects.keys()].flatMap(({ serverId }) => serverId ?? []);
    const [before, after] = await this.#lookTwice(prober, ids);
    for (const [connection, since] of suspects) {
      const id = connection.serverId ?? 0;
      const [idle = 0, stillIdle = 0] = [before.get(id), after.get(id)];
      if (idle < 1 || stillIdle < idle || connection.waitingSince !== since) continue;
      this.#giveUp(connection, "a query or its answer was lost on the way");
      // It may hold locks, and never learn that nobody is there any more.
      // oxlint-disable-next-line no-await-in-loop -- one connection
      await prober.terminate(id);
    }
  }

  /** A server that was stopped may not have read yet what it was sent. */
  async #lookTwice(prober: C, ids: readonly number[]) {
    this.#isLooking = true;
    try {
      const before = await prober.findIdle(ids);
      await pause(BETWEEN_LOOKS_MS, undefined, { ref: false });
      return [before, await prober.findIdle(ids)] as const;
    } finally {
      this.#isLooking = false;
    }
  }
}
