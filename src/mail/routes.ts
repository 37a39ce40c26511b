import { Elysia, t } from "elysia";
import type { Guards } from "../accounts/identity/guards.ts";
import type { Origin } from "../accounts/identity/principal.ts";
import { writeAudit } from "../accounts/people/audit.ts";
import type { CoreStore } from "../accounts/people/store.ts";
import { listOf, page } from "../db/paging/paginate.ts";
import { MailAnswer, State } from "./answers.ts";
import { MailDesk } from "./desk.ts";
import type { Mail } from "./mail.ts";

export interface MailRoutesOptions {
  readonly mail: Mail;
  readonly store: CoreStore;
  readonly guards: Guards;
  readonly originOf: (request: Request) => Origin;
}

type Asking = { readonly user: { readonly id: number; readonly email: string }; readonly request: Request };

const READ = { permission: "mail:read" } as const;
const MANAGE = { permission: "mail:manage" } as const;
const Id = t.Object({ id: t.String({ format: "uuid" }) });

/** Serves what becomes of mail below `/system/mails`. */
export function mailRoutes({ mail, store, guards, originOf }: MailRoutesOptions) {
  const desk = new MailDesk(mail, store);
  const note = (action: string, id: string, { user: actor, request }: Asking) =>
    writeAudit(store.db, store.tables, {
      action,
      actor,
      target: { type: "mail", id },
      origin: originOf(request),
    });
  return new Elysia({ name: "xcore/mail", prefix: "/system/mails", detail: { tags: ["system"] } })
    .use(guards)
    .get("", ({ query: { state, plugin, to, ...query } }) => desk.list({ state, plugin, to }, query), {
      ...READ,
      query: t.Object({
        ...page.properties,
        state: t.Optional(State),
        plugin: t.Optional(t.String({ maxLength: 64, pattern: "^[a-z0-9_]+$" })),
        to: t.Optional(t.String({ maxLength: 255, description: "The whole address" })),
      }),
      response: { 200: listOf(MailAnswer) },
      detail: { summary: "Mail, the newest first" },
    })
    .get("/:id", ({ params }) => desk.read(params.id), {
      ...READ,
      params: Id,
      response: { 200: MailAnswer },
      detail: { summary: "One mail, without what it says" },
    })
    .post(
      "/:id/resend",
      async ({ params: { id }, ...context }) => {
        await desk.resend(id);
        await note("mail.resent", id, context);
        return desk.read(id);
      },
      {
        ...MANAGE,
        params: Id,
        response: { 200: MailAnswer },
        detail: {
          summary:
            "Send a mail again that has failed, may have been sent or was cancelled, or at once one that waits",
        },
      },
    )
    .post(
      "/:id/cancel",
      async ({ params: { id }, ...context }) => {
        await desk.cancel(id);
        await note("mail.cancelled", id, context);
        return desk.read(id);
      },
      {
        ...MANAGE,
        params: Id,
        response: { 200: MailAnswer },
        detail: { summary: "Cancel a mail that waits" },
      },
    );
}
