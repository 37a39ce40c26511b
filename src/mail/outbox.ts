import { and, desc, eq, gt, inArray, lt, sql } from "drizzle-orm";
import type { Transaction } from "../db/contract/database.ts";
import type { CoreStore } from "../accounts/people/store.ts";
import type { MailRow, MailState } from "./contract/records.ts";

export type Tx = Transaction;
type NewRow = CoreStore["tables"]["mails"]["$inferInsert"];

const HOUR_MS = 3_600_000;
/** How many are looked after at once. */
const MOST = 500;

/** What has come of a try. */
export type MailEnd = Partial<Pick<MailRow, "response" | "error">> & {
  readonly state: Exclude<MailState, "waiting" | "sending">;
};

/** The mails in the database. Of all changes to one that waits or is sent, those of the job that it belongs to count. */
export class Outbox {
  readonly #store: CoreStore;

  constructor(store: CoreStore) {
    this.#store = store;
  }

  async insert(tx: Tx, rows: readonly NewRow[]): Promise<void> {
    await tx.insert(this.#mails).values([...rows]);
  }

  async find(id: string): Promise<MailRow | null> {
    const [row] = await this.#store.db.select().from(this.#mails).where(eq(this.#mails.id, id));
    return row ?? null;
  }

  /** All that there are, in the order in which they were sent. */
  listAll(): Promise<MailRow[]> {
    return this.#store.db.select().from(this.#mails).orderBy(this.#mails.id);
  }

  /** Whether any mail wants to be worked on. */
  async isAnyOpen(): Promise<boolean> {
    const { id, state } = this.#mails;
    const open = inArray(state, ["waiting", "sending"]);
    const [row] = await this.#store.db.select({ id }).from(this.#mails).where(open).limit(1);
    return row !== undefined;
  }

  /**
   * Notes, before a server may take a mail, that it may have: whoever finds it so doesn't send it again. Mails to one recipient are
   * noted one after the other, on whichever instance.
   *
   * @param most how many its recipient may have had within the hour; null for any
   * @returns "gone" where it doesn't belong to the job any more, or is sent already; "full" where there were as many
   */
  claim(mail: MailRow, most: number | null): Promise<"claimed" | "full" | "gone"> {
    const { db } = this.#store;
    if (most === null) return this.#claim(db, mail);
    const { recipient } = mail;
    const { id, recipient: to } = this.#mails;
    const work = async (tx: Tx) => {
      // Any row that all of them find, and which none of them changes into another.
      await tx.select({ id }).from(this.#mails).where(eq(to, recipient)).orderBy(id).limit(1).for("update");
      const late = await this.sentOfLate(recipient, most, tx);
      return late.length < most ? this.#claim(tx, mail) : "full";
    };
    return db.transaction(work, { isolation: "read committed", retries: 3 });
  }

  async #claim(
    db: Pick<Tx, "update">,
    { id, job_id: jobId, attempts }: MailRow,
  ): Promise<"claimed" | "gone"> {
    const { rowsAffected } = await db
      .update(this.#mails)
      .set({ state: "sending", claimed_at: new Date(), attempts: attempts + 1 })
      .where(and(this.#held(id, jobId), eq(this.#mails.state, "waiting")));
    return rowsAffected === 1 ? "claimed" : "gone";
  }

  /** Notes how a mail has ended. What was sent isn't kept. */
  async end({ id, job_id: jobId }: MailRow, end: MailEnd): Promise<void> {
    await this.#store.db
      .update(this.#mails)
      .set({
        error: null,
        due_at: null,
        ended_at: new Date(),
        ...end,
        ...(end.state === "sent" && { content: null }),
      })
      .where(this.#held(id, jobId));
  }

  /** Gives a mail that hasn't ended to another job; false where it doesn't belong to the present one any more. */
  async handOver(
    tx: Tx,
    { id, job_id: jobId }: MailRow,
    next: Pick<MailRow, "job_id" | "due_at" | "attempts"> & Partial<Pick<MailRow, "error">>,
  ): Promise<boolean> {
    const open = inArray(this.#mails.state, ["waiting", "sending"]);
    const { rowsAffected } = await tx
      .update(this.#mails)
      .set({ state: "waiting", ...next })
      .where(and(this.#held(id, jobId), open));
    return rowsAffected === 1;
  }

  /** Has a mail sent that somebody asks for, from these states. */
  async reopen(
    tx: Tx,
    id: string,
    { from, jobId }: { from: readonly MailState[]; jobId: string },
  ): Promise<boolean> {
    const { rowsAffected } = await tx
      .update(this.#mails)
      .set({
        state: "waiting",
        job_id: jobId,
        attempts: 0,
        error: null,
        due_at: null,
        ended_at: null,
        claimed_at: null,
        expires_at: null,
      })
      .where(and(eq(this.#mails.id, id), inArray(this.#mails.state, [...from])));
    return rowsAffected === 1;
  }

  async cancel(id: string): Promise<boolean> {
    const { rowsAffected } = await this.#store.db
      .update(this.#mails)
      .set({ state: "cancelled", due_at: null, ended_at: new Date() })
      .where(and(eq(this.#mails.id, id), eq(this.#mails.state, "waiting")));
    return rowsAffected === 1;
  }

  /** When a recipient was last sent mails within the hour, the latest first, at most so many. */
  async sentOfLate(
    recipient: string,
    most: number,
    db: Pick<Tx, "select"> = this.#store.db,
  ): Promise<Date[]> {
    const { claimed_at: at } = this.#mails;
    const rows = await db
      .select({ at })
      .from(this.#mails)
      .where(and(eq(this.#mails.recipient, recipient), gt(at, new Date(Date.now() - HOUR_MS))))
      .orderBy(desc(at))
      .limit(most);
    return rows.flatMap(({ at: one }) => one ?? []);
  }

  /** The languages that accounts with these addresses have chosen. */
  async languagesOf(tx: Tx, emails: readonly string[]): Promise<Map<string, string>> {
    const { email, language } = this.#store.tables.users;
    const rows = await tx
      .select({ email, language })
      .from(this.#store.tables.users)
      .where(inArray(email, [...emails]));
    return new Map(
      rows.flatMap((row) => (row.language === null ? [] : [[row.email, row.language] as const])),
    );
  }

  /** Those that have waited for long behind their time: the job that they belong to may be gone. */
  listOverdue(): Promise<MailRow[]> {
    const { state, id, due_at: due, created_at: created } = this.#mails;
    const late = lt(sql`coalesce(${due}, ${created})`, sql.param(new Date(Date.now() - HOUR_MS), created));
    return this.#store.db
      .select()
      .from(this.#mails)
      .where(and(eq(state, "waiting"), late))
      .orderBy(id)
      .limit(MOST);
  }

  /** Ends what has been sent for long without a word. */
  async giveUpSilent(error: string): Promise<void> {
    const { state, claimed_at: at } = this.#mails;
    await this.#store.db
      .update(this.#mails)
      .set({ state: "unknown", error, ended_at: new Date() })
      .where(and(eq(state, "sending"), lt(at, new Date(Date.now() - HOUR_MS))));
  }

  /** Deletes what had ended by then. */
  async purge(before: Date): Promise<void> {
    await this.#store.db.delete(this.#mails).where(lt(this.#mails.ended_at, before));
  }

  #held(id: string, jobId: string | null) {
    return and(eq(this.#mails.id, id), jobId === null ? sql`1 = 0` : eq(this.#mails.job_id, jobId));
  }

  get #mails() {
    return this.#store.tables.mails;
  }
}
