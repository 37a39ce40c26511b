import { eq } from "drizzle-orm";
import type { Transaction } from "../../db/contract/database.ts";
import { isUnsendable } from "../people/send-mail.ts";
import { toDeviceName } from "./device-names.ts";
import type { Notice, NoticesOptions } from "./notices.ts";

const DAY_MS = 86_400_000;
/** How long an owner may say that it wasn't them. */
const REPORT_MS = 7 * DAY_MS;
/** Of no use to anybody who would have the owner of the account follow a link of theirs. */
const HARMLESS_NAME = /^[\p{L}\p{M}\p{N} '()_-]{1,60}$/u;

/** Writes a notice down as a mail, with a link by which its owner says that it wasn't them. */
export async function tell(
  { store, links, sendMail, log }: NoticesOptions,
  tx: Transaction,
  notice: Notice,
): Promise<void> {
  const { kind, userId, origin, sessionId = null, name = "", isByAdministrator = false } = notice;
  const { users } = store.tables;
  const [account] = await tx
    .select({ email: users.email, language: users.language, provenAt: users.email_verified_at })
    .from(users)
    .where(eq(users.id, userId));
  if (account === undefined) return;
  const to = notice.to ?? account.email;
  // An administrator may have given the account to somebody else: whoever had it learns of that, and takes nothing back.
  const isGivenAway = isByAdministrator && to !== account.email;
  const report = {
    purpose: "report_change",
    userId,
    lifetimeMs: REPORT_MS,
    // Keeps others from taking the email of before meanwhile: see assertUnclaimed.
    boundTo: to === account.email ? null : to,
    data: {
      email: to,
      ...(sessionId !== null && { session: sessionId }),
      // Of the address of before it isn't kept any more.
      ...(account.provenAt === null && to === account.email && { unproven: "yes" }),
    },
  } as const;
  const token = isGivenAway ? null : await links.issue(tx, report);
  const data = {
    kind,
    name: HARMLESS_NAME.test(name) ? name : null,
    is_by_administrator: isByAdministrator,
    at: `${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC`,
    address: isByAdministrator ? "" : (origin?.ipAddress ?? ""),
    device: isByAdministrator ? null : toDeviceName(origin?.userAgent ?? ""),
    account: account.email,
    undo_path: notice.undoPath ?? null,
    token,
  };
  try {
    const language = account.language ?? origin?.language;
    await sendMail(
      { to, template: "account-notice", data, ...(language !== undefined && { language }) },
      { tx },
    );
  } catch (error) {
    // An address that no mail goes to, or a template that was broken, keeps nobody from what they do.
    if (!isUnsendable(error)) throw error;
    log.warn({ err: error, user_id: userId, kind }, "the owner of an account can't be told of a change");
  }
}
