import type { SecretBox } from "../accounts/keys/secret-box.ts";
import { assertKnownOptions } from "../errors/suggestion.ts";
import { toRecipient } from "./contract/addresses.ts";
import type { Outbox, Tx } from "./outbox.ts";
import type { MailContent, MailMessage, MailOwner } from "./contract/records.ts";

export interface WritingOptions {
  readonly owner: MailOwner;
  readonly outbox: Outbox;
  readonly box: SecretBox;
  readonly origin: string;
  readonly tx: Tx;
  /** Enqueues a job for each mail; returns their ids. */
  readonly enqueue: (mails: readonly string[]) => Promise<string[]>;
}

const KEYS = ["to", "template", "data", "language", "expiresIn"];
const TEMPLATE = /^[a-z0-9][\w-]{0,63}(?:\/[\w-]{1,63})?$/i;
const LANGUAGE = /^[a-z]{2,3}(?:-[A-Z]{2})?$/;
const MAX_EXPIRY = 365 * 86_400;
const MAX_CONTENT = 1024 * 1024; // characters

/** Renders mails and writes them down, each with its job; returns their ids. @throws as `send` of Mail */
export async function writeDown(
  messages: readonly MailMessage[],
  { owner, outbox, box, origin, tx, enqueue }: WritingOptions,
): Promise<string[]> {
  const checked = messages.map(check);
  const unsaid = checked.filter(({ language }) => language === null).map(({ to }) => to);
  const languages = unsaid.length === 0 ? null : await outbox.languagesOf(tx, unsaid);
  const rows = await Promise.all(
    checked.map(async ({ to, template, data, expiresAt, ...one }) => {
      const id = Bun.randomUUIDv7();
      const chosen = one.language ?? languages?.get(to) ?? null;
      const { subject, language, ...content } = await owner.render(template, { ...data, to, origin }, chosen);
      return {
        id,
        plugin: owner.plugin,
        template,
        language,
        recipient: to,
        subject,
        state: "waiting" as const,
        content: await box.seal(write(content, template), id),
        expires_at: expiresAt,
      };
    }),
  );
  const jobs = await enqueue(rows.map(({ id }) => id));
  await outbox.insert(
    tx,
    rows.map((row, index) => ({ ...row, job_id: jobs[index] as string })),
  );
  return rows.map(({ id }) => id);
}

function check(message: MailMessage) {
  if (typeof message !== "object" || message === null)
    throw new TypeError("Cannot send mail: expected { to, template, data }");
  assertKnownOptions(message, KEYS, "Cannot send mail");
  const { template, data = {}, language = null, expiresIn = null } = message;
  const to = toRecipient(message.to);
  if (typeof template !== "string" || !TEMPLATE.test(template))
    throw new TypeError(
      `Cannot send mail: "template" is a name such as "welcome", for templates/mail/welcome.html`,
    );
  const doing = `Cannot send the mail "${template}"`;
  if (typeof data !== "object" || data === null || Array.isArray(data))
    throw new TypeError(`${doing}: "data" must be an object`);
  if (language !== null && (typeof language !== "string" || !LANGUAGE.test(language)))
    throw new TypeError(`${doing}: "language" must be one such as "fr"`);
  if (expiresIn !== null && !(typeof expiresIn === "number" && expiresIn > 0 && expiresIn <= MAX_EXPIRY))
    throw new RangeError(`${doing}: "expiresIn" must be a number of seconds from 0 to ${MAX_EXPIRY}`);
  const expiresAt = expiresIn === null ? null : new Date(Date.now() + expiresIn * 1000);
  return { to, template, data, language, expiresAt };
}

function write({ text, html }: MailContent, template: string): string {
  const written = JSON.stringify({ text: text.toWellFormed(), html: html.toWellFormed() });
  if (written.length <= MAX_CONTENT) return written;
  throw new RangeError(`Cannot send the mail "${template}": it has more than 1 MB of text`);
}
