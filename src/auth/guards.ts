import { Elysia } from "elysia";
import { AppError } from "../errors/app-error.ts";
import type { Principal, User } from "./principal.ts";
import type { Principals } from "./principals.ts";

/** Names of the guards, as options of a route. */
export const GUARDS = ["auth", "permission", "role"] as const;

type Check = (principal: Principal) => void;

/**
 * Creates the guards of routes: `{ auth: true }` asks for somebody known, `{ permission: "invoices:read" }` and
 * `{ role: "admin" }` for what they hold. They run before the request is validated; behind them handlers have
 * `user`.
 */
export function createGuards(principals: Principals) {
  const guard = (check: Check) => ({
    detail: { security: [{ bearer: [] }, { api_key: [] }] },
    transform: toHook(({ request }) => check(principals.require(request))),
    resolve: ({ request }: { request: Request }): { user: User } => ({ user: principals.require(request).user }),
  });
  return new Elysia({ name: "xcore/guards" }).macro({
    auth: (isAsked: boolean) => (isAsked ? guard(() => {}) : {}) as ReturnType<typeof guard>,
    permission: (permission: string) => guard((principal) => assertPermission(principal, permission)),
    role: (role: string) => guard((principal) => assertRole(principal, role)),
  });
}

/** @throws AppError authorization_error unless the principal holds the permission */
export function assertPermission(principal: Principal, permission: string): void {
  assertOtp(principal);
  if (principal.permissions.has(permission)) return;
  throw new AppError("authorization_error", 403, `This needs the permission "${permission}"`);
}

/** @throws AppError authorization_error unless the principal holds the role */
export function assertRole(principal: Principal, role: string): void {
  assertOtp(principal);
  if (principal.user.roles.includes(role)) return;
  throw new AppError("authorization_error", 403, `This needs the role "${role}"`);
}

function assertOtp({ lacksOtp }: Principal): void {
  if (!lacksOtp) return;
  const message = "A role asks for two factors: enrol a device at /auth/otp/devices, then log in with it";
  throw new AppError("otp_required", 403, message);
}

/** Said outright that it is synchronous: Elysia guesses from a function's text. */
function toHook(run: (context: { request: Request }) => void): (context: { request: Request }) => void {
  return { fn: run, isAsync: false } as unknown as typeof run;
}
