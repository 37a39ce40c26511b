import { Elysia } from "elysia";
import type { Origin } from "../identity/principal.ts";
import type { Principals } from "../identity/principals.ts";
import type { Guards } from "../identity/guards.ts";
import { auditRoutes } from "./audit.ts";
import { roleRoutes } from "./role-routes.ts";
import { type CredentialServices, credentialRoutes } from "./user-credentials.ts";
import { userAccessRoutes, userRoutes } from "./user-routes.ts";
import type { UserServices } from "./users.ts";

export interface AdminRoutesOptions extends UserServices, CredentialServices {
  readonly guards: Guards;
  readonly principals: Principals;
  readonly originOf: (request: Request) => Origin;
}

/** Serves the administration of accounts below `/admin`: users, roles, permissions and the audit log. */
export function adminRoutes({ guards, principals, originOf, ...given }: AdminRoutesOptions) {
  const services = { ...given, isGuardRole: (role: string) => principals.isGuardRole(role) };
  const actorOf = (request: Request) => ({
    principal: principals.require(request),
    origin: originOf(request),
  });
  return new Elysia({ name: "xcore/admin" })
    .use(userRoutes({ ...services, guards, actorOf }))
    .use(userAccessRoutes({ ...services, guards, actorOf }))
    .use(credentialRoutes({ ...services, guards, actorOf }))
    .use(roleRoutes({ ...services, guards, actorOf }))
    .use(auditRoutes({ store: services.store, guards }));
}
