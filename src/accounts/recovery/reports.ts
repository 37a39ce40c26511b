import { eq } from "drizzle-orm";
import type { Transaction } from "../../db/contract/database.ts";
import type { Origin } from "../identity/principal.ts";
import { type Link, linkInvalid } from "../links/links.ts";
import type { CoreStore } from "../people/store.ts";
import { findAccount, lockUser } from "../people/users.ts";
import { lockAdministration } from "../rights/builtin-roles.ts";
import { takeBack, type TakenBack, type TakingBack } from "./taking-back.ts";

/** Databases keep times to the second at the worst. */
const SECOND_MS = 1000;

/** Tells whose account a link of a notice is about; changes nothing. @throws AppError link_invalid */
export async function readReport(
  { store, links }: Pick<TakingBack, "store" | "links">,
  token: string,
): Promise<{ readonly email: string }> {
  const link = await links.find("report_change", token);
  const account = await findAccount(store, link.userId);
  if (account === null) throw linkInvalid();
  return { email: link.data["email"] ?? account.email };
}

/**
 * Locks an account whose owner says of a notice that it wasn't them: all sessions end, what was made since by whoever it was ends
 * too, and nobody is let in until its owner has set another password by mail, or an administrator unlocks it. An email that was
 * changed since the notice is put back: the mail must reach its owner.
 *
 * @throws AppError link_invalid
 */
export async function reportChange(options: TakingBack, token: string, origin: Origin): Promise<TakenBack> {
  const { store, links } = options;
  const { db, tables } = store;
  const { userId } = await links.find("report_change", token);
  return db.transaction(
    async (tx) => {
      // Roles may go with what is unlinked.
      await lockAdministration(tx, tables);
      await lockUser(tx, tables, userId);
      const link = await links.take(tx, "report_change", token);
      const account = await findAccount({ db: tx, tables }, userId);
      if (account === null) throw linkInvalid();
      return takeBack(options, tx, account, {
        email: link.data["email"] ?? account.email,
        mailedAt: link.createdAt,
        wasProven: link.data["unproven"] === undefined,
        since: await findBeginning(tx, store, link),
        origin,
        action: "user.change_reported",
      });
    },
    { isolation: "read committed", retries: 3 },
  );
}

/** When the session began that a notice is about, and otherwise when it was sent: nothing before that is of the stranger. */
async function findBeginning(
  tx: Transaction,
  { tables }: CoreStore,
  { createdAt, data }: Link,
): Promise<Date> {
  const { sessions } = tables;
  const id = data["session"];
  const [session] =
    id === undefined
      ? []
      : await tx.select({ at: sessions.created_at }).from(sessions).where(eq(sessions.id, id));
  const begun = Math.min(createdAt.getTime(), session?.at.getTime() ?? Infinity);
  return new Date(begun - SECOND_MS);
}
