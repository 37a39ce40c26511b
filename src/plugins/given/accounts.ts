import type { Accounts } from "../../accounts/accounts.ts";
import type { Guards } from "../../accounts/identity/guards.ts";
import type { Permissions } from "../../accounts/identity/principal.ts";
import type { Principals } from "../../accounts/identity/principals.ts";
import type { CoreStore } from "../../accounts/people/store.ts";
import { declarePermissions } from "../../accounts/rights/permission-catalog.ts";
import type * as sdk from "../../sdk/xcore.ts";

/** What plugins are given of accounts. */
export interface PluginAccounts {
  readonly principals: Principals;
  readonly guards: Guards;
  readonly users: sdk.PluginUsers;
  readonly createOtpDevice: sdk.PluginAuth["createOtpDevice"];
  /** Enters the permissions of a plugin; returns those that belong to somebody else. */
  readonly declarePermissions: (
    plugin: string,
    declared: Readonly<Record<string, string>>,
  ) => Promise<readonly { readonly name: string; readonly owner: string }[]>;
}

/** Picks what plugins are given. */
export function toPluginAccounts(
  { principals, guards, users, devices }: Accounts,
  store: CoreStore,
): PluginAccounts {
  return {
    principals,
    guards,
    users,
    createOtpDevice: (userId, name) => devices.create(userId, name),
    declarePermissions: (plugin, declared) => declarePermissions(store, plugin, declared),
  };
}

/** Creates the `auth` that plugins import. */
export function createPluginAuth({ principals, createOtpDevice }: PluginAccounts): sdk.PluginAuth {
  const permissionsOf = (subject: Request | sdk.User): Permissions | null => {
    if (!(subject instanceof Request)) return principals.permissionsOf(subject);
    const principal = principals.find(subject);
    return principal === null ? null : principals.permissionsOf(principal.user);
  };
  return {
    currentUser: (request) => principals.find(request)?.user ?? null,
    hasPermission: (subject, permission) => permissionsOf(subject)?.has(permission) ?? false,
    createOtpDevice,
  };
}
