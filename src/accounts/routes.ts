import type { AnyElysia } from "elysia";
import type { AppError } from "../errors/errors.ts";
import type { HookBus } from "../hooks/bus.ts";
import type { Templates } from "../templates/templates.ts";
import type { Accounts } from "./accounts.ts";
import { adminRoutes } from "./admin/routes.ts";
import { apiKeyRoutes } from "./api-keys/routes.ts";
import { deletionRoutes } from "./deletion/routes.ts";
import { exportRoutes } from "./export/routes.ts";
import { browserRoutes } from "./browser/routes.ts";
import { BrowserSignIn } from "./browser/sign-in.ts";
import { emailRoutes } from "./email/routes.ts";
import { providerRoutes } from "./federation/routes.ts";
import type { Origin } from "./identity/principal.ts";
import { acceptanceRoutes } from "./invitations/acceptance-routes.ts";
import { invitationRoutes } from "./invitations/routes.ts";
import { Impersonation } from "./impersonation/impersonation.ts";
import { impersonationRoutes } from "./impersonation/routes.ts";
import { authRoutes } from "./login/routes.ts";
import type { CoreStore } from "./people/store.ts";
import { findAccount } from "./people/users.ts";
import { Recovery } from "./recovery/recovery.ts";
import { reportRoutes } from "./recovery/report-routes.ts";
import { recoveryRoutes } from "./recovery/routes.ts";
import { sessionRoutes } from "./sessions/routes.ts";
import { passkeyRoutes } from "./passkeys/routes.ts";
import { setupRoutes } from "./setup/routes.ts";
import { otpRoutes } from "./two-factor/routes.ts";

export interface AccountRoutesOptions {
  readonly accounts: Accounts;
  readonly store: CoreStore;
  readonly hooks: HookBus;
  readonly templates: Pick<Templates, "render">;
  readonly originOf: (request: Request) => Origin;
  /** Is told of what a page refuses: the log has a line for each. */
  readonly noteRefusal: (error: AppError, request: Request) => void;
}

/** Serves accounts below `/auth`, and their administration below `/admin`. */
export function accountRoutes({
  accounts,
  store,
  hooks,
  templates,
  originOf,
  noteRefusal,
}: AccountRoutesOptions): AnyElysia[] {
  const {
    guards,
    principals,
    passwords,
    sessions,
    devices,
    passkeys,
    limits,
    apiKeys,
    notices,
    setup,
    confirmPassword,
    confirmOwner,
    browser,
  } = accounts;
  const context = { guards, principals, originOf };
  const { links, sendMail, afterwork } = accounts;
  const mailing = { links, sendMail, afterwork };
  const isGuardRole = (role: string) => principals.isGuardRole(role);
  const { isMailing, mailArrival, toUrl } = accounts;
  const inviting = { sendMail, isMailing, toUrl, isGuardRole };
  const { providers } = accounts;
  const pages = { ...browser, templates, noteRefusal, listProviders: () => providers.list() };
  const forms = new BrowserSignIn({
    ...pages,
    login: accounts.browserLogin,
    originOf,
    notices,
    findProviderLogout: (...asked) => providers.findLogout(...asked),
  });
  const recovery = new Recovery({ store, links, sendMail, passwords, sessions, notices });
  const recovering = { templates, originOf, afterwork, recovery, mailArrival };
  const impersonation = new Impersonation({
    store,
    hooks,
    sessions,
    lifetimeMs: accounts.impersonationMs,
    isGuardRole,
  });
  return [
    authRoutes({
      ...context,
      site: browser.site,
      login: accounts.login,
      sessions,
      confirmPassword,
      forms,
      registration: accounts.registration,
      passwordChange: {
        store,
        passwords,
        sessions,
        confirmPassword,
        confirmOwner,
        notices,
        ways: accounts.ways,
      },
      profile: { store, secondFactors: devices },
    }),
    emailRoutes({
      ...context,
      ...mailing,
      mailArrival,
      store,
      sessions,
      recovery,
      confirmOwner,
      domains: accounts.registration.domains,
      limits,
      templates,
      noteRefusal,
    }),
    sessionRoutes({ ...context, sessions }),
    otpRoutes({ ...context, devices, confirmOwner, limits: limits.codes }),
    passkeyRoutes({ ...context, site: browser.site, passkeys, confirmOwner, limits: limits.codes }),
    apiKeyRoutes({ ...context, apiKeys, store, confirmOwner }),
    browserRoutes({
      ...context,
      ...pages,
      sessions,
      devices,
      passkeys: passkeys.own,
      confirmPassword,
      impersonation,
      codeLimits: limits.codes,
      findProofs: async (userId) => ({
        hasPassword: (await findAccount(store, userId))?.password_hash != null,
        providers: await providers.listLinked(userId),
      }),
      needsSetup: () => setup.isNeeded(),
    }),
    exportRoutes({ ...context, store, hooks, confirmOwner }),
    deletionRoutes({ ...context, templates, deletions: accounts.deletions }),
    providerRoutes({ ...context, ...pages, store, sessions, forms, providers, limits: limits.login }),
    recoveryRoutes({ ...recovering, limit: limits.mailsByClient }),
    reportRoutes({ ...recovering, reports: { store, links, sessions } }),
    setupRoutes({ setup, templates, originOf, signIn: (request, user) => forms.enter(request, user) }),
    impersonationRoutes({ ...context, confirmOwner, impersonation, credentials: browser.credentials }),
    invitationRoutes({ ...context, ...inviting, store, hooks }),
    acceptanceRoutes({
      ...context,
      ...inviting,
      store,
      hooks,
      passwords,
      templates,
      noteRefusal,
      site: browser.site,
      listProviders: () => providers.list(),
      signIn: (request, user) => forms.enter(request, user),
    }),
    adminRoutes({ ...context, store, hooks, passwords, confirmOwner, sessions, apiKeys, notices }),
  ];
}
