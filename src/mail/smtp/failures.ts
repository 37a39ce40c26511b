import { describeTarget, type Target } from "./target.ts";

/** What nodemailer says of an error. */
interface SmtpError extends Error {
  readonly code?: string;
  readonly originalCode?: string;
  readonly command?: string;
  readonly response?: string;
  readonly responseCode?: number;
}

/** Why a mail wasn't handed over. */
export class MailFailure extends Error {
  override readonly name = "MailFailure";
  /** Whether the same mail would be refused again. */
  readonly isPermanent: boolean;
  /** Whether nothing can be handed over for now, whatever it is. */
  readonly isOfServer: boolean;
  /** Whether the server has said so, and so hasn't taken it. */
  readonly isAnswer: boolean;
  /** What to do about it. */
  readonly advice: string;

  constructor(
    message: string,
    { isPermanent = false, isOfServer = false, isAnswer = false, advice = "" } = {},
    cause?: unknown,
  ) {
    super(message, { cause });
    this.isAnswer = isAnswer;
    this.isPermanent = isPermanent;
    this.isOfServer = isOfServer;
    this.advice = advice;
  }
}

const MAX_RESPONSE = 300; // characters of what a server says
const CERTIFICATE = /certificate|altnames|self.signed|CERT_|UNABLE_TO_/i;

/** Says what an error of SMTP means: whether it is tried again, and what to do. */
export function toMailFailure(error: unknown, target: Target): MailFailure {
  if (error instanceof MailFailure) return error;
  const known = error as SmtpError;
  const at = describeTarget(target);
  const said = shorten(known.response ?? known.message ?? String(error));
  switch (known.code) {
    case "EDNS":
      return ofServer(
        `Cannot find the mail server ${target.host}`,
        "see that mail.url names the right host",
        error,
      );
    case "ETIMEDOUT":
      return ofServer(
        `The mail server ${at} doesn't answer in time`,
        "see that the host and the port of mail.url are right, and that no firewall is between (many networks block port 25)",
        error,
      );
    case "ETLS":
      return ofTls(said, target, error);
    case "EAUTH":
    case "ENOAUTH":
      return ofServer(
        `The mail server ${at} refuses the login: ${said}`,
        "see that mail.url has the right user and password, with reserved characters percent-encoded; some services want a password made for applications",
        error,
      );
    case "ESOCKET":
    case "ECONNECTION":
      // The first words of TLS fail as a connection.
      if (CERTIFICATE.test(said) || /ssl|tls|wrong version/i.test(said)) return ofTls(said, target, error);
      return ofServer(
        `The connection with the mail server ${at} failed: ${said}`,
        known.originalCode === "ECONNREFUSED"
          ? "nothing listens there: see that the server runs, and that mail.url has its port"
          : "see that the server runs, and that mail.url has its address; smtps:// is for ports with TLS from the start, often 465, and smtp:// for all others",
        error,
      );
    default:
      return ofAnswer(known, said);
  }
}

/** A server has said no: 4yz for now, 5yz for good (RFC 5321, 4.2.1). */
function ofAnswer(
  { responseCode: code = 0, command = "", code: kind }: SmtpError,
  said: string,
): MailFailure {
  const isPermanent =
    (code >= 500 && code !== 503) || (code === 0 && (kind === "EENVELOPE" || kind === "EMESSAGE"));
  const advice =
    code === 530 || (code === 550 && command === "MAIL FROM")
      ? "see that mail.url has a user who may send as mail.from"
      : isPermanent
        ? "see that the address is right, and that the server lets mail.from send to it"
        : "";
  return new MailFailure(`The mail server refuses it${command === "" ? "" : ` at ${command}`}: ${said}`, {
    isPermanent,
    advice,
    isOfServer: code === 421,
    isAnswer: code >= 400,
  });
}

function ofTls(said: string, target: Target, cause: unknown): MailFailure {
  const at = describeTarget(target);
  if (CERTIFICATE.test(said)) {
    return ofServer(
      `The mail server ${at} has a certificate that isn't valid for ${target.host}: ${said}`,
      "name the host as its certificate does; a certificate of your own authority is trusted with NODE_EXTRA_CA_CERTS, any with mail.require_tls false",
      cause,
    );
  }
  return ofServer(
    `No TLS with the mail server ${at}: ${said}`,
    "use smtps:// where TLS is there from the start, often at port 465, and smtp:// where it begins with STARTTLS; a server without TLS is used with mail.require_tls false alone",
    cause,
  );
}

function ofServer(message: string, advice: string, cause: unknown): MailFailure {
  return new MailFailure(message, { isOfServer: true, advice }, cause);
}

/** One line of what a server has said. */
function shorten(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\s]+/gu, " ")
    .trim()
    .slice(0, MAX_RESPONSE);
}
