import type { TestApp } from "../setup.ts";

/** A mail that was written down, as its recipient would read it. */
export interface ReadMail {
  readonly to: string;
  readonly subject: string;
  readonly template: string;
  readonly language: string | null;
  readonly text: string;
  readonly html: string;
}

/** The mails of an app, in the order in which they were written, once all is done that was asked for. */
export async function readMails({ app }: TestApp): Promise<ReadMail[]> {
  await app.accounts.afterwork.settle();
  const rows = await (await app.mail.outbox()).listAll();
  return Promise.all(
    rows.map(async (row) => {
      const { recipient: to, subject, template, language } = row;
      const { text, html } = (await app.mail.readContent(row)) ?? { text: "", html: "" };
      return { to, subject, template, language, text, html };
    }),
  );
}

/** The path of a link in a mail, with its token. */
export function linkIn({ text }: Pick<ReadMail, "text">, path: string): string {
  const found = new RegExp(`https?://[^\\s/]+(${path}\\?token=[\\w-]{43})`).exec(text)?.[1];
  if (found === undefined) throw new Error(`no link to ${path} in: ${text}`);
  return found;
}

/** The token of a link. */
export function tokenOf(link: string): string {
  return link.slice(link.indexOf("=") + 1);
}
