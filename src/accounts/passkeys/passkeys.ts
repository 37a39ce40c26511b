import { createHmac } from "node:crypto";
import { and, eq } from "drizzle-orm";
import type { Transaction } from "../../db/contract/database.ts";
import { type Page, type PageQuery, paginate } from "../../db/paging/paginate.ts";
import { fail } from "../identity/error-codes.ts";
import { unauthenticated } from "../identity/principals.ts";
import type { SessionOwner } from "../identity/session-owner.ts";
import { assertStanding, FRESH_MS } from "../identity/standing.ts";
import { hashToken } from "../keys/opaque-tokens.ts";
import type { SecretKey } from "../keys/secret.ts";
import { writeAudit } from "../people/audit.ts";
import { toDisplayName } from "../people/names.ts";
import { type CoreStore, noteAccessChange } from "../people/store.ts";
import { NO_NOTICES, type Notices } from "../notices/notices.ts";
import { findAccount, hasWayInWithoutPassword, lockUser, type WaysIn } from "../people/users.ts";
import {
  assertIdentifiedLately,
  assertSecondFactorGiven,
  beginFactor,
  endSecondFactor,
  hasSecondFactor,
  noteSecondFactor,
} from "../two-factor/enrolment.ts";
import { renewRecoveryCodes } from "../two-factor/recovery-codes.ts";
import type { CreationOptions, NewPasskeyAnswer, PasskeyAnswer } from "./answers.ts";
import { CHALLENGE_MS, Challenges } from "./challenges.ts";
import { PasskeyProofs, toKnown } from "./proofs.ts";
import type { RelyingParty } from "./relying-party.ts";
import { ALGORITHMS, challengeOf, type MadePasskey, readNewPasskey } from "./verification.ts";

export interface PasskeysOptions {
  readonly store: CoreStore;
  readonly challenges: Challenges;
  readonly proofs: PasskeyProofs;
  /** What browsers show that a passkey is for. */
  readonly appName: string;
  /** Returns what authenticators know an account by, in base64url: nothing that tells who it is. */
  readonly toHandle: (userId: number) => string;
  readonly ways: WaysIn;
  /** @default nobody is told */
  readonly notices?: Notices;
  /** @default Date.now */
  readonly now?: () => number;
}

/** A passkey as its owner sees it. */
export interface Passkey {
  readonly id: number;
  readonly name: string;
  /** Whether its keeper copies it to other devices of its owner. */
  readonly is_synced: boolean;
  readonly last_used_at: Date | null;
  readonly created_at: Date;
}

/** A passkey that was added; with the first factor beside the password come recovery codes. */
export interface AddedPasskey extends Passkey {
  readonly recovery_codes: string[] | null;
}

const MAX_PASSKEYS = 20;

/**
 * The passkeys of an account (WebAuthn 3): with one its owner signs in without a password, or gives a second factor
 * beside it. Each asks for a finger, a face or a PIN: it is two factors by itself.
 */
export class Passkeys {
  readonly #options: PasskeysOptions;
  readonly #store: CoreStore;
  readonly #notices: Notices;
  readonly #now: () => number;

  constructor(options: PasskeysOptions) {
    this.#notices = options.notices ?? NO_NOTICES;
    this.#options = options;
    this.#store = options.store;
    this.#now = options.now ?? Date.now;
  }

  /** Lists the passkeys of an account. */
  list(userId: number, page: PageQuery): Promise<Page<Passkey>> {
    const { db, tables } = this.#store;
    const { id, name, is_synced, last_used_at, created_at, user_id } = tables.passkeys;
    const own = db.select({ id, name, is_synced, last_used_at, created_at }).from(tables.passkeys);
    return paginate(own.where(eq(user_id, userId)), page);
  }

  /**
   * Returns what a browser makes a passkey by.
   *
   * @throws AppError otp_required, conflict when there are 20
   */
  async toCreationOptions({ user, sessionId }: SessionOwner, party: RelyingParty): Promise<CreationOptions> {
    const { challenges, appName, toHandle } = this.#options;
    const { db, tables } = this.#store;
    const account = await findAccount(this.#store, user.id);
    if (account === null) throw unauthenticated("The account is gone");
    await assertSecondFactorGiven(db, tables, { userId: user.id, sessionId });
    const { passkeys } = tables;
    const own = await db.select().from(passkeys).where(eq(passkeys.user_id, user.id)).orderBy(passkeys.id);
    assertRoom(own.length);
    return {
      challenge: challenges.mint({ purpose: "registration", subject: sessionId }),
      rp: { id: party.id, name: appName },
      user: {
        id: own[0]?.user_handle ?? toHandle(user.id),
        name: account.email,
        displayName: account.full_name ?? account.email,
      },
      pubKeyCredParams: ALGORITHMS.map((alg) => ({ type: "public-key", alg })),
      timeout: CHALLENGE_MS,
      excludeCredentials: own.filter(({ rp_id }) => rp_id === party.id).map(toKnown),
      authenticatorSelection: {
        residentKey: "required",
        requireResidentKey: true,
        userVerification: "required",
      },
      attestation: "none",
    };
  }

  /**
   * Adds a passkey that a browser has made. With the first factor beside the password, all other sessions end.
   *
   * @throws AppError validation_error for what isn't one, or the name; conflict when there are 20, or it is there already;
   * otp_required
   */
  async add(
    owner: SessionOwner,
    { name, credential }: { readonly name: string; readonly credential: NewPasskeyAnswer },
    party: RelyingParty,
  ): Promise<AddedPasskey> {
    const shown = toDisplayName(name);
    const made = await this.#read(owner, credential, party);
    const { db, tables } = this.#store;
    const { user, sessionId, origin } = owner;
    return db.transaction(async (tx) => {
      const actor = await lockUser(tx, tables, user.id);
      const at = new Date(this.#now());
      await assertStanding(tx, tables, { userId: user.id, sessionId }, at.getTime());
      await assertSecondFactorGiven(tx, tables, { userId: user.id, sessionId });
      const isFirst = !(await hasSecondFactor(tx, tables, user.id));
      const added = await this.#insert(tx, { userId: user.id, name: shown, made, party, at });
      const recovery_codes = await beginFactor(tx, tables, { userId: user.id, sessionId, at, isFirst });
      const target = { type: "passkey", id: added.id };
      const after = { name: shown };
      await writeAudit(tx, tables, { action: "passkey.added", actor, target, origin, after });
      const notice = { kind: "factor_added", userId: user.id, sessionId, origin, name: shown } as const;
      await this.#notices.tell(tx, notice);
      return { ...added, recovery_codes };
    });
  }

  /** Gives a passkey another name. @throws AppError not_found, validation_error */
  async rename({ user, origin }: SessionOwner, id: number, name: string): Promise<Passkey> {
    const { db, tables } = this.#store;
    const { passkeys } = tables;
    const shown = toDisplayName(name);
    return db.transaction(async (tx) => {
      const actor = await lockUser(tx, tables, user.id);
      const before = await this.#find(tx, user.id, id);
      await tx.update(passkeys).set({ name: shown }).where(eq(passkeys.id, id));
      await writeAudit(tx, tables, {
        action: "passkey.renamed",
        actor,
        target: { type: "passkey", id },
        origin,
        before: { name: before.name },
        after: { name: shown },
      });
      return { ...before, name: shown };
    });
  }

  /**
   * Removes a passkey, for who has given two factors within the last ten minutes. With the last factor beside the password
   * the recovery codes go too.
   *
   * @throws AppError not_found, otp_expired; conflict for the last way into an account that has no password
   */
  async remove({ user, sessionId, origin }: SessionOwner, id: number): Promise<void> {
    const { db, tables } = this.#store;
    const { passkeys, users } = tables;
    await db.transaction(async (tx) => {
      const actor = await lockUser(tx, tables, user.id);
      const nowMs = this.#now();
      await assertStanding(tx, tables, { userId: user.id, sessionId }, nowMs);
      const { name } = await this.#find(tx, user.id, id);
      await assertIdentifiedLately(tx, tables, { userId: user.id, sessionId, nowMs });
      await tx.delete(passkeys).where(eq(passkeys.id, id));
      const [account] = await tx
        .select({ hash: users.password_hash })
        .from(users)
        .where(eq(users.id, user.id));
      const { ways } = this.#options;
      const isLastWay = account?.hash === null && !(await hasWayInWithoutPassword(tx, tables, user.id, ways));
      if (isLastWay) throw fail("conflict", "Cannot remove the passkey: nothing else lets you in");
      if (await hasSecondFactor(tx, tables, user.id)) await noteAccessChange(tx, tables, user.id);
      else await endSecondFactor(tx, tables, user.id);
      const target = { type: "passkey", id };
      await writeAudit(tx, tables, { action: "passkey.removed", actor, target, origin, before: { name } });
      await this.#notices.tell(tx, { kind: "factor_removed", userId: user.id, sessionId, origin, name });
    });
  }

  /**
   * Takes the answer of a passkey from somebody who has logged in: their session has given two factors now.
   *
   * @throws AppError invalid_credentials
   */
  async stepUp(
    owner: SessionOwner,
    answer: PasskeyAnswer,
    party: RelyingParty,
  ): Promise<{ readonly freshUntil: Date }> {
    return this.#confirm(owner, answer, { party, action: "passkey.verified" }, (_tx, at) =>
      Promise.resolve({ freshUntil: new Date(at.getTime() + FRESH_MS) }),
    );
  }

  /** Makes new recovery codes for the answer of a passkey, and voids the old ones. @throws AppError invalid_credentials */
  async renewRecoveryCodes(
    owner: SessionOwner,
    answer: PasskeyAnswer,
    party: RelyingParty,
  ): Promise<string[]> {
    const { user, sessionId, origin } = owner;
    return this.#confirm(owner, answer, { party, action: "otp.recovery_renewed" }, async (tx) => {
      await this.#notices.tell(tx, { kind: "recovery_codes_made", userId: user.id, sessionId, origin });
      return renewRecoveryCodes(tx, this.#store.tables, user.id);
    });
  }

  async #confirm<T>(
    { user, sessionId, origin }: SessionOwner,
    answer: PasskeyAnswer,
    { party, action }: { readonly party: RelyingParty; readonly action: string },
    work: (tx: Transaction, at: Date) => Promise<T>,
  ): Promise<T> {
    const { db, tables } = this.#store;
    const use = { purpose: "confirmation", subject: sessionId } as const;
    await this.#options.proofs.prove(answer, { use, party, userId: user.id, origin });
    return db.transaction(async (tx) => {
      const actor = await lockUser(tx, tables, user.id);
      const at = new Date(this.#now());
      await assertStanding(tx, tables, { userId: user.id, sessionId }, at.getTime());
      await noteSecondFactor(tx, tables, { userId: user.id, sessionId, at });
      await noteAccessChange(tx, tables, user.id);
      const target = { type: "session", id: sessionId };
      await writeAudit(tx, tables, { action, actor, target, origin });
      return work(tx, at);
    });
  }

  async #read(
    { sessionId }: SessionOwner,
    credential: NewPasskeyAnswer,
    party: RelyingParty,
  ): Promise<MadePasskey> {
    const { challenges } = this.#options;
    const challenge = challengeOf(credential);
    const isGood = challenges.isGood(challenge, { purpose: "registration", subject: sessionId });
    const made = isGood ? await readNewPasskey(credential, { party, challenge }) : null;
    if (made !== null && (await challenges.useUp(challenge))) return made;
    const message = isGood
      ? `Cannot add the passkey: what the browser sent isn't one for ${party.origin}, by a finger, a face or a PIN`
      : "Cannot add the passkey: it took longer than ten minutes, or was begun in another session; begin again";
    throw fail("validation_error", message);
  }

  async #insert(
    tx: Transaction,
    {
      userId,
      name,
      made,
      party,
      at,
    }: { userId: number; name: string; made: MadePasskey; party: RelyingParty; at: Date },
  ): Promise<Passkey> {
    const { passkeys } = this.#store.tables;
    assertRoom(await this.#count(tx, userId));
    const own = eq(passkeys.user_id, userId);
    const [other] = await tx
      .select({ user_handle: passkeys.user_handle })
      .from(passkeys)
      .where(own)
      .orderBy(passkeys.id)
      .limit(1);
    const credential_hash = hashToken(made.credentialId);
    const isKnown = (await tx.$count(passkeys, eq(passkeys.credential_hash, credential_hash))) > 0;
    if (isKnown) throw fail("conflict", "Cannot add the passkey: it is there already");
    const row = {
      user_id: userId,
      name,
      credential_hash,
      credential_id: made.credentialId,
      public_key: made.publicKey,
      user_handle: other?.user_handle ?? this.#options.toHandle(userId),
      rp_id: party.id,
      sign_count: made.signCount,
      transports: [...made.transports],
      is_synced: made.isSynced,
      created_at: at,
    };
    const [added] = await tx.insert(passkeys).values(row).returning({ id: passkeys.id });
    if (added === undefined) throw new Error("Cannot add a passkey: the database returned no row");
    return { id: added.id, name, is_synced: made.isSynced, last_used_at: null, created_at: at };
  }

  #count(tx: Transaction, userId: number): Promise<number> {
    const { passkeys } = this.#store.tables;
    return tx.$count(passkeys, eq(passkeys.user_id, userId));
  }

  async #find(tx: Transaction, userId: number, passkeyId: number): Promise<Passkey> {
    const { passkeys } = this.#store.tables;
    const { id, name, is_synced, last_used_at, created_at } = passkeys;
    const [found] = await tx
      .select({ id, name, is_synced, last_used_at, created_at })
      .from(passkeys)
      .where(and(eq(id, passkeyId), eq(passkeys.user_id, userId)));
    if (found !== undefined) return found;
    throw fail("not_found", `Cannot find passkey "${passkeyId}": there is none, or not any more`);
  }
}

/** Creates what is done with passkeys: adding and removing one's own, and proving by one who somebody is. */
export function createPasskeys({
  store,
  secretKey,
  appName,
  ways,
  notices,
  now,
}: Pick<PasskeysOptions, "store" | "appName" | "ways" | "notices" | "now"> & {
  readonly secretKey: SecretKey;
}) {
  const challenges = new Challenges(store, secretKey.deriveKey("passkey challenges"), now);
  const told = { ...(notices && { notices }), ...(now && { now }) };
  const proofs = new PasskeyProofs({ store, challenges, ...told });
  const handleKey = secretKey.deriveKey("passkey handles");
  const toHandle = (userId: number): string =>
    createHmac("sha256", handleKey).update(String(userId)).digest("base64url");
  return {
    challenges,
    proofs,
    own: new Passkeys({
      store,
      challenges,
      proofs,
      appName,
      toHandle,
      ways,
      ...told,
    }),
  };
}

function assertRoom(count: number): void {
  if (count >= MAX_PASSKEYS)
    throw fail("conflict", `Cannot add a passkey: there are ${MAX_PASSKEYS} already`);
}
