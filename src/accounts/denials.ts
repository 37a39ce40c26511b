import type { Logger } from "pino";
import type { Refused } from "../web/error-answers.ts";
import type { Origin } from "./identity/principal.ts";
import type { Principals } from "./identity/principals.ts";
import type { DeniedAccess } from "./people/denied-access.ts";
import type { CoreStore } from "./people/store.ts";

/** What guards refuse with. A code or a password that is asked for again denies nothing yet. */
const DENIALS: ReadonlySet<string> = new Set([
  "authentication_error",
  "authorization_error",
  "cross_site_request",
  "otp_required",
  "viewing_as_user",
]);

/** Returns what writes who was denied what to the audit log; nothing is loaded before somebody was. */
export function createDenials({
  store,
  log,
  principals,
}: {
  readonly store: CoreStore;
  readonly log: Logger;
  readonly principals: Principals;
}) {
  let loading: Promise<DeniedAccess> | null = null;
  const load = (): Promise<DeniedAccess> =>
    (loading ??= import("./people/denied-access.ts").then((made) => new made.DeniedAccess({ store, log })));
  return {
    note({ error, request, id, path, plugin }: Refused, origin: Origin): void {
      if (!DENIALS.has(error.code) || !principals.isAsked(request)) return;
      const principal = principals.peek(request);
      const { viewer = null } = principal ?? {};
      const actor = principal && { ...principal.user, ...(viewer && { viewer }) };
      const { code, message: reason } = error;
      const { method } = request;
      void load().then((denied) =>
        denied.note({ code, reason, plugin, actor, origin, request: { id, method, path } }),
      );
    },
    async close() {
      await (await loading)?.close();
    },
  };
}
