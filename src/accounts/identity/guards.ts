import { Elysia } from "elysia";
import type { AppError } from "../../errors/errors.ts";
import { markPrivate } from "../../web/answers.ts";
import {
  type IdempotentOptions,
  type KeepAnswer,
  toKeepingHook,
} from "../../web/idempotency/idempotent-routes.ts";
import type { Lock } from "../../web/openapi/locks.ts";
import {
  type CheckedContext,
  type FollowAccess,
  type Preparation,
  type ServedRoute,
  toPreparedHook,
} from "../../web/routes.ts";
import { type RateLimits, type RouteLimitOptions, toRouteLimit } from "../../web/throttling/rate-limits.ts";
import { fail } from "./error-codes.ts";
import { isPermissionName } from "./permission-name.ts";
import type { Principal, User } from "./principal.ts";
import type { Principals } from "./principals.ts";

/** Names of what asks who makes a request, as options of a route; `optionalAuth` lets everybody through. */
export const GUARDS = ["auth", "optionalAuth", "permission", "role"] as const;

/** What a guard asks for; that of `optionalAuth` only wants to know who it is. */
export type Guard =
  | { readonly auth: true }
  | { readonly optional_auth: true }
  | { readonly permission: string }
  | { readonly role: string };

export interface GuardsOptions {
  readonly principals: Principals;
  /** Notes in `principals` who makes a request; null when there is nothing to wait for. */
  readonly authenticate: Preparation;
  /** Ends WebSockets and streams whose guards wouldn't let them in any more. @default nothing does */
  readonly follow?: FollowAccess;
  /** Counts requests. @default nothing is limited */
  readonly limits?: RateLimits;
  /** Answers requests that can be sent again. @default each is carried out */
  readonly keepAnswer?: KeepAnswer;
}

type Check = (principal: Principal) => void;
type GuardHook = (context: CheckedContext & { user?: User | null }) => void;
/** What a guard adds to a handler's context, for Elysia's types. */
export interface GuardContext<Found extends User | null = User> {
  readonly resolve: (context: { request: Request }) => { user: Found };
}

/** The guards, for routes to use. */
export type Guards = ReturnType<typeof createGuards>;

/** What only who may do everything holds. */
const EVERYTHING = "*";
const ASKED = Symbol("guard");
const LOCK: Lock = {
  schemes: ["password", "bearer", "api_key"],
  needs: [],
  text: "Requires authentication.",
  isOptional: false,
};

/**
 * Creates the guards of routes: `{ auth: true }` asks for somebody known, `{ permission: "invoices:read" }` and
 * `{ role: "admin" }` for what they hold. They run before the request is validated; behind them handlers have
 * `user`. With `{ optionalAuth: true }` they have it too, null for nobody known. Who asks is found out in these
 * routes alone.
 */
export function createGuards({ principals, authenticate, follow, keepAnswer, limits }: GuardsOptions) {
  const userIdOf = (request: Request): number | null => principals.presentIdOf(request);
  const count = (request: Request): void => {
    const userId = userIdOf(request);
    if (userId !== null) limits?.countUser(request, userId);
  };
  const toContext = (asked: Guard, lock: Lock, run: GuardHook): object => ({
    transform: toPreparedHook(Object.assign(run, { [ASKED]: asked }), {
      prepare: authenticate,
      count,
      proof: principals,
      ...(follow && { follow }),
      lock,
    }),
  });
  const guard = (asked: Guard, lock: Partial<Lock>, check: Check) =>
    toContext(asked, { ...LOCK, ...lock }, (context) => {
      markPrivate(context.request);
      const principal = principals.require(context.request);
      check(principal);
      // Here rather than in a `resolve`, which would look it up again and copy it.
      context.user = principal.user;
    }) as GuardContext;
  const identify = () =>
    toContext({ optional_auth: true }, { ...LOCK, text: null, isOptional: true }, (context) => {
      const { request, user, isAtWork = false } = context;
      const principal = isAtWork && user ? principals.require(request) : principals.find(request);
      if (principal !== null) markPrivate(request);
      context.user = principal?.user ?? null;
    }) as GuardContext<User | null>;
  return new Elysia({ name: "xcore/guards" }).macro({
    auth: (isAsked: boolean) => (isAsked ? guard({ auth: true }, {}, () => {}) : {}) as GuardContext,
    // Not a value of `auth`: Elysia tells a handler's types by the names of its options alone.
    optionalAuth: (isAsked: boolean) => (isAsked ? identify() : {}) as GuardContext<User | null>,
    idempotent: (asked: boolean | IdempotentOptions) => {
      if (asked === false || keepAnswer === undefined) return {};
      return toKeepingHook({ keep: keepAnswer, options: asked === true ? {} : asked });
    },
    rateLimit(asked: RouteLimitOptions) {
      const limit = toRouteLimit(asked);
      const countRoute = (request: Request, route: string): void =>
        limits?.countRoute(request, route, limit, userIdOf(request));
      return { transform: toPreparedHook(() => {}, { prepare: authenticate, count: countRoute, limit }) };
    },
    permission(permission: string) {
      if (isPermissionName(permission) || permission === EVERYTHING) {
        const lock = { needs: [permission], text: `Requires the permission \`${permission}\`.` };
        return guard({ permission }, lock, (principal) => assertPermission(principal, permission));
      }
      const example = 'expected a resource and an action, such as "invoices:read"';
      throw new TypeError(`Cannot guard a route with the permission "${permission}": ${example}`);
    },
    role(role: string) {
      principals.noteGuardRole(role);
      const text = `Requires the role \`${role}\`, which API keys don't have.`;
      const lock: Partial<Lock> = { schemes: ["password", "bearer"], needs: [role], text };
      return guard({ role }, lock, (principal) => assertRole(principal, role));
    },
  });
}

/** Lists what the guards of a route ask for: all of them must let a request through. */
export function guardsOf({ hooks }: Pick<ServedRoute, "hooks">): Guard[] {
  const guards = [hooks.transform ?? []].flat() as { readonly fn?: { readonly [ASKED]?: Guard } }[];
  return guards.flatMap(({ fn }) => fn?.[ASKED] ?? []);
}

/** The error of somebody known who may not do this. */
export function toForbidden(message: string): AppError {
  return fail("authorization_error", message);
}

/** @throws AppError authorization_error unless the principal holds the permission; otp_required */
export function assertPermission(principal: Principal, permission: string): void {
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
