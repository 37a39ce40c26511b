import type { Template } from "./engine/template.ts";
import { TemplateError } from "./engine/problems.ts";

/** A mail as a template makes it. */
export interface RenderedMail {
  /** One line. */
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  /** The language that it is in. */
  readonly language: string;
}

/** What a template of a mail is asked for, by the name `part`. */
type Part = "subject" | "text" | "html";

const MAX_SUBJECT = 200; // characters
/** Ends of lines and other controls, and what turns the direction of a text around. */
const UNSEEN = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]+/gu;

/**
 * Renders the three parts of a mail from one template: the subject and the text with nothing escaped, the HTML as a page.
 *
 * @param render renders a template with these beside the data of the mail
 * @throws TemplateError for one that isn't made from the layout of mails, or has no subject
 */
export function renderMailParts(
  template: Template,
  render: (template: Template, names: Readonly<Record<string, unknown>>) => string,
): Omit<RenderedMail, "language"> {
  const partOf = (part: Part, subject = ""): string =>
    render(part === "html" ? template : template.plain, { part, subject });
  assertLayout(template);
  const subject = toSubject(partOf("subject"));
  if (subject === "")
    throw fault(template, "The mail has no subject: write {% block subject %}...{% endblock %}");
  return { subject, text: `${partOf("text", subject).trim()}\n`, html: partOf("html", subject).trim() };
}

/** One line of what somebody may have typed: no header can begin in it. */
function toSubject(text: string): string {
  const line = text.replaceAll(UNSEEN, " ").replaceAll(/\s+/g, " ").trim().toWellFormed();
  return Array.from(line).length <= MAX_SUBJECT
    ? line
    : `${Array.from(line)
        .slice(0, MAX_SUBJECT - 3)
        .join("")}...`;
}

/** Without the layout, all three would be all of the template. */
function assertLayout(template: Template): void {
  if (template.references.some(({ kind }) => kind === "extends")) return;
  throw fault(
    template,
    'A mail begins with {% extends "mail/layout.html" %}, or with a layout of yours that asks for its `part`',
  );
}

function fault({ source }: Template, message: string): TemplateError {
  return new TemplateError(message, source.shown, { lineno: 0, colno: 0 });
}
