import { and, eq, gt, lte } from "drizzle-orm";
import { hashToken } from "../keys/opaque-tokens.ts";
import { steadyNow } from "../people/steady-clock.ts";
import type { CoreStore } from "../people/store.ts";

/** How what a browser presents begins: a ticket. */
export const TICKET_START = "xt_";
/** How long one is good for, in seconds. */
export const TICKET_SECONDS = 30;
/** The parameter of a URL that it is sent in. */
export const TICKET_PARAMETER = "ticket";

const RANDOM_BYTES = 24;

/**
 * Tickets, each of which opens one WebSocket or stream of events for a session: where a browser can send neither a
 * header nor a cookie. They are kept in the database, hashed: any instance may be asked, and of several at once one
 * takes it.
 */
export class Tickets {
  readonly #store: CoreStore;
  readonly #now: () => number;

  /** @param now in ms since the epoch */
  constructor(store: CoreStore, now: () => number = Date.now) {
    this.#store = store;
    this.#now = now;
  }

  /** Makes a ticket of a session. */
  async mint(sessionId: string): Promise<string> {
    const { db, tables } = this.#store;
    const random = crypto.getRandomValues(new Uint8Array(RANDOM_BYTES));
    const ticket = TICKET_START + Buffer.from(random).toString("base64url");
    const expires_at = new Date(this.#now() + TICKET_SECONDS * 1000);
    await db
      .insert(tables.sessionTickets)
      .values({ id: hashToken(ticket), session_id: sessionId, expires_at });
    return ticket;
  }

  /** Uses a ticket up. Returns its session, and whose that is; null for one that isn't good, or not any more. */
  async redeem(ticket: string): Promise<{ readonly sessionId: string; readonly userId: number } | null> {
    const { db, tables } = this.#store;
    const { sessionTickets, sessions } = tables;
    const id = hashToken(ticket);
    const [found] = await db
      .select({ sessionId: sessions.id, userId: sessions.user_id })
      .from(sessionTickets)
      .innerJoin(sessions, eq(sessions.id, sessionTickets.session_id))
      .where(and(eq(sessionTickets.id, id), gt(sessionTickets.expires_at, new Date(this.#now()))));
    if (found === undefined) return null;
    const { rowsAffected } = await db.delete(sessionTickets).where(eq(sessionTickets.id, id));
    return rowsAffected === 1 ? found : null;
  }

  /** Deletes those that nobody has used in time. */
  async purge(): Promise<void> {
    const { db, tables } = this.#store;
    const before = new Date(Math.min(this.#now(), steadyNow()));
    await db.delete(tables.sessionTickets).where(lte(tables.sessionTickets.expires_at, before));
  }
}
