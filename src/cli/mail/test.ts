import { resolve } from "node:path";
import { Command } from "commander";
import { pino } from "pino";
import type { LoadedConfig } from "../../config/load.ts";
import { fail } from "../../mail/contract/error-codes.ts";
import { MailFailure } from "../../mail/smtp/failures.ts";
import { probeDelivery } from "../../mail/smtp/probe.ts";
import { Templates } from "../../templates/templates.ts";
import { type CommandContext, loadFor } from "../open/command-context.ts";
import { toExamples } from "../terminal/output.ts";

interface TestOptions {
  readonly language?: string;
  readonly json?: boolean;
}

/** `xcore mail test ADDRESS`: sends a mail at once, and says what the server says. */
export function mailTestCommand(context: CommandContext): Command {
  return new Command("test")
    .description(
      "Send a mail to an address at once: whether the server is reached, has TLS, lets in and takes it",
    )
    .argument("<address>", "whom it is sent to")
    .option("--language <language>", "of the mail, such as fr")
    .option("--json", "print JSON")
    .addHelpText("after", toExamples("xcore mail test ada@example.com"))
    .action(async (to: string, { language = "en", json }: TestOptions, command: Command) => {
      const loaded = loadFor(command, context);
      const sent = await send(loaded, { to, language });
      if (json === true) {
        const { server, hasTls: has_tls, user, response } = sent;
        context.print(JSON.stringify({ to, server, has_tls, user, response }, null, 2));
        return;
      }
      const { server, hasTls, user, response } = sent;
      context.print(
        `${server} answers${hasTls ? ", with TLS" : ", without TLS: what is sent can be read on the way"}`,
      );
      if (user !== null) context.print(`Logged in as ${user}`);
      context.print(`It takes a mail from ${loaded.config.mail.from} to ${to}: ${response}`);
      context.print(
        "If it doesn't arrive, look among unwanted mail, and at SPF, DKIM and DMARC of the domain it comes from",
      );
    });
}

async function send(
  loaded: LoadedConfig,
  { to, language }: { readonly to: string; readonly language: string },
) {
  const templates = openTemplates(loaded);
  try {
    const render = () => templates.renderMail("test", {}, language);
    const sent = await probeDelivery(loaded.config.mail, { to, render });
    if (sent !== null) return sent;
  } catch (error) {
    if (!(error instanceof MailFailure)) throw error;
    const { message, advice } = error;
    throw fail("mail_not_sent", `Cannot send mail: ${message}${advice === "" ? "" : `\n${advice}`}`, {
      cause: error,
    });
  } finally {
    templates.close();
  }
  throw fail(
    "mail_not_sent",
    "Cannot send mail: mail.url isn't set, so that the log says what would have been sent\n" +
      'set mail.url to "smtp://user:password@host:587" and mail.from to an address',
  );
}

/** The project's templates over xcore's own. */
function openTemplates({ directory, config }: LoadedConfig): Templates {
  return new Templates({
    directory: resolve(directory, config.templates.directory),
    toDisplayPath: (file) => file,
    watches: false,
    log: pino({ level: "silent" }),
    appName: () => config.app.name,
    theme: () => config.templates.theme,
    isDebug: () => true,
    basePath: () => "",
    globalsOf: () => ({}),
  });
}
