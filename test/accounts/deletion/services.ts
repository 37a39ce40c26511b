import { createAccessTokens } from "../../../src/accounts/identity/access-tokens.ts";
import { Deletions } from "../../../src/accounts/deletion/deletions.ts";
import { AccountLinks } from "../../../src/accounts/links/links.ts";
import type { AccountMail } from "../../../src/accounts/people/send-mail.ts";
import type { CoreStore } from "../../../src/accounts/people/store.ts";
import { createRefreshTokens } from "../../../src/accounts/sessions/refresh-tokens.ts";
import { Sessions } from "../../../src/accounts/sessions/sessions.ts";
import { fail } from "../../../src/errors/codes.ts";
import type { HookBus } from "../../../src/hooks/bus.ts";
import { type Clock, silent } from "../factor-accounts.ts";
import { SECRET_KEY } from "../identity.ts";

export const DAYS_MS = 14 * 86_400_000;

/** What deletes accounts, with nothing around it; and the mails that it has sent. */
export function createDeletions(store: CoreStore, clock: Clock, hooks: HookBus) {
  const { now } = clock;
  const mails: AccountMail[] = [];
  const sessions = new Sessions({
    store,
    accessTokens: createAccessTokens({ secretKey: SECRET_KEY, lifetime: 1800, now }),
    refreshTokens: createRefreshTokens(SECRET_KEY),
    lifetimeMs: DAYS_MS,
    longestMs: DAYS_MS,
    now,
  });
  const deletions = new Deletions({
    store,
    hooks,
    sessions,
    links: new AccountLinks(store, now),
    async confirmOwner() {},
    async sendMail(mail) {
      if (mail.to.endsWith(".nowhere")) throw fail("validation_error", "No mail goes there");
      mails.push(mail);
    },
    log: silent,
    now,
  });
  return { deletions, mails };
}
