import { parseEmail } from "../people/emails.ts";
import { normalizeFullName } from "../people/names.ts";
import { AppError } from "../../errors/errors.ts";
import { signInInvalid } from "./answers.ts";
import type { Provider } from "./providers.ts";

/** What a provider says of somebody, checked. */
export interface Claimed {
  readonly issuer: string;
  readonly subject: string;
  /** Normalized; null where there is none that accounts could have. */
  readonly email: string | null;
  /** Whether mail to it has reached its owner, as far as the provider is believed. */
  readonly isVerified: boolean;
  readonly fullName: string | null;
  /** What the provider calls its own session; null where it doesn't. */
  readonly sid: string | null;
  /** When they have shown the provider who they are, in ms since the epoch; null where it doesn't say. */
  readonly authenticatedAt: number | null;
  /** Whether that was two factors, as far as the provider is believed. */
  readonly hasOtp: boolean;
  /** Names of the roles that the rules give. */
  readonly roles: readonly string[];
}

/** What a provider has sent: anything. */
export type RawClaims = Readonly<Record<string, unknown>>;

const MAX_TEXT = 255; // characters, what the columns hold
const ASCII = /^[\x21-\x7e]+$/;

/** Reads what a provider has sent of somebody. @throws AppError sign_in_invalid */
export function toClaimed(provider: Provider, issuer: string, claims: RawClaims): Claimed {
  const subject = readText(claims["sub"]);
  if (subject === null || issuer.length > MAX_TEXT)
    throw signInInvalid("The provider says of nobody who they are");
  const email = readEmail(claims["email"]);
  const verified = claims["email_verified"];
  const authTime = claims["auth_time"];
  return {
    issuer,
    subject,
    email,
    // Some send it as a text.
    isVerified: email !== null && (verified === true || verified === "true" || provider.trustsEmail),
    fullName: readName(claims["name"]),
    sid: readText(claims["sid"]),
    authenticatedAt: typeof authTime === "number" && Number.isFinite(authTime) ? authTime * 1000 : null,
    hasOtp:
      provider.trustedAmr.some((value) => has(claims["amr"], value)) ||
      provider.trustedAcr.some((value) => claims["acr"] === value),
    roles: toRoles(provider, claims),
  };
}

/**
 * Says why somebody may not sign in by a provider at all; null where they may.
 *
 * @param claims that are checked already
 */
export function findRefusal(provider: Provider, claimed: Claimed, claims: RawClaims): string | null {
  const { allowedDomains, allowedTenants, asksHostedDomain } = provider;
  if (allowedTenants.length > 0 && !allowedTenants.some((tenant) => claims["tid"] === tenant))
    return "Accounts of your organization don't sign in here";
  if (allowedDomains.length === 0) return null;
  const domain = claimed.email?.slice(claimed.email.lastIndexOf("@") + 1) ?? "";
  const isAllowed = claimed.isVerified && allowedDomains.includes(domain);
  // Google vouches for an address of another's domain by this claim alone.
  const isHosted = !asksHostedDomain || allowedDomains.some((one) => claims["hd"] === one);
  return isAllowed && isHosted ? null : "Only emails of some domains sign in here, and yours isn't of one";
}

/** Which claims the rules of a provider ask for. */
export function claimsOf({ roles }: Provider): string[] {
  return [...new Set(roles.map(({ claim }) => claim))];
}

/** Returns a claim, or what is within one by a path; undefined for none. */
export function readClaim(claims: RawClaims, path: string): unknown {
  // A name may have dots itself, as those of Auth0 do, which are URLs.
  if (Object.hasOwn(claims, path)) return claims[path];
  return path.split(".").reduce<unknown>((value, key) => {
    const isObject = typeof value === "object" && value !== null && Object.hasOwn(value, key);
    return isObject ? (value as RawClaims)[key] : undefined;
  }, claims);
}

function toRoles({ roles }: Provider, claims: RawClaims): string[] {
  const given = roles.filter(({ claim, value }) => has(readClaim(claims, claim), value));
  return [...new Set(given.map(({ role }) => role))].toSorted();
}

/** Whether a claim is this text, or has it among others. */
function has(claim: unknown, value: string): boolean {
  return Array.isArray(claim) ? claim.includes(value) : claim === value;
}

function readText(value: unknown): string | null {
  const isText = typeof value === "string" && value !== "" && value.length <= MAX_TEXT;
  return isText && value.isWellFormed() && !/\p{Cc}/u.test(value) ? value : null;
}

/**
 * An address counts as it is spelled: what normalizing would make another's (a full-width "a", as accounts are kept without) was another
 * mailbox when the provider has verified it.
 */
function readEmail(value: unknown): string | null {
  if (typeof value !== "string" || !ASCII.test(value)) return null;
  const email = parseEmail(value);
  return email === value.toLowerCase() ? email : null;
}

function readName(value: unknown): string | null {
  try {
    return typeof value === "string" ? normalizeFullName(value) : null;
  } catch (error) {
    if (error instanceof AppError) return null;
    throw error;
  }
}
