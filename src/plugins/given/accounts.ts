import type { Accounts } from "../../accounts/accounts.ts";
import type { Permissions } from "../../accounts/identity/principal.ts";
import type * as sdk from "../../sdk/xcore.ts";

/** What plugins, and what loads them, need of accounts. */
export type PluginAccounts = Pick<
  Accounts,
  "principals" | "guards" | "users" | "findStandIn" | "devices" | "declarePermissions" | "keepGuardRoles"
>;

/** Creates the `auth` that plugins import. */
export function createPluginAuth({ principals, devices }: PluginAccounts): sdk.PluginAuth {
  const permissionsOf = (subject: Request | sdk.User): Permissions | null => {
    if (!(subject instanceof Request)) return principals.permissionsOf(subject);
    const principal = principals.find(subject);
    return principal === null ? null : principals.permissionsOf(principal.user);
  };
  return {
    currentUser: (request) => principals.find(request)?.user ?? null,
    hasPermission: (subject, permission) => permissionsOf(subject)?.has(permission) ?? false,
    createOtpDevice: (userId, name) => devices.create(userId, name),
  };
}
