import type { Config, ProviderSettings } from "../../config/schema.ts";
import { fail } from "../identity/error-codes.ts";

/** A claim that a role goes with. */
export interface RoleRule {
  /** Name of the claim, or a path within one: "realm_access.roles". */
  readonly claim: string;
  /** What it has to be, or to have among others. */
  readonly value: string;
  readonly role: string;
}

/** A provider that people sign in by, with all that its preset says. */
export interface Provider {
  /** What config.json calls it. */
  readonly id: string;
  readonly title: string;
  /** How it is spoken with. */
  readonly kind: "oidc" | "github";
  /** Without a slash at its end, unless the settings have one. */
  readonly issuer: string;
  readonly clientId: string;
  /** Null for a public client. */
  readonly clientSecret: string | null;
  readonly scopes: readonly string[];
  /** Whether it makes accounts. */
  readonly provisioning: boolean;
  /** Whether its emails count as verified, though it doesn't say so. */
  readonly trustsEmail: boolean;
  /** In small letters; any where there is none. */
  readonly allowedDomains: readonly string[];
  /** Ids of tenants of Microsoft; any where there is none. */
  readonly allowedTenants: readonly string[];
  /** Whether the claim `hd` has to name one of the allowed domains: Google vouches for an email by it. */
  readonly asksHostedDomain: boolean;
  readonly roles: readonly RoleRule[];
  readonly trustedAmr: readonly string[];
  readonly trustedAcr: readonly string[];
  /** How long a session lasts until it is asked anew, in ms; null for as any other. */
  readonly sessionMs: number | null;
}

/** What an account is known by at a provider. */
interface KnownBy {
  /** What config.json called it, when it was last signed in by. */
  readonly provider: string;
  readonly issuer: string;
}

/** What the page to sign in shows of a provider. */
export interface ListedProvider {
  readonly id: string;
  readonly title: string;
}

interface Preset {
  readonly title: string;
  readonly kind?: Provider["kind"];
  readonly issuer?: (settings: Readonly<ProviderSettings>) => string;
  readonly scopes?: readonly string[];
  readonly asksHostedDomain?: boolean;
}

const HOUR_MS = 3_600_000;
const DEFAULT_HOURS = 24;
const MICROSOFT = "https://login.microsoftonline.com/";
const OIDC_SCOPES = ["openid", "email", "profile"];
const PRESETS: Readonly<Record<NonNullable<ProviderSettings["preset"]>, Preset>> = {
  google: { title: "Google", issuer: () => "https://accounts.google.com", asksHostedDomain: true },
  microsoft: {
    title: "Microsoft",
    issuer: ({ tenant = "" }) => `https://login.microsoftonline.com/${tenant}/v2.0`,
  },
  github: {
    title: "GitHub",
    kind: "github",
    issuer: () => "https://github.com",
    scopes: ["read:user", "user:email"],
  },
  gitlab: { title: "GitLab", issuer: () => "https://gitlab.com" },
  keycloak: { title: "Keycloak" },
};

/** Lists the providers that there are, for people who sign in. */
export function listProviders({ providers }: Config["auth"]): ListedProvider[] {
  return Object.entries(providers).map(([id, settings]) => ({ id, title: toTitle(id, settings) }));
}

/** Returns a provider. @throws AppError not_found */
export function findProvider({ providers }: Config["auth"], id: string): Provider {
  const settings = Object.hasOwn(providers, id) ? providers[id] : undefined;
  if (settings === undefined) throw fail("not_found", "There is no provider of this name to sign in by");
  return toProvider(id, settings);
}

/** Whether somebody can sign in by what a provider knows them by: whether config.json still has it, be it by another name. */
export function isServed(auth: Config["auth"], identity: KnownBy): boolean {
  return listServing(auth, [identity]).length > 0;
}

/** Lists those of the providers that somebody can sign in by, by what they are known by. */
export function listServing(auth: Config["auth"], identities: readonly KnownBy[]): ListedProvider[] {
  return listProviders(auth).filter(({ id }) => {
    const provider = findProvider(auth, id);
    return identities.some((identity) => serves(provider, identity));
  });
}

function serves({ id, issuer }: Provider, identity: KnownBy): boolean {
  // Each tenant is an issuer of its own, which the settings may name by its domain, or not at all.
  if (issuer.startsWith(MICROSOFT)) return id === identity.provider && identity.issuer.startsWith(MICROSOFT);
  return withoutSlash(issuer) === withoutSlash(identity.issuer);
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, "");
}

function toProvider(id: string, settings: Config["auth"]["providers"][string]): Provider {
  const preset: Preset | null = settings.preset === undefined ? null : PRESETS[settings.preset];
  const { scopes = [], session_hours: hours = DEFAULT_HOURS } = settings;
  const presetScopes = preset?.scopes ?? OIDC_SCOPES;
  return {
    id,
    title: toTitle(id, settings),
    kind: preset?.kind ?? "oidc",
    issuer: settings.issuer ?? preset?.issuer?.(settings as ProviderSettings) ?? "",
    clientId: settings.client_id,
    clientSecret: settings.client_secret ?? null,
    scopes: scopes.length > 0 ? scopes : presetScopes,
    provisioning: settings.provisioning ?? false,
    trustsEmail: settings.trust_email ?? false,
    allowedDomains: (settings.allowed_domains ?? []).map((domain) => domain.toLowerCase()),
    allowedTenants: settings.allowed_tenants ?? [],
    asksHostedDomain: preset?.asksHostedDomain ?? false,
    roles: settings.roles ?? [],
    trustedAmr: settings.trusted_amr ?? [],
    trustedAcr: settings.trusted_acr ?? [],
    sessionMs: hours === null ? null : hours * HOUR_MS,
  };
}

function toTitle(id: string, { title, preset }: Config["auth"]["providers"][string]): string {
  return title ?? (preset === undefined ? id : PRESETS[preset].title);
}
