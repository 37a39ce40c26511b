import { Readable } from "node:stream";
import type { Sender } from "../contract/addresses.ts";

/** A mail that is to be composed. */
export interface ComposedOf {
  readonly id: string;
  readonly from: Sender;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  readonly language: string;
}

/** But tabs, and what ends lines. */
// oxlint-disable-next-line no-control-regex -- users may have typed any
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g;

/** Writes a mail as it goes over the wire (RFC 5322, MIME). Its Message-ID is the same at each try. */
export async function composeMessage({
  id,
  from,
  to,
  language,
  subject,
  text,
  html,
}: ComposedOf): Promise<Buffer> {
  const { default: MailComposer } = await import("nodemailer/lib/mail-composer");
  const domain = from.address.slice(from.address.lastIndexOf("@") + 1);
  const composer = new MailComposer({
    subject,
    text: toLines(text),
    html: toLines(html),
    from: { ...from },
    to: { name: "", address: to },
    messageId: `<${id}@${domain}>`,
    date: new Date(),
    headers: {
      "Content-Language": language,
      // RFC 3834: nobody's absence is answered to a program.
      "Auto-Submitted": "auto-generated",
      "X-Auto-Response-Suppress": "All",
    },
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return composer.compile().build();
}

/** Lines with one end, without other controls: what ends a line for one server alone could end a mail, and begin another. */
function toLines(text: string): string {
  return text.replaceAll(/\r\n?|\n/g, "\r\n").replaceAll(CONTROLS, "");
}

/**
 * Gives a message, and before its end asks whether it may end: what a server hasn't seen the end of, it doesn't take.
 *
 * @param beforeEnd throws where it may not
 */
export function toEndingStream(message: Buffer, beforeEnd: () => Promise<void>): Readable {
  return Readable.from(
    (async function* give() {
      yield message;
      await beforeEnd();
    })(),
    { objectMode: false },
  );
}
