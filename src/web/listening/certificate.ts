import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import { fail } from "../../errors/codes.ts";

const DAY_MS = 86_400_000;
const SOON_MS = 7 * DAY_MS;
const ISSUER_ADDRESS = "CA Issuers"; // RFC 5280, 4.2.2.1: authorities of the public have it, with others between
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** What a server shows who connects by TLS, with its key. */
export interface Certificate {
  /** The server's own and those that it was issued by, as PEM. */
  readonly cert: string;
  readonly key: string;
  /** The host names and addresses that it is for, in small letters. */
  readonly names: readonly string[];
  readonly issuedAt: Date;
  readonly expiresAt: Date;
  /** Whether nobody has vouched for it but the server. */
  readonly isSelfSigned: boolean;
  /** Who has vouched for it; null for nobody but the server. */
  readonly issuer: Issuer | null;
  /** SHA-256 of the server's own, by which two are told apart. */
  readonly fingerprint: string;
}

/** Who has issued a certificate. */
export interface Issuer {
  readonly name: string;
  /** Until when its own certificate is good; null where that isn't behind the other. */
  readonly expiresAt: Date | null;
  /** Whether clients have to be shown that, for they know others above it. */
  readonly isShown: boolean;
}

/**
 * Reads a certificate and its key, and makes sure that a server can use them.
 *
 * @param pem `cert` with the server's own certificate first, `key` without a passphrase
 * @throws AppError config_invalid
 */
export function toCertificate({ cert, key }: { readonly cert: string; readonly key: string }): Certificate {
  const [own, ...others] = readChain(cert);
  if (own === undefined) throw refuse('there is no "BEGIN CERTIFICATE" in server.tls.cert: it must be PEM');
  const secret = readKey(key);
  if (!own.checkPrivateKey(secret)) {
    throw refuse(
      others.some((one) => one.checkPrivateKey(secret))
        ? "the server's own certificate must be the first in server.tls.cert"
        : "server.tls.key is the key of another certificate than server.tls.cert",
    );
  }
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : String(error), error);
  }
  return {
    cert,
    key,
    names: namesOf(own),
    issuedAt: own.validFromDate,
    expiresAt: own.validToDate,
    isSelfSigned: own.checkIssued(own),
    issuer: findIssuer(own, others),
    fingerprint: own.fingerprint256,
  };
}

/** Whether a certificate may be used at a time. */
export function isInForce({ issuedAt, expiresAt }: Certificate, now: number): boolean {
  return issuedAt.getTime() <= now && now < expiresAt.getTime();
}

/** What an administrator should know of a certificate that is used; null where all is well. */
export function describeConcern(certificate: Certificate, host: string | null, now: number): string | null {
  const { names, issuedAt, expiresAt, issuer } = certificate;
  const left = expiresAt.getTime() - now;
  if (left <= 0) return `it expired on ${toDay(expiresAt)}: clients refuse it`;
  if (issuedAt.getTime() > now) return `it isn't valid before ${issuedAt.toISOString()}: clients refuse it`;
  if (host !== null && !names.some((name) => covers(name, host))) {
    return `it is for ${names.join(", ") || "no host"}, and not for "${host}" of server.public_url`;
  }
  const gap = issuer === null ? null : describeGap(issuer, now);
  if (gap !== null) return gap;
  return left < SOON_MS ? `it expires on ${toDay(expiresAt)}` : null;
}

/** Whether a name of a certificate stands for a host (RFC 6125, 6.4.3): "*" for one label. */
export function covers(name: string, host: string): boolean {
  if (!name.startsWith("*.")) return name === host;
  const dot = host.indexOf(".");
  return dot > 0 && host.slice(dot) === name.slice(1);
}

function findIssuer(own: X509Certificate, others: readonly X509Certificate[]): Issuer | null {
  if (own.checkIssued(own)) return null;
  const behind = others.find((one) => own.checkIssued(one));
  const [name] = /(?<=^(?:CN|O)=).+/m.exec(own.issuer) ?? [own.issuer];
  return {
    name,
    expiresAt: behind?.validToDate ?? null,
    isShown: others.length > 0 || own.infoAccess?.includes(ISSUER_ADDRESS) === true,
  };
}

function describeGap({ name, expiresAt, isShown }: Issuer, now: number): string | null {
  if (expiresAt !== null)
    return expiresAt.getTime() > now
      ? null
      : `that of its issuer, "${name}", expired on ${toDay(expiresAt)}: clients refuse it`;
  if (!isShown) return null;
  return `that of its issuer, "${name}", isn't behind it in server.tls.cert, and most clients refuse it so: use the file with the whole chain, such as fullchain.pem`;
}

function readChain(pem: string): X509Certificate[] {
  return (pem.match(PEM_CERTIFICATE) ?? []).map((one, index) => {
    try {
      return new X509Certificate(one);
    } catch (error) {
      throw refuse(`certificate ${index + 1} of server.tls.cert can't be read`, error);
    }
  });
}

function readKey(pem: string): KeyObject {
  if (/-----BEGIN ENCRYPTED|^Proc-Type: 4,ENCRYPTED/m.test(pem)) {
    throw refuse(
      "server.tls.key is encrypted: the server has no passphrase for it; decrypt it with openssl pkey",
    );
  }
  try {
    return createPrivateKey(pem);
  } catch {
    // What the library says may quote it.
    throw refuse('server.tls.key can\'t be read: it must be PEM, such as "BEGIN PRIVATE KEY"');
  }
}

function namesOf({ subjectAltName, subject }: X509Certificate): string[] {
  const alternatives = [...(subjectAltName ?? "").matchAll(/(?:DNS|IP Address):([^\s,]+)/g)];
  const names = alternatives.length > 0 ? alternatives : [...(subject ?? "").matchAll(/^CN=(\S+)$/gm)];
  return names.map(([, name = ""]) => toHost(name));
}

/** As a URL has it: one IPv6 address can be written in many ways. */
function toHost(name: string): string {
  const host = name.includes(":") ? URL.parse(`http://[${name}]`)?.hostname.slice(1, -1) : undefined;
  return host ?? name.toLowerCase();
}

function toDay(date: Date): string {
  return date.toISOString().slice(0, 10);
}

function refuse(reason: string, cause?: unknown) {
  return fail("config_invalid", `Cannot use the certificate: ${reason}`, { cause });
}
