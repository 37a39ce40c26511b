import { type CoreStore, noteAccessChange } from "../people/store.ts";
import { NO_NOTICES, type Notice, type Notices } from "../notices/notices.ts";
import { type AuditEntry, writeAudit } from "../people/audit.ts";
import type { Origin, Permissions, Principal } from "../identity/principal.ts";
import { assertFactorsGiven, assertStanding, toStanding } from "../identity/standing.ts";
import type { Transaction } from "../../db/contract/database.ts";
import { ConstraintError } from "../../db/contract/database-error.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import { assertMayChangeCode } from "./code-changes.ts";
import { AppError } from "../../errors/errors.ts";
import { fail } from "../identity/error-codes.ts";
import { assertNotViewing } from "../identity/session-owner.ts";
import type { HookBus } from "../../hooks/bus.ts";
import type { HookEvents } from "../../hooks/events.ts";
import { EVERYTHING, lockAdministration, rankAdministration, USER_ROLE } from "../rights/builtin-roles.ts";
import { readUserGrants, readUserRoles } from "../rights/access.ts";
import { findGuardRoles } from "../rights/guard-roles.ts";
import { createPermissions, isGrant } from "../rights/permission-set.ts";

/** Who changes accounts, and from where; null is the command line, which may do everything. */
export type Actor = { readonly principal: Principal; readonly origin: Origin } | null;

/** What the administration of accounts works with. */
export interface AdministrationServices {
  readonly store: CoreStore;
  readonly hooks: HookBus;
  /**
   * Whether routes ask for a role by its name, beside those that plugins were ever loaded with.
   *
   * @default for none: the command line doesn't need to know
   */
  readonly isGuardRole?: (role: string) => boolean;
  /** @default nobody is told */
  readonly notices?: Notices;
}

/** What an actor is about to do. */
export interface Intent {
  readonly permission: "users:write" | "users:impersonate" | "roles:write";
  /** As the audit log calls it: "user.deleted". */
  readonly action: string;
  readonly target?: { readonly type: "user" | "role" | "invitation"; readonly id: number };
  /** For messages: `delete user "7"`, and `delete user "ada@example.com"` once it is known that the actor may know. */
  readonly doing: (target: string) => string;
}

/** What nobody may take from themselves. */
const OWN_RIGHTS = ["users:write", "roles:write", EVERYTHING];
/** Of a deadlock with a registration or a login. */
const RETRIES = 3;

/**
 * Runs a change of accounts in a transaction, one at a time on all instances. It is undone when it would leave no
 * administrator or take the actor's own right to administer. Refusals are written to the audit log.
 *
 * @throws AppError authorization_error when the actor lacks the permission by now, or more than they hold is asked
 * @throws AppError viewing_as_user when the actor is viewed as by somebody else
 * @throws AppError conflict when the change would lock somebody out
 */
export async function administer<T>(
  { store, hooks, isGuardRole = () => false }: AdministrationServices,
  actor: Actor,
  intent: Intent,
  work: (change: Change) => Promise<T>,
): Promise<T> {
  try {
    const { result, change } = await store.db.transaction(
      async (tx) => {
        await lockAdministration(tx, store.tables);
        const begun = await Change.begin({ db: tx, tables: store.tables }, actor, intent, isGuardRole);
        const made = await work(begun);
        await begun.assertNobodyLockedOut();
        return { result: made, change: begun };
      },
      { isolation: "read committed", retries: RETRIES },
    );
    await change.emitTo(hooks);
    return result;
  } catch (error) {
    if (isRefusal(error)) {
      const { action, target } = intent;
      await writeAudit(store.db, store.tables, {
        ...toAuditActor(actor),
        action,
        result: "refused",
        after: { reason: error.message },
        ...(target && { target }),
      });
    }
    throw error;
  }
}

/** Tells the owner of an account what was done to it, in the transaction of that. */
export async function tellOwner(
  { notices = NO_NOTICES }: Pick<AdministrationServices, "notices">,
  { tx, actor, actorId }: Pick<Change, "tx" | "actor" | "actorId">,
  notice: Pick<Notice, "kind" | "userId" | "name" | "to">,
): Promise<void> {
  const isByAdministrator = notice.userId !== actorId;
  const own = isByAdministrator ? {} : { sessionId: actor?.principal.sessionId, origin: actor?.origin };
  await notices.tell(tx, { ...notice, ...own, isByAdministrator });
}

/** A change of accounts under way, in its transaction. */
export class Change {
  readonly tx: Transaction;
  readonly tables: CoreTables;
  readonly actor: Actor;
  readonly #intent: Intent;
  /** What the actor's roles grant now; null for the command line. */
  readonly #held: Permissions | null;
  /** Who was there to administer: see `rankAdministration`. */
  readonly #rank: number;
  readonly #isGuardRole: (role: string) => boolean;
  readonly #events: ((hooks: HookBus) => Promise<unknown>)[] = [];
  #targetName: string | null = null;

  private constructor(
    { tx, tables }: { tx: Transaction; tables: CoreTables },
    actor: Actor,
    intent: Intent,
    known: {
      held: Permissions | null;
      rank: number;
      isGuardRole: (role: string) => boolean;
    },
  ) {
    this.tx = tx;
    this.tables = tables;
    this.actor = actor;
    this.#intent = intent;
    this.#held = known.held;
    this.#rank = known.rank;
    this.#isGuardRole = known.isGuardRole;
  }

  /** Looks again at what the actor holds: it may have changed since the request came in. */
  static async begin(
    store: { readonly db: Transaction; readonly tables: CoreTables },
    actor: Actor,
    intent: Intent,
    isGuardRole: (role: string) => boolean,
  ): Promise<Change> {
    const { db: tx, tables } = store;
    if (actor !== null) assertNotViewing(actor.principal);
    const held = actor === null ? null : await readActorGrants(store, actor.principal);
    const rank = await rankAdministration(store);
    const change = new Change({ tx, tables }, actor, intent, { held, rank, isGuardRole });
    if (!change.#holds(intent.permission))
      throw forbidden(`This needs the permission "${intent.permission}"`);
    return change;
  }

  /** The store as this transaction sees it. */
  get store(): CoreStore {
    return { db: this.tx, tables: this.tables };
  }

  /** Id of the actor, null for the command line. */
  get actorId(): number | null {
    return this.actor?.principal.user.id ?? null;
  }

  /** @throws AppError authorization_error unless the actor holds all of these permissions and wildcards */
  assertHolds(grants: readonly string[]): void {
    // A row that was written by hand may hold text that is no grant, and grants nothing.
    const beyond = grants.filter((grant) => isGrant(grant) && !this.#holds(grant));
    if (beyond.length === 0) return;
    const listed = beyond.map((grant) => `"${grant}"`).join(", ");
    throw forbidden(`Cannot ${this.#doing}: it takes ${listed}, which you don't hold`);
  }

  /** @throws AppError authorization_error when the user holds more than the actor */
  async assertHoldsAllOf(userId: number): Promise<void> {
    if (this.#held === null) return;
    this.assertHolds(await readUserGrants(this.store, userId));
    await this.assertHoldsRoles(await readUserRoles(this.store, userId));
  }

  /**
   * A role that routes ask for by name opens more than its permissions tell: only its holders may give it.
   *
   * @throws AppError authorization_error unless the actor holds each such role of `names`, or everything
   */
  async assertHoldsRoles(names: readonly string[]): Promise<void> {
    // Everybody who registers gets the role "user".
    if (this.actor === null || this.#holds(EVERYTHING)) return;
    const others = names.filter((name) => name !== USER_ROLE);
    const asked = await findGuardRoles(this.store, others, this.#isGuardRole);
    if (asked.length === 0) return;
    const { apiKeyId, user } = this.actor.principal;
    // An API key holds no role.
    const held = apiKeyId === null ? await readUserRoles(this.store, user.id) : [];
    const beyond = asked.filter((name) => !held.includes(name));
    if (beyond.length === 0) return;
    const listed = beyond.map((name) => `"${name}"`).join(", ");
    throw forbidden(`Cannot ${this.#doing}: it takes the role ${listed}, which you don't hold`);
  }

  /**
   * Refuses to let somebody do everything, or to take over who may, unless the actor may bring code as well: they could do
   * it through that account.
   *
   * @param grants what the account holds, or is given
   * @throws AppError authorization_error for an API key; otp_expired
   */
  async assertMayHandOut(grants: readonly string[]): Promise<void> {
    if (this.actor === null || !grants.includes(EVERYTHING)) return;
    await assertMayChangeCode(this.store, this.actor.principal, { isDryRun: false });
  }

  /** @throws AppError conflict when the user is the actor */
  assertNotOneself(userId: number, instead: string): void {
    if (userId === this.actorId) throw conflict(`Cannot ${this.#doing}: it is your own; ${instead}`);
  }

  /** Has messages name the target by more than its id. */
  nameTarget(name: string): void {
    this.#targetName = name;
  }

  /** Writes what was done to the audit log. */
  async audit(
    entry: Pick<AuditEntry, "before" | "after"> & { target?: Intent["target"]; action?: string },
  ): Promise<void> {
    const { action, target } = this.#intent;
    const named = entry.target ?? target;
    await writeAudit(this.tx, this.tables, {
      ...toAuditActor(this.actor),
      action: entry.action ?? action,
      ...(named && { target: named }),
      ...(entry.before && { before: entry.before }),
      ...(entry.after && { after: entry.after }),
    });
  }

  /** Makes every instance look again at what a user (null: everybody) may do. */
  async noteAccess(userId: number | null): Promise<void> {
    await noteAccessChange(this.tx, this.tables, userId);
  }

  /** Emits an event once the change is committed. */
  emit<Name extends keyof HookEvents>(name: Name, data: HookEvents[Name]): void {
    const emit = (hooks: HookBus): Promise<unknown> =>
      (hooks.emit as (event: string, value: unknown) => Promise<unknown>).call(hooks, name, data);
    this.#events.push(emit);
  }

  async emitTo(hooks: HookBus): Promise<void> {
    // oxlint-disable-next-line no-await-in-loop -- in the order of what happened
    for (const emit of this.#events) await emit(hooks);
  }

  /** @throws AppError conflict when the change has left no administrator, or the actor without their rights */
  async assertNobodyLockedOut(): Promise<void> {
    const doing = this.#doing;
    if (this.actorId !== null) {
      const kept = createPermissions(await readUserGrants(this.store, this.actorId));
      const lost = OWN_RIGHTS.find((right) => this.#held?.has(right) && !kept.has(right));
      if (lost !== undefined) throw conflict(`Cannot ${doing}: you would lose "${lost}" yourself`);
    }
    if ((await rankAdministration(this.store)) < this.#rank) {
      throw conflict(`Cannot ${doing}: no active administrator would be left`);
    }
  }

  /** @throws AppError authorization_error unless the actor may do everything */
  assertEverything(): void {
    this.assertHolds([EVERYTHING]);
  }

  get #doing(): string {
    const { doing, target } = this.#intent;
    return doing(this.#targetName ?? String(target?.id ?? ""));
  }

  #holds(grant: string): boolean {
    if (this.actor === null || this.#held === null) return true;
    // An API key may hold less than its user.
    return this.#held.has(grant) && this.actor.principal.permissions.has(grant);
  }
}

async function readActorGrants(
  store: { readonly db: Transaction; readonly tables: CoreTables },
  principal: Principal,
): Promise<Permissions> {
  const standing = toStanding(principal);
  await assertStanding(store.db, store.tables, standing);
  await assertFactorsGiven(store.db, store.tables, standing);
  return createPermissions(await readUserGrants(store, standing.userId));
}

function toAuditActor(actor: Actor): Pick<AuditEntry, "actor" | "origin"> {
  return actor === null ? {} : { actor: actor.principal.user, origin: actor.origin };
}

function isRefusal(error: unknown): error is AppError {
  if (!(error instanceof AppError) || error instanceof ConstraintError) return false;
  return error.status === 403 || error.status === 409;
}

function forbidden(message: string): AppError {
  return fail("authorization_error", message);
}

function conflict(message: string): AppError {
  return fail("conflict", message);
}
