import type { Transaction } from "../../db/contract/database.ts";
import type { Origin } from "../identity/principal.ts";
import { linkInvalid } from "../links/links.ts";
import { findAccount, lockUser } from "../people/users.ts";
import { takeBack, type TakenBack, type TakingBack } from "../recovery/taking-back.ts";
import { lockAdministration } from "../rights/builtin-roles.ts";
import type { ProvenEmail } from "./verification.ts";

/** Tells what a link would do, which changes nothing. @throws AppError link_invalid */
export async function readUndo({ links }: Pick<TakingBack, "links">, token: string): Promise<ProvenEmail> {
  const { data } = await links.find("undo_email_change", token);
  return { email: data["email"] ?? "" };
}

/**
 * Gives an account the email back that it had before a change. Somebody else may have been in: all sessions end, keys and
 * factors that were made since are gone, and nobody is let in until another password is set by mail.
 *
 * @throws AppError link_invalid
 */
export async function undoChange(options: TakingBack, token: string, origin: Origin): Promise<TakenBack> {
  const { store, links } = options;
  const { userId } = await links.find("undo_email_change", token);
  const undo = async (tx: Transaction): Promise<TakenBack> => {
    // Roles may go with what is unlinked.
    await lockAdministration(tx, store.tables);
    await lockUser(tx, store.tables, userId);
    const { createdAt, data } = await links.take(tx, "undo_email_change", token);
    const account = await findAccount({ db: tx, tables: store.tables }, userId);
    if (account === null) throw linkInvalid();
    const { email = account.email, unproven } = data;
    const action = "user.email_change_undone";
    return takeBack(options, tx, account, {
      email,
      mailedAt: createdAt,
      wasProven: unproven === undefined,
      since: createdAt,
      origin,
      action,
    });
  };
  return store.db.transaction(undo, { isolation: "read committed", retries: 3 });
}
