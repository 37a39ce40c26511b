import type { AnyElysia } from "elysia";
import type { HookBus } from "../hooks/bus.ts";
import type { Accounts } from "./accounts.ts";
import { adminRoutes } from "./admin/routes.ts";
import { apiKeyRoutes } from "./api-keys/routes.ts";
import type { Origin } from "./identity/principal.ts";
import { authRoutes } from "./login/routes.ts";
import type { CoreStore } from "./people/store.ts";
import { sessionRoutes } from "./sessions/routes.ts";
import { setupRoutes } from "./setup/routes.ts";
import { otpRoutes } from "./two-factor/routes.ts";

export interface AccountRoutesOptions {
  readonly accounts: Accounts;
  readonly store: CoreStore;
  readonly hooks: HookBus;
  readonly appName: string;
  readonly originOf: (request: Request) => Origin;
}

/** Serves accounts below `/auth`, and their administration below `/admin`. */
export function accountRoutes({
  accounts,
  store,
  hooks,
  appName,
  originOf,
}: AccountRoutesOptions): AnyElysia[] {
  const { guards, principals, passwords, sessions, devices, limits, apiKeys, setup, confirmPassword } =
    accounts;
  const context = { guards, principals, originOf };
  return [
    authRoutes({
      ...context,
      login: accounts.login,
      registration: accounts.registration,
      passwordChange: { store, passwords, sessions, confirmPassword },
      profile: { store, secondFactors: devices },
    }),
    sessionRoutes({ ...context, sessions }),
    otpRoutes({ ...context, devices, confirmPassword, limits: limits.codes }),
    apiKeyRoutes({ ...context, apiKeys, store, confirmPassword }),
    setupRoutes({ setup, appName, originOf }),
    adminRoutes({ ...context, store, hooks, passwords, confirmPassword, sessions, apiKeys }),
  ];
}
