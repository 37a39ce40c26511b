import { type AnyElysia, Elysia } from "elysia";
import { fail } from "./error-codes.ts";
import { isPermissionName } from "./permission-name.ts";
import type { Principal, User } from "./principal.ts";
import type { Principals } from "./principals.ts";

/** Names of the guards, as options of a route. */
export const GUARDS = ["auth", "permission", "role"] as const;

type Check = (principal: Principal) => void;
type GuardHook = (context: { request: Request; user?: User }) => void;
/** What a guard adds to a handler's context, for Elysia's types. */
export interface GuardContext {
  readonly detail: { security: Record<string, string[]>[] };
  readonly resolve: (context: { request: Request }) => { user: User };
}

const IS_GUARD = Symbol("guard");

/**
 * Creates the guards of routes: `{ auth: true }` asks for somebody known, `{ permission: "invoices:read" }` and
 * `{ role: "admin" }` for what they hold. They run before the request is validated; behind them handlers have
 * `user`.
 */
export function createGuards(principals: Principals) {
  const guard = (check: Check): GuardContext => {
    const transform = toHook((context) => {
      const principal = principals.require(context.request);
      check(principal);
      // Here rather than in a `resolve`, which would look it up again and copy it.
      context.user = principal.user;
    });
    return { detail: { security: [{ bearer: [] }, { api_key: [] }] }, transform } as unknown as GuardContext;
  };
  return new Elysia({ name: "xcore/guards" }).macro({
    auth: (isAsked: boolean) => (isAsked ? guard(() => {}) : {}) as GuardContext,
    permission(permission: string) {
      if (isPermissionName(permission)) return guard((principal) => assertPermission(principal, permission));
      const example = 'expected a resource and an action, such as "invoices:read"';
      throw new TypeError(`Cannot guard a route with the permission "${permission}": ${example}`);
    },
    role(role: string) {
      principals.noteGuardRole(role);
      return guard((principal) => assertRole(principal, role));
    },
  });
}

/** Whether any route of an app has a guard, so that it must be known who asks. */
export function isGuarded(app: AnyElysia): boolean {
  return app.router.history.some(({ hooks }) =>
    [hooks?.transform ?? []]
      .flat()
      .some((hook: object) => "fn" in hook && Object.hasOwn(hook.fn as object, IS_GUARD)),
  );
}

/** @throws AppError authorization_error unless the principal holds the permission */
function assertPermission(principal: Principal, permission: string): void {
  assertOtp(principal);
  if (principal.permissions.has(permission)) return;
  throw fail("authorization_error", `This needs the permission "${permission}"`);
}

/** @throws AppError authorization_error unless the principal holds the role */
function assertRole(principal: Principal, role: string): void {
  assertOtp(principal);
  // A key may do what is named in it, and a role isn't.
  if (principal.apiKeyId === null && principal.user.roles.includes(role)) return;
  throw fail("authorization_error", `This needs the role "${role}"`);
}

function assertOtp({ lacksOtp }: Principal): void {
  if (!lacksOtp) return;
  const message = "A role asks for two factors: enrol a device at /auth/otp/devices, then log in with it";
  throw fail("otp_required", message);
}

/** Said outright that it is synchronous: Elysia guesses from a function's text. */
function toHook(run: GuardHook): GuardHook {
  return { fn: Object.assign(run, { [IS_GUARD]: true }), isAsync: false } as unknown as GuardHook;
}
