import { t } from "elysia";
import { MAIL_STATES, type MailRow, type MailState } from "./contract/records.ts";

const Time = t.String({ format: "date-time" });

export const State = t.Unsafe<MailState>(t.Union(MAIL_STATES.map((state) => t.Literal(state))));

/** A mail as it is shown: never what it says, for links in it may let somebody in. */
export const MailAnswer = t.Object({
  id: t.String({ format: "uuid" }),
  plugin: t.String({ description: "Whose mail it is; core for the core's own" }),
  template: t.String(),
  language: t.String(),
  to: t.String(),
  subject: t.String(),
  state: State,
  attempts: t.Integer({ description: "How many tries there have been" }),
  response: t.Nullable(t.String({ description: "What the server said when it took it" })),
  error: t.Nullable(t.String({ description: "Why it failed last, or waits" })),
  can_resend: t.Boolean({ description: "Whether what it says is still kept" }),
  created_at: Time,
  due_at: t.Nullable(t.String({ format: "date-time", description: "When it is tried again" })),
  expires_at: t.Nullable(Time),
  ended_at: t.Nullable(Time),
});

export type MailAnswer = typeof MailAnswer.static;

/** Says of a mail what everybody may know who sees mail. */
export function toAnswer(row: Omit<MailRow, "content"> & { readonly isKept: boolean }): MailAnswer {
  const { id, plugin, template, language, subject, state, attempts, response, error } = row;
  return {
    id,
    plugin,
    template,
    language,
    to: row.recipient,
    subject,
    state,
    attempts,
    response,
    error,
    can_resend: row.isKept && state !== "sending",
    created_at: row.created_at.toISOString(),
    due_at: row.due_at?.toISOString() ?? null,
    expires_at: row.expires_at?.toISOString() ?? null,
    ended_at: row.ended_at?.toISOString() ?? null,
  };
}
