import type { Transaction } from "../../db/contract/database.ts";
import type { AppError } from "../../errors/errors.ts";
import { fail } from "../../errors/codes.ts";
import { type CoreStore, noteAccessChange } from "../people/store.ts";
import { writeAudit } from "../people/audit.ts";
import { normalizeEmail } from "../people/emails.ts";
import { hashToken, isSameText, makeToken } from "../keys/opaque-tokens.ts";
import { steadyNow } from "../people/steady-clock.ts";
import type { Passwords } from "../login/passwords.ts";
import type { Origin } from "../identity/principal.ts";
import { type NewUser, toUserView, type UserView } from "../login/registration.ts";
import { normalizeFullName } from "../people/names.ts";
import { insertAccount } from "../people/users.ts";
import { ADMIN_ROLE, grantRole, hasAdministrator, lockAdministration } from "../rights/builtin-roles.ts";

const LIFETIME_MS = 30 * 60_000;

export interface SetupLinkOptions {
  readonly store: CoreStore;
  readonly passwords: Passwords;
  /** Shows text to whoever started the server: on the console, and never in a log file. */
  readonly print: (text: string) => void;
  /** @default steadyNow */
  readonly now?: () => number;
}

/** The link of processes that answer together. */
export interface SharedSetupLink {
  readonly token: string;
  /** How long it has been valid, in ms. */
  readonly ageMs: number;
  /** Whether this process shows it. */
  readonly isShown: boolean;
}

/** The one-time link to the page that makes the first administrator. */
export interface SetupLink {
  /** Whether there is no administrator yet, for pages that say so; false as well where the database can't tell. */
  isNeeded(): Promise<boolean>;
  /** Prints a new link below the server's URL, and voids the last one, when there is no administrator. */
  announce(url: string, shared?: SharedSetupLink | null): Promise<void>;
  /** @throws AppError not_found unless the token is that of the link, which is neither used, nor old, nor needless */
  assertValid(token: string): Promise<void>;
  /**
   * Makes the first administrator, once.
   *
   * @throws AppError not_found as assertValid
   * @throws AppError validation_error, conflict for an account that can't be made; the link can still be used
   */
  complete(request: {
    readonly token: string;
    readonly user: NewUser;
    readonly origin: Origin;
  }): Promise<UserView>;
}

/** Creates the setup link. Its token is kept in memory, hashed: a restart voids it. */
export function createSetupLink(options: SetupLinkOptions): SetupLink {
  const { store, print, now = steadyNow } = options;
  let link: { readonly hash: string; readonly expiresAt: number } | null = null;

  const assertValid = async (token: string): Promise<void> => {
    const isOurs = link !== null && isSameText(link.hash, hashToken(token)) && now() < link.expiresAt;
    if (!isOurs || (await isSetUp(store))) throw notFound();
  };

  return {
    assertValid,
    isNeeded: createSetupCheck(store),
    async announce(url, shared = null) {
      if (await isSetUp(store)) return;
      const token = shared?.token ?? makeToken();
      link = { hash: hashToken(token), expiresAt: now() + LIFETIME_MS - (shared?.ageMs ?? 0) };
      if (shared?.isShown !== false) print(toNotice(url, token));
    },
    async complete({ token, user, origin }) {
      await assertValid(token);
      const taken = link;
      if (taken === null || !isSameText(taken.hash, hashToken(token))) throw notFound();
      // Before anything is awaited: of two people who press the button at once, one goes on.
      link = null;
      try {
        return toUserView(await addAdministrator(options, user, origin));
      } catch (error) {
        link ??= taken;
        throw error;
      }
    },
  };

  async function addAdministrator({ passwords }: SetupLinkOptions, user: NewUser, origin: Origin) {
    const { db, tables } = store;
    const email = normalizeEmail(user.email);
    const fullName = normalizeFullName(user.full_name);
    const password = await passwords.choose(user.password, { email, isAdministrator: true });
    const made = async (tx: Transaction) => {
      // Another instance may have printed a link too, and somebody may have used it meanwhile.
      await lockAdministration(tx, tables);
      if (await isSetUp({ db: tx, tables })) throw notFound();
      const account = await insertAccount(tx, tables, { email, fullName, password });
      await grantRole(tx, tables, account.id, ADMIN_ROLE);
      await noteAccessChange(tx, tables, account.id);
      const target = { type: "user", id: account.id };
      await writeAudit(tx, tables, {
        action: "user.first_administrator",
        actor: account,
        target,
        origin,
        after: { email },
      });
      return account;
    };
    return db.transaction(made, { isolation: "read committed", retries: 3 });
  }
}

/** An administrator who is locked until they set another password makes nobody else one by that. */
function isSetUp(store: Parameters<typeof hasAdministrator>[0]): Promise<boolean> {
  return hasAdministrator(store, { countsLocked: true });
}

function createSetupCheck(store: CoreStore): SetupLink["isNeeded"] {
  let isOver = false;
  return async () => {
    if (isOver) return false;
    try {
      // Whoever is the last one can't be removed.
      isOver = await isSetUp(store);
      return !isOver;
    } catch {
      return false;
    }
  };
}

function notFound(): AppError {
  return fail("not_found", "This link isn't valid, or no longer: a restart of the server prints a new one");
}

function toNotice(url: string, token: string): string {
  return (
    "\nThere is no administrator yet. Make the first one on this page, within 30 minutes:\n" +
    `  ${url.replace(/\/+$/, "")}/auth/setup?token=${token}\n`
  );
}
