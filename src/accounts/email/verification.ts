import { eq } from "drizzle-orm";
import type { Transaction } from "../../db/contract/database.ts";
import type { Origin } from "../identity/principal.ts";
import { isUnlocked } from "../identity/standing.ts";
import { type AccountLinks, linkInvalid } from "../links/links.ts";
import { writeAudit } from "../people/audit.ts";
import { parseEmail } from "../people/emails.ts";
import type { SendMail } from "../people/send-mail.ts";
import type { CoreStore } from "../people/store.ts";
import { type Account, findAccount, findAccountByEmail, lockUser } from "../people/users.ts";

export interface EmailServices {
  readonly store: CoreStore;
  readonly links: AccountLinks;
  readonly sendMail: SendMail;
  /** Present time, in ms. @default Date.now */
  readonly now?: () => number;
}

/** An email that its owner is shown to have. */
export interface ProvenEmail {
  readonly email: string;
}

/** The same with what its owner can do now. */
export interface VerifiedEmail extends ProvenEmail {
  /** Whether nobody has locked or deactivated the account. */
  readonly isUnlocked: boolean;
}

const HOURS = 24;
/** Of a deadlock with a login. */
const RETRIES = 3;

/** Sends the link by which somebody shows that mail to their address reaches them; those of before are void. */
export async function sendVerification(
  tx: Transaction,
  { links, sendMail }: Pick<EmailServices, "links" | "sendMail">,
  { id: userId, email, language }: Pick<Account, "id" | "email" | "language">,
  origin: Origin,
): Promise<void> {
  await links.revoke(tx, userId, ["verify_email"]);
  const lifetimeMs = HOURS * 3_600_000;
  const token = await links.issue(tx, { purpose: "verify_email", userId, lifetimeMs, data: { email } });
  await sendMail(
    {
      to: email,
      template: "verify-email",
      data: { token, hours: HOURS },
      expiresIn: HOURS * 3600,
      ...toLanguage(language, origin),
    },
    { tx },
  );
}

/** Sends the link again to an account that has one to follow; does nothing for all others. */
export async function resendVerification(
  services: EmailServices,
  text: string,
  origin: Origin,
): Promise<void> {
  const { store } = services;
  const email = parseEmail(text);
  const known = email === null ? null : await findAccountByEmail(store, email);
  if (known === null) return;
  const send = async (tx: Transaction): Promise<void> => {
    await lockUser(tx, store.tables, known.id);
    const account = await findAccount({ db: tx, tables: store.tables }, known.id);
    const isWanted = account?.is_active === true && account.email_verified_at === null;
    if (account === null || !isWanted || account.email !== email) return;
    await sendVerification(tx, services, account, origin);
  };
  await store.db.transaction(send, { retries: RETRIES });
}

/** Tells what a link would do, which changes nothing. @throws AppError link_invalid */
export async function readVerification({ store, links }: EmailServices, token: string): Promise<ProvenEmail> {
  const { userId, data } = await links.find("verify_email", token);
  const account = await findAccount(store, userId);
  if (account === null || account.email !== data["email"]) throw linkInvalid();
  return { email: account.email };
}

/** Notes that mail to an account reaches its owner. @throws AppError link_invalid */
export async function verifyEmail(
  { store, links, now = Date.now }: EmailServices,
  token: string,
  origin: Origin,
): Promise<VerifiedEmail> {
  const { db, tables } = store;
  const { userId } = await links.find("verify_email", token);
  const verify = async (tx: Transaction): Promise<VerifiedEmail> => {
    await lockUser(tx, tables, userId);
    const user = await findAccount({ db: tx, tables }, userId);
    const { data } = await links.take(tx, "verify_email", token);
    // It has another one by now.
    if (user === null || user.email !== data["email"]) throw linkInvalid();
    const { email } = user;
    await links.revoke(tx, userId, ["verify_email"]);
    await tx
      .update(tables.users)
      .set({ email_verified_at: new Date(now()), must_verify_email: false })
      .where(eq(tables.users.id, userId));
    const target = { type: "user", id: userId };
    const entry = { action: "user.email_verified", actor: user, target, origin };
    await writeAudit(tx, tables, { ...entry, after: { email } });
    return { email, isUnlocked: isUnlocked(user) };
  };
  return db.transaction(verify, { retries: RETRIES });
}

/** In which language somebody is written to: that of the account, else that of the client. */
export function toLanguage(chosen: string | null, { language }: Origin): { readonly language?: string } {
  const wanted = chosen ?? language;
  return wanted === undefined ? {} : { language: wanted };
}
