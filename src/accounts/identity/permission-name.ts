const NAME = /^[a-z][a-z0-9_]*:[a-z][a-z0-9_]*$/;
const GRANT = /^(?:\*|[a-z][a-z0-9_]*:(?:\*|[a-z][a-z0-9_]*))$/;
/** Columns that hold them are as wide. */
const MAX_LENGTH = 128;

/** Whether it names a permission, such as "invoices:read": a resource and an action, without dots. */
export function isPermissionName(text: string): boolean {
  return NAME.test(text) && text.length <= MAX_LENGTH;
}

/** Whether a role can hold it: the name of a permission, "invoices:*" or "*". */
export function isGrant(text: string): boolean {
  return GRANT.test(text) && text.length <= MAX_LENGTH;
}
