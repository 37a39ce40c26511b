import type { Logger } from "pino";

/** What is lost, or found again. */
export interface Contact {
  /** The server as the log calls it: "Redis". */
  readonly product: string;
  /** Where it is, without credentials. */
  readonly server: string;
  /** What the connection is for, such as "cache". */
  readonly name: string;
}

/**
 * Whether servers are there, as all connections of a process have it: the log gets one line when the first of them finds its
 * server away, and one when all have it back.
 */
export class Presence {
  readonly #log: Logger;
  /** Connections without their server, by the server. */
  readonly #away = new Map<string, Set<object>>();

  constructor(log: Logger) {
    this.#log = log;
  }

  lose(connection: object, { product, server, name }: Contact, reason: string): void {
    const key = `${product} ${server}`;
    const away = this.#away.get(key) ?? new Set();
    const isFirst = away.size === 0;
    this.#away.set(key, away.add(connection));
    const fields = { server, connection: name, reason };
    if (isFirst) this.#log.warn(fields, `${product} is away: ${reason}; trying again`);
    else this.#log.debug(fields, `${product} is away for another connection`);
  }

  find(connection: object, { product, server }: Contact): void {
    if (this.#forget(connection, `${product} ${server}`)) this.#log.info({ server }, `${product} is back`);
  }

  /** Counts a connection no more that is closed. */
  leave(connection: object, { product, server }: Contact): void {
    this.#forget(connection, `${product} ${server}`);
  }

  /** Returns whether it was the last that was without its server. */
  #forget(connection: object, key: string): boolean {
    const away = this.#away.get(key);
    if (away?.delete(connection) !== true || away.size > 0) return false;
    this.#away.delete(key);
    return true;
  }
}
