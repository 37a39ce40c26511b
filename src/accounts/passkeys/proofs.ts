import { and, eq, lt } from "drizzle-orm";
import { fail } from "../identity/error-codes.ts";
import type { Origin } from "../identity/principal.ts";
import { hashToken, isSameText } from "../keys/opaque-tokens.ts";
import { NO_NOTICES, type Notices } from "../notices/notices.ts";
import { writeAudit } from "../people/audit.ts";
import type { CoreStore } from "../people/store.ts";
import type { PasskeyAnswer, RequestOptions } from "./answers.ts";
import { CHALLENGE_MS, type Challenges, type ChallengeUse } from "./challenges.ts";
import type { RelyingParty } from "./relying-party.ts";
import { challengeOf, readSignature } from "./verification.ts";

/** What a passkey is asked for. */
export interface Asked {
  readonly use: ChallengeUse;
  readonly party: RelyingParty;
  /** Whose it has to be; null for anybody's. */
  readonly userId: number | null;
  readonly origin: Origin;
}

/** Whose passkey has answered. */
export interface Proof {
  readonly userId: number;
  readonly passkeyId: number;
}

export interface PasskeyProofsOptions {
  readonly store: CoreStore;
  readonly challenges: Challenges;
  /** @default nobody is told */
  readonly notices?: Pick<Notices, "tell">;
  /** In ms since the epoch. @default Date.now */
  readonly now?: () => number;
}

type Row = CoreStore["tables"]["passkeys"]["$inferSelect"];

/** Asks passkeys for a signature, and tells by it who has given it. */
export class PasskeyProofs {
  readonly #store: CoreStore;
  readonly #challenges: Challenges;
  readonly #notices: Pick<Notices, "tell">;
  readonly #now: () => number;

  constructor({ store, challenges, notices = NO_NOTICES, now = Date.now }: PasskeyProofsOptions) {
    this.#store = store;
    this.#challenges = challenges;
    this.#notices = notices;
    this.#now = now;
  }

  /** Returns what a browser asks a passkey by: one of an account, or any. */
  async toRequestOptions({ use, party, userId }: Omit<Asked, "origin">): Promise<RequestOptions> {
    const { db, tables } = this.#store;
    const { passkeys } = tables;
    const own =
      userId === null
        ? []
        : await db
            .select({ credential_id: passkeys.credential_id, transports: passkeys.transports })
            .from(passkeys)
            .where(and(eq(passkeys.user_id, userId), eq(passkeys.rp_id, party.id)))
            .orderBy(passkeys.id);
    return {
      challenge: this.#challenges.mint(use),
      rpId: party.id,
      timeout: CHALLENGE_MS,
      userVerification: "required",
      allowCredentials: own.map(toKnown),
    };
  }

  /**
   * Returns whose passkey has answered, and uses the challenge up.
   *
   * @throws AppError invalid_credentials for an answer that isn't right, or comes too late or again, and for a passkey that
   * has signed less often than it said before: there is a copy of it
   */
  async prove(answer: PasskeyAnswer, asked: Asked): Promise<Proof> {
    const challenge = challengeOf(answer);
    if (!this.#challenges.isGood(challenge, asked.use)) {
      const message = "The passkey was asked more than ten minutes ago, or for something else: try again";
      throw fail("invalid_credentials", message);
    }
    const passkey = await this.#find(answer, asked);
    const { party } = asked;
    const signed =
      passkey && (await readSignature(answer, { party, challenge, publicKey: passkey.public_key }));
    if (passkey === null || signed === null || !(await this.#challenges.useUp(challenge))) throw unknown();
    await this.#note(passkey, signed, asked.origin);
    return { userId: passkey.user_id, passkeyId: passkey.id };
  }

  async #find({ id, response }: PasskeyAnswer, { party, userId }: Asked): Promise<Row | null> {
    const { db, tables } = this.#store;
    const { passkeys } = tables;
    const [passkey] = await db
      .select()
      .from(passkeys)
      .where(eq(passkeys.credential_hash, hashToken(id)));
    if (passkey === undefined || passkey.rp_id !== party.id) return null;
    const { userHandle } = response;
    // Where nobody is named yet, the passkey names its owner, and has to say so itself.
    const isOwn =
      typeof userHandle === "string" ? isSameText(userHandle, passkey.user_handle) : userId !== null;
    return isOwn && (userId === null || userId === passkey.user_id) ? passkey : null;
  }

  /** Of several answers at once with one count, on any instance, one succeeds. */
  async #note(
    passkey: Row,
    { signCount, isSynced }: { readonly signCount: number; readonly isSynced: boolean },
    origin: Origin,
  ): Promise<void> {
    const { db, tables } = this.#store;
    const { passkeys } = tables;
    const counts = signCount > 0 || passkey.sign_count > 0;
    const isNext = counts ? lt(passkeys.sign_count, signCount) : eq(passkeys.sign_count, 0);
    const { rowsAffected } = await db
      .update(passkeys)
      .set({ sign_count: signCount, is_synced: isSynced, last_used_at: new Date(this.#now()) })
      .where(and(eq(passkeys.id, passkey.id), isNext));
    if (rowsAffected === 1) return;
    const { id, name, user_id: userId, sign_count: before } = passkey;
    await db.transaction(async (tx) => {
      await writeAudit(tx, tables, {
        action: "passkey.copied",
        result: "refused",
        target: { type: "passkey", id },
        origin,
        after: { user_id: userId, signed: signCount, before },
      });
      await this.#notices.tell(tx, { kind: "passkey_copied", userId, origin, name });
    });
    const message =
      "The passkey has signed less often than it said before, so there may be a copy of it: use another one, or your " +
      "password, and remove it";
    throw fail("invalid_credentials", message);
  }
}

/** What a browser knows a passkey by. */
export function toKnown({ credential_id, transports }: Pick<Row, "credential_id" | "transports">) {
  return { id: credential_id, type: "public-key" as const, transports: [...transports] };
}

function unknown() {
  const message = "This server doesn't know the passkey, or what it has signed isn't right: try another one";
  return fail("invalid_credentials", message);
}
