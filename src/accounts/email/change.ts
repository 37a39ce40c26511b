import { eq } from "drizzle-orm";
import { ConstraintError } from "../../db/contract/database-error.ts";
import type { Transaction } from "../../db/contract/database.ts";
import { invalidRequest } from "../../errors/codes.ts";
import { AppError } from "../../errors/errors.ts";
import { fail } from "../identity/error-codes.ts";
import type { Origin } from "../identity/principal.ts";
import type { Attempts, ConfirmOwner, SessionOwner } from "../identity/session-owner.ts";
import { assertStanding, isUnlocked } from "../identity/standing.ts";
import { hashToken } from "../keys/opaque-tokens.ts";
import { linkInvalid, toCredentialState } from "../links/links.ts";
import { writeAudit } from "../people/audit.ts";
import { assertDomain, normalizeExactEmail } from "../people/emails.ts";
import { noteAccessChange } from "../people/store.ts";
import { type Account, assertFreeEmail, assertUnclaimed, findAccount, lockUser } from "../people/users.ts";
import { type EmailServices, type ProvenEmail, toLanguage } from "./verification.ts";

export interface EmailChangeServices extends EmailServices {
  readonly confirmOwner: ConfirmOwner;
  readonly limits: MailLimits;
  /** Domains that people may change their email to; none: any. `security.registration_domains` */
  readonly domains: readonly string[];
}

/** Counts mails that are asked for, by who asks and by whom they are for. */
export interface MailLimits {
  readonly mailsByClient: Attempts;
  readonly mailsByAddress: Attempts;
}

/** What the owner of an account wants it to be known by. */
export interface NewEmail {
  readonly email: string;
  /** May be left out within ten minutes of when it was given. */
  readonly current_password?: string | undefined;
}

/** A change as its link would make it. */
export interface PendingChange extends ProvenEmail {
  /** The one that the account has. */
  readonly from: string;
}

const HOURS = 24;
/** How long the owner of the email of before may take the account back. */
const UNDO_DAYS = 7;
const RETRIES = 3;

/**
 * Mails a link to a new email, by which it becomes that of the account. Of several that are asked for, the last one counts.
 *
 * @throws AppError invalid_credentials, identification_expired, otp_expired, rate_limited
 * @throws AppError validation_error, email_domain_refused, conflict for an email that can't be taken
 */
export async function askForChange(
  services: EmailChangeServices,
  owner: SessionOwner,
  { email: text, current_password: password }: NewEmail,
): Promise<void> {
  const { store, links, sendMail, confirmOwner, limits, domains } = services;
  const { tables } = store;
  const { user, sessionId, origin } = owner;
  const email = normalizeExactEmail(text);
  assertDomain(email, domains);
  const action = "user.email_change_asked";
  await confirmOwner(owner, { password, action });
  await limits.mailsByClient.take(`user ${user.id}`);
  await limits.mailsByAddress.take(hashToken(email));
  const ask = async (tx: Transaction): Promise<void> => {
    await assertStanding(tx, tables, { userId: user.id, sessionId });
    const account = await findAccount({ db: tx, tables }, user.id);
    if (account === null || account.email === email) throw isSame();
    await assertFreeEmail(tx, tables, email, account.id);
    await links.revoke(tx, user.id, ["change_email"]);
    const token = await links.issue(tx, {
      purpose: "change_email",
      userId: user.id,
      lifetimeMs: HOURS * 3_600_000,
      boundTo: toCredentialState(account),
      data: { email },
    });
    const data = { token, hours: HOURS, account: account.email };
    const language = toLanguage(account.language, origin);
    await sendMail(
      { to: email, template: "change-email", data, expiresIn: HOURS * 3600, ...language },
      { tx },
    );
    const target = { type: "user", id: user.id };
    await writeAudit(tx, tables, { action, actor: user, target, origin, after: { email } });
  };
  await store.db.transaction(ask, { retries: RETRIES });
}

/** Tells what a link would do, which changes nothing. @throws AppError link_invalid */
export async function readChange({ store, links }: EmailServices, token: string): Promise<PendingChange> {
  const link = await links.find("change_email", token);
  const account = await findAccount(store, link.userId);
  if (account === null || !isUnlocked(account) || !link.holdsFor(toCredentialState(account)))
    throw linkInvalid();
  return { email: link.data["email"] ?? "", from: account.email };
}

/**
 * Gives an account the email that its link was mailed to, and tells the one of before, with a link that takes it back. Sessions and
 * API keys go on: it is its owner who has asked for it.
 *
 * @throws AppError link_invalid, also where the password or the email has changed since it was asked for
 * @throws AppError conflict for an email that has an account by now; the link stays good then
 */
export async function confirmChange(
  services: EmailServices,
  token: string,
  origin: Origin,
): Promise<ProvenEmail> {
  const { store, links, now = Date.now } = services;
  const { tables } = store;
  const { userId } = await links.find("change_email", token);
  const change = async (tx: Transaction): Promise<ProvenEmail> => {
    await lockUser(tx, tables, userId);
    const link = await links.take(tx, "change_email", token);
    const account = await findAccount({ db: tx, tables }, userId);
    if (account === null || !isUnlocked(account) || !link.holdsFor(toCredentialState(account)))
      throw linkInvalid();
    const email = link.data["email"] ?? "";
    await saveEmail(tx, services, { userId, email, at: new Date(now()) });
    await assertUnclaimed(tx, tables, email, userId);
    // Whoever reads the mail of the address of before isn't the owner by that any more.
    await links.revoke(tx, userId, ["verify_email", "change_email", "reset_password"]);
    await tellBefore(tx, services, { account, email, origin });
    await noteAccessChange(tx, tables, userId);
    const target = { type: "user", id: userId };
    const entry = { action: "user.email_changed", actor: { id: userId, email }, target, origin };
    await writeAudit(tx, tables, { ...entry, before: { email: account.email }, after: { email } });
    return { email };
  };
  return store.db.transaction(change, { isolation: "read committed", retries: RETRIES });
}

/** @throws AppError conflict for an email that has an account */
async function saveEmail(
  tx: Transaction,
  { store: { tables } }: EmailServices,
  { userId, email, at }: { readonly userId: number; readonly email: string; readonly at: Date },
): Promise<void> {
  const proven = { email, email_verified_at: at, must_verify_email: false };
  try {
    await tx.update(tables.users).set(proven).where(eq(tables.users.id, userId));
  } catch (error) {
    if (!(error instanceof ConstraintError)) throw error;
    throw fail("conflict", "There is an account with this email already");
  }
}

async function tellBefore(
  tx: Transaction,
  { links, sendMail }: EmailServices,
  { account, email, origin }: { readonly account: Account; readonly email: string; readonly origin: Origin },
): Promise<void> {
  const token = await links.issue(tx, {
    purpose: "undo_email_change",
    userId: account.id,
    lifetimeMs: UNDO_DAYS * 86_400_000,
    // Keeps others from taking it meanwhile: see assertUnclaimed.
    boundTo: account.email,
    data: { email: account.email, ...(account.email_verified_at === null && { unproven: "yes" }) },
  });
  const data = { token, days: UNDO_DAYS, email };
  const language = toLanguage(account.language, origin);
  try {
    await sendMail({ to: account.email, template: "email-changed", data, ...language }, { tx });
  } catch (error) {
    // One that no mail goes to keeps nobody from having another.
    if (!(error instanceof AppError) || error.status >= 500) throw error;
  }
}

function isSame(): AppError {
  const message = "It is the email of your account already";
  return invalidRequest([{ path: "/body/email", code: "invalid", message }]);
}
