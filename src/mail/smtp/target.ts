import type { Config } from "../../config/schema.ts";
import { type Sender, toSender } from "../contract/addresses.ts";

/** Where mail is handed over, and how. */
export interface Target {
  readonly host: string;
  readonly port: number;
  /** TLS from the start, rather than by STARTTLS. */
  readonly isSecure: boolean;
  /** Whether nothing is said without TLS, and its certificate has to be valid for the host. */
  readonly requiresTls: boolean;
  readonly login: { readonly user: string; readonly pass: string } | null;
  readonly from: Sender;
}

const LOCAL = /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/i;

/**
 * Reads what config.json says of mail; null where there is no server.
 *
 * @throws TypeError for what can't be used
 */
export function toTarget({ url: text, from, require_tls: requireTls }: Config["mail"]): Target | null {
  if (text === null) return null;
  if (from === null) throw new TypeError("mail.url is set, and mail.from isn't: say whom mail comes from");
  const url = new URL(text);
  const isSecure = url.protocol === "smtps:";
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const user = decodeURIComponent(url.username);
  return {
    host,
    port: url.port === "" ? (isSecure ? 465 : 587) : Number(url.port),
    isSecure,
    requiresTls: requireTls && !LOCAL.test(host),
    login: user === "" ? null : { user, pass: decodeURIComponent(url.password) },
    from: toSender(from),
  };
}

/** As it may be shown: without the password. */
export function describeTarget({ host, port }: Target): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
