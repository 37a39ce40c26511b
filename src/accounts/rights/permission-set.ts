import { isGrant } from "../identity/permission-name.ts";
import type { Permissions } from "../identity/principal.ts";

export { isGrant, isPermissionName } from "../identity/permission-name.ts";

/** Answers that are kept of one set: more than there are permissions to ask for. */
const MAX_ANSWERS = 512;

/**
 * Creates the set of what is granted. "invoices:*" covers every permission of invoices, "*" every permission;
 * `has` answers for wildcards too: whoever has "*" has "invoices:*". Text that is no grant is left out.
 */
export function createPermissions(granted: readonly string[]): Permissions {
  const grants = new Set(granted.filter(isGrant));
  const isAll = grants.has("*");
  const answers = new Map<string, boolean>();
  const covers = (permission: string): boolean => {
    if (!isGrant(permission)) return false;
    if (isAll || grants.has(permission)) return true;
    return grants.has(`${permission.slice(0, permission.indexOf(":"))}:*`);
  };
  return {
    granted: Object.freeze([...grants].toSorted()),
    has(permission) {
      const known = answers.get(permission);
      if (known !== undefined) return known;
      const answer = covers(permission);
      if (answers.size < MAX_ANSWERS) answers.set(permission, answer);
      return answer;
    },
  };
}

/** Returns what an API key may do: what was granted to it and its owner still holds. */
export function restrictPermissions(held: Permissions, granted: readonly string[]): Permissions {
  const given = createPermissions(granted);
  return createPermissions([
    ...held.granted.filter((grant) => given.has(grant)),
    ...given.granted.filter((grant) => held.has(grant)),
  ]);
}
