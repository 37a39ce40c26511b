import { asc, eq, inArray, lte } from "drizzle-orm";
import { type Page, type PageQuery, paginate } from "../../db/paging/paginate.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import type { AppError } from "../../errors/errors.ts";
import { fail } from "../identity/error-codes.ts";
import {
  type Actor,
  type AdministrationServices,
  administer,
  type Change,
  type Intent,
} from "../admin/administration.ts";
import { assertMayGive, findRoles } from "../admin/user-roles.ts";
import { hashToken, makeToken } from "../keys/opaque-tokens.ts";
import { normalizeExactEmail } from "../people/emails.ts";
import type { SendMail } from "../people/send-mail.ts";
import { steadyNow } from "../people/steady-clock.ts";
import type { CoreStore } from "../people/store.ts";
import { findAccount, findAccountByEmail } from "../people/users.ts";

export interface InvitationServices extends AdministrationServices {
  readonly sendMail: SendMail;
  /** Whether mail goes to mailboxes: without a server for it, whoever invites passes the link on. */
  readonly isMailing: () => boolean;
  /** Where a path of this server is reached from outside. */
  readonly toUrl: (path: string) => string;
  /** Present time, in ms. @default Date.now */
  readonly now?: () => number;
}

/** Whom to invite. */
export interface NewInvitation {
  readonly email: string;
  /** Ids of roles. @default the built-in role "user" */
  readonly roles?: readonly number[] | undefined;
  /** In seconds. @default a week */
  readonly expires_in?: number | undefined;
}

/** An invitation as administrators see it. */
export interface InvitationAnswer {
  readonly id: number;
  readonly email: string;
  readonly roles: { id: number; name: string }[];
  /** Null for the command line. */
  readonly invited_by: { readonly id: number; readonly email: string } | null;
  /** Whether the link went by mail. */
  readonly is_mailed: boolean;
  readonly sent_at: string;
  readonly expires_at: string;
  readonly created_at: string;
}

/** One whose link was made just now. */
export interface SentInvitation extends InvitationAnswer {
  /** To be passed on where no mail is sent; null where it has been mailed. */
  readonly link: string | null;
}

type Row = CoreTables["invitations"]["$inferSelect"];

export const WEEK_SECONDS = 7 * 86_400;
/** Path of the page that an invitation leads to. */
export const INVITATION_PATH = "/auth/invitation";
/** How long one is shown that is too old, for who wants to send it again. */
const KEPT_MS = 30 * 86_400_000;

/**
 * Invites somebody. One for the same email that is open is replaced, and its link is void.
 *
 * @throws AppError validation_error for what is no email, or a role that there isn't
 * @throws AppError conflict for an email that has an account
 * @throws AppError authorization_error for a role that the actor couldn't give to a user
 */
export async function invite(
  services: InvitationServices,
  actor: Actor,
  { email: text, roles: ids, expires_in = WEEK_SECONDS }: NewInvitation,
): Promise<SentInvitation> {
  const email = normalizeExactEmail(text);
  const intent = toIntent("created", `invite "${email}"`);
  return administer(services, actor, intent, async (change) => {
    await assertNoAccount(change, email);
    const roles = await findRoles(change, ids);
    await assertMayGiveAll(change, roles);
    const { invitations } = change.tables;
    const { rowsAffected: replaced } = await change.tx
      .delete(invitations)
      .where(eq(invitations.email, email));
    const link = makeLink(services, change, expires_in);
    const values = { email, roles: roles.map(({ id }) => id), ...link.columns };
    const [made] = await change.tx.insert(invitations).values(values).returning({ id: invitations.id });
    if (made === undefined) throw new TypeError("Cannot invite: nothing was returned");
    await change.audit({
      target: { type: "invitation", id: made.id },
      after: { email, roles: roles.map(({ name }) => name), expires_at: link.columns.expires_at },
      ...(replaced > 0 && { before: { replaced: true } }),
    });
    return send(services, change, { id: made.id, link });
  });
}

/** Sends an invitation anew, by whoever does so now; the link that was sent before is void. @throws AppError as `invite`, not_found */
export async function resend(
  services: InvitationServices,
  actor: Actor,
  id: number,
  { expires_in = WEEK_SECONDS }: Pick<NewInvitation, "expires_in"> = {},
): Promise<SentInvitation> {
  const intent = toIntent("resent", `send invitation "${id}" again`, id);
  return administer(services, actor, intent, async (change) => {
    const { email, roles: ids } = await requireInvitation(change.store, id);
    await assertNoAccount(change, email);
    const names = await readRoleNames(change.store, ids);
    const roles = ids
      .filter((role) => names.has(role))
      .map((role) => ({ id: role, name: names.get(role) ?? "" }));
    await assertMayGiveAll(change, roles);
    const link = makeLink(services, change, expires_in);
    const { invitations } = change.tables;
    await change.tx.update(invitations).set(link.columns).where(eq(invitations.id, id));
    await change.audit({ after: { email, expires_at: link.columns.expires_at } });
    return send(services, change, { id, link });
  });
}

/** Takes an invitation back: its link is void. @throws AppError not_found, authorization_error */
export async function revoke(services: InvitationServices, actor: Actor, id: number): Promise<void> {
  const intent = toIntent("revoked", `take back invitation "${id}"`, id);
  await administer(services, actor, intent, async (change) => {
    const { email } = await requireInvitation(change.store, id);
    const { invitations } = change.tables;
    await change.tx.delete(invitations).where(eq(invitations.id, id));
    await change.audit({ before: { email } });
  });
}

/** Returns a page of the invitations that are open, the oldest first unless the query says otherwise. */
export async function listInvitations(store: CoreStore, query: PageQuery): Promise<Page<InvitationAnswer>> {
  const { invitations } = store.tables;
  const rows = store.db.select().from(invitations).orderBy(asc(invitations.id));
  const { id, email, expires_at } = invitations;
  const found = await paginate(rows, query, { sort: { id, email, expires_at, created_at: id } });
  return { ...found, items: await toAnswers(store, found.items) };
}

/** @throws AppError not_found */
export async function readInvitation(store: CoreStore, id: number): Promise<InvitationAnswer> {
  const [answer] = await toAnswers(store, [await requireInvitation(store, id)]);
  if (answer === undefined) throw noInvitation(id);
  return answer;
}

/** Deletes those that have been too old for a month. */
export async function purgeInvitations({ db, tables: { invitations } }: CoreStore): Promise<void> {
  // A clock that goes wrong for a minute deletes nothing.
  const before = new Date(Math.min(Date.now(), steadyNow()) - KEPT_MS);
  await db.delete(invitations).where(lte(invitations.expires_at, before));
}

/** What a link is made of, and what the table keeps of it. */
function makeLink({ isMailing, now = Date.now }: InvitationServices, { actorId }: Change, lifetime: number) {
  const token = makeToken();
  const sentAt = now();
  const columns = {
    token_hash: hashToken(token),
    invited_by: actorId,
    is_mailed: isMailing(),
    sent_at: new Date(sentAt),
    expires_at: new Date(sentAt + lifetime * 1000),
  };
  return { token, lifetime, columns };
}

/** Mails the link; where no mail is sent, whoever invites is given it as well. */
async function send(
  { sendMail, toUrl }: InvitationServices,
  { tx, store, actor, actorId }: Change,
  { id, link: { token, lifetime, columns } }: { id: number; link: ReturnType<typeof makeLink> },
): Promise<SentInvitation> {
  const invitation = await readInvitation(store, id);
  const inviter = actorId === null ? null : await findAccount(store, actorId);
  // Those who invite and are invited speak the same language, for all that is known.
  const language = inviter?.language ?? actor?.origin.language;
  const until = columns.expires_at.toISOString().slice(0, 16).replace("T", " ");
  await sendMail(
    {
      to: invitation.email,
      template: "invitation",
      data: { token, inviter: inviter?.email ?? null, until },
      expiresIn: lifetime,
      ...(language !== undefined && { language }),
    },
    { tx },
  );
  return { ...invitation, link: columns.is_mailed ? null : toUrl(`${INVITATION_PATH}?token=${token}`) };
}

async function assertNoAccount({ store }: Change, email: string): Promise<void> {
  const account = await findAccountByEmail(store, email);
  if (account === null) return;
  const message = `Cannot invite "${email}": there is an account with this email already, user "${account.id}"`;
  throw fail("conflict", message);
}

/** Nobody invites to what they couldn't give to a user. */
async function assertMayGiveAll(
  change: Change,
  roles: readonly { readonly id: number; readonly name: string }[],
): Promise<void> {
  // oxlint-disable-next-line no-await-in-loop -- on one connection
  for (const role of roles) await assertMayGive(change, role);
}

async function requireInvitation({ db, tables: { invitations } }: CoreStore, id: number): Promise<Row> {
  const [row] = await db.select().from(invitations).where(eq(invitations.id, id));
  if (row === undefined) throw noInvitation(id);
  return row;
}

async function toAnswers(store: CoreStore, rows: readonly Row[]): Promise<InvitationAnswer[]> {
  if (rows.length === 0) return [];
  const names = await readRoleNames(
    store,
    rows.flatMap(({ roles }) => roles),
  );
  const { users } = store.tables;
  const ids = rows.flatMap(({ invited_by }) => (invited_by === null ? [] : [invited_by]));
  const inviters =
    ids.length === 0
      ? []
      : await store.db
          .select({ id: users.id, email: users.email })
          .from(users)
          .where(inArray(users.id, [...new Set(ids)]));
  return rows.map((row) => ({
    id: row.id,
    email: row.email,
    roles: row.roles.flatMap((id) => (names.has(id) ? [{ id, name: names.get(id) ?? "" }] : [])),
    invited_by: inviters.find(({ id }) => id === row.invited_by) ?? null,
    is_mailed: row.is_mailed,
    sent_at: row.sent_at.toISOString(),
    expires_at: row.expires_at.toISOString(),
    created_at: row.created_at.toISOString(),
  }));
}

async function readRoleNames(
  { db, tables: { roles } }: CoreStore,
  ids: readonly number[],
): Promise<ReadonlyMap<number, string>> {
  if (ids.length === 0) return new Map();
  const rows = await db
    .select({ id: roles.id, name: roles.name })
    .from(roles)
    .where(inArray(roles.id, [...new Set(ids)]));
  return new Map(rows.map(({ id, name }) => [id, name]));
}

function noInvitation(id: number): AppError {
  return fail(
    "not_found",
    `Cannot find invitation "${id}": it was accepted or taken back, or there was none`,
  );
}

function toIntent(done: string, doing: string, id?: number): Intent {
  return {
    permission: "users:write",
    action: `invitation.${done}`,
    doing: () => doing,
    ...(id !== undefined && { target: { type: "invitation", id } as const }),
  };
}
