import { AppError } from "../../errors/errors.ts";
import { fail } from "./error-codes.ts";
import type { Access, Permissions, Principal, User, Viewer } from "./principal.ts";

/** Somebody in whose name another site may have sent a request. */
export interface Unproven {
  readonly principal: Principal;
  /** Whether the body of the request shows that it comes from a page of ours. */
  readonly isProvenBy: (body: unknown) => boolean;
}

/** Who is behind those requests under way whose routes ask. */
export class Principals {
  readonly #known = new WeakMap<Request, Principal | AppError | null>();
  readonly #unproven = new WeakMap<Request, Unproven>();
  readonly #proven = new WeakSet<Request>();
  readonly #permissions = new WeakMap<User, Permissions>();
  readonly #guardRoles = new Set<string>();

  /** Notes who a request comes from, why what it presented isn't valid, or null when it presented nothing. */
  set(request: Request, principal: Principal | AppError | null): void {
    this.#known.set(request, principal);
  }

  /** Notes that nobody is known to make a request, for this reason, unless its body proves it. */
  setUnproven(request: Request, refusal: AppError, unproven: Unproven): void {
    this.#known.set(request, this.#proven.has(request) ? unproven.principal : refusal);
    this.#unproven.set(request, unproven);
  }

  /** Whether who makes a request may still become known by its body. */
  mayBeProven(request: Request): boolean {
    return this.#unproven.has(request);
  }

  /** Makes somebody known by the body of their request, where it takes one. */
  prove(request: Request, body: unknown): void {
    if (!(this.#known.get(request) instanceof AppError)) return;
    const unproven = this.#unproven.get(request);
    if (unproven?.isProvenBy(body) !== true) return;
    this.#known.set(request, unproven.principal);
    this.#proven.add(request);
  }

  /** Returns who a request comes from, null for nobody known. @throws TypeError when its route doesn't ask */
  find(request: Request): Principal | null {
    const known = this.#known.get(request);
    if (known !== undefined) return known instanceof AppError ? null : known;
    const message = "Cannot tell who makes a request whose route doesn't ask";
    throw new TypeError(
      `${message}: add { optionalAuth: true } to the route, and pass on its own \`request\``,
    );
  }

  /** Like find, for whoever doesn't know whether the route asks; null where it doesn't. */
  peek(request: Request): Principal | null {
    const known = this.#known.get(request);
    return known === undefined || known instanceof AppError ? null : known;
  }

  /** Whether the route of a request asks who makes it. */
  isAsked(request: Request): boolean {
    return this.#known.has(request);
  }

  /** Returns the id of who sits before the client, for what counts their requests: who views as somebody else takes nothing of theirs. */
  presentIdOf(request: Request): number | null {
    const principal = this.peek(request);
    return principal === null ? null : (principal.viewer?.id ?? principal.user.id);
  }

  /** Remembers what somebody may do, for whoever has only the user. */
  remember(user: User, permissions: Permissions): void {
    this.#permissions.set(user, permissions);
  }

  /** Forgets what somebody may do: they aren't known any more. */
  forget(user: User): void {
    this.#permissions.delete(user);
  }

  /** Returns what a user of a request, or of the directory, may do; null for one who isn't known to be active. */
  permissionsOf(user: User): Permissions | null {
    return this.#permissions.get(user) ?? null;
  }

  /** Notes that routes ask for a role by its name, which makes the role more than the permissions that it grants. */
  noteGuardRole(role: string): void {
    this.#guardRoles.add(role);
  }

  /** Whether any route has asked for this role by its name. */
  isGuardRole(role: string): boolean {
    return this.#guardRoles.has(role);
  }

  /** Like find. @throws AppError authentication_error for nobody known */
  require(request: Request): Principal {
    const known = this.#known.get(request);
    if (known === undefined || known === null)
      throw unauthenticated("Log in first: this needs an access token or an API key");
    if (known instanceof AppError) throw known;
    return known;
  }
}

/** A session that somebody is known by. */
export interface KnownSession extends Pick<Principal, "expiresAt" | "viewer"> {
  readonly sessionId: string;
  readonly hasOtp: boolean;
}

/** Returns who is behind a session. */
export function toSessionPrincipal(
  { user: known, permissions, preferences, requiresOtp }: Access & { readonly user: User },
  { sessionId, hasOtp, expiresAt, viewer = null }: KnownSession,
): Principal {
  const lacksOtp = requiresOtp && !hasOtp;
  const user = viewer === null ? known : withViewer(known, viewer);
  return { user, preferences, permissions, lacksOtp, sessionId, apiKeyId: null, viewer, expiresAt };
}

function withViewer(user: User, { id, email }: Viewer): User {
  return Object.freeze({ ...user, viewer: Object.freeze({ id, email }) });
}

/** The error of whoever isn't known, with the challenge of RFC 6750. */
export function unauthenticated(message: string): AppError {
  return fail("authentication_error", message, { headers: { "www-authenticate": "Bearer" } });
}
