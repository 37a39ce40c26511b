import { type Static, Type } from "@sinclair/typebox";
import { section } from "./types.ts";

const AnyKey = Type.String({ pattern: "^.*$" });
const Name = (description: string) =>
  Type.Optional(Type.String({ minLength: 1, maxLength: 255, description }));
const Names = (description: string) =>
  Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: 255 }), { maxItems: 100, default: [], description }),
  );
const Switch = (description: string) => Type.Optional(Type.Boolean({ default: false, description }));

const RoleRule = Type.Object(
  {
    claim: Type.String({
      minLength: 1,
      maxLength: 255,
      description: 'Claim of the provider, such as "groups", or within one: "realm_access.roles"',
    }),
    value: Type.String({
      minLength: 1,
      maxLength: 255,
      description: "What it has to be, or to have among others",
    }),
    role: Type.String({ minLength: 1, maxLength: 64, description: "Role that is held then" }),
  },
  { additionalProperties: false },
);

const Provider = Type.Object(
  {
    preset: Type.Optional(
      Type.Union(
        [
          Type.Literal("google"),
          Type.Literal("microsoft"),
          Type.Literal("github"),
          Type.Literal("gitlab"),
          Type.Literal("keycloak"),
        ],
        { description: "What is known of a provider already: its address, its scopes, its peculiarities" },
      ),
    ),
    issuer: Type.Optional(
      Type.String({
        format: "url",
        maxLength: 255,
        pattern:
          "^(https://[^\\s/?#@]+|http://(localhost|127\\.0\\.0\\.1|\\[::1\\])(:\\d{1,5})?)(/[^\\s?#]*)?$",
        title: 'an https URL such as "https://sso.example.com/realms/main" (http on this machine alone)',
        description: "Address of the provider, as its tokens name it (OpenID Connect Discovery)",
      }),
    ),
    tenant: Type.Optional(
      Type.String({
        pattern: "^[A-Za-z0-9.-]{1,255}$",
        title: 'the id or the domain of a tenant, "organizations" or "common"',
        description: "Of Microsoft: whose accounts may sign in",
      }),
    ),
    client_id: Type.String({
      minLength: 1,
      maxLength: 255,
      description: "What the provider calls this server",
    }),
    client_secret: Type.Optional(
      Type.String({ minLength: 1, maxLength: 1024, description: "Its secret. Left out for a public client" }),
    ),
    title: Name("What the button says. The provider's name without it"),
    scopes: Names("What is asked for, in the place of the preset's"),
    provisioning: Switch("Make an account for whoever the provider knows by a verified email"),
    trust_email: Switch(
      "Take the provider's emails for verified, though it doesn't say so: your own provider's",
    ),
    allowed_domains: Names("Domains of emails that may sign in, such as `example.com`. `[]`: any"),
    allowed_tenants: Names(
      "Of Microsoft: ids of the tenants whose accounts may sign in. `[]`: any of `tenant`",
    ),
    roles: Type.Optional(
      Type.Array(RoleRule, { maxItems: 200, default: [], description: "Roles that claims give and take" }),
    ),
    trusted_amr: Names("Values of the claim `amr` that count as a second factor, such as `mfa`"),
    trusted_acr: Names("Values of the claim `acr` that do"),
    session_hours: Type.Optional(
      Type.Union([Type.Null(), Type.Number({ minimum: 0.1, maximum: 8760 })], {
        default: 24,
        description: "How long a session lasts until the provider is asked anew. `null`: as any other",
      }),
    ),
  },
  { additionalProperties: false },
);

/** A provider as config.json has it. */
export type ProviderSettings = Static<typeof Provider>;

const LOOPBACK = "http://(?:localhost|127\\.0\\.0\\.1|\\[::1\\])(?::\\d{1,5})?";

/** The keys of `auth` in config.json. */
export const AuthKeys = section("Signing in by providers", {
  redirect_uris: Type.Array(
    Type.String({
      maxLength: 512,
      format: "url",
      // A scheme of an app's own is a domain backwards (RFC 8252, 7.1): none that browsers know has a dot.
      pattern: `^(?:(?:https://[^\\s/?#@]+|${LOOPBACK})(?:/[^\\s#]*)?|[a-z][a-z0-9-]*(?:\\.[a-z0-9-]+)+:/[^\\s#]*)$`,
      title: 'an address such as "https://app.example.com/callback" or "com.example.app:/callback"',
    }),
    {
      maxItems: 100,
      default: [],
      description:
        "Addresses of apps whose users sign in by a provider, letter by letter; see [signing in](sign-in.md)",
    },
  ),
  providers: Type.Record(AnyKey, Provider, {
    propertyNames: {
      pattern: "^[a-z][a-z0-9_-]{0,31}$",
      title: "a name of small letters, digits, - and _, starting with a letter, as it stands in addresses",
    },
    default: {},
    description:
      "Providers that people sign in by (OpenID Connect, and GitHub), by a name of your own; see [signing in](sign-in.md)",
  }),
});

const EVERYBODYS_TENANTS = new Set(["common", "organizations", "consumers"]);

/** Finds what makes no sense together in the settings of providers. */
export function findProviderConflicts(
  providers: Readonly<Record<string, ProviderSettings>>,
): { readonly path: string[]; readonly expected: string }[] {
  return Object.entries(providers).flatMap(([id, settings]) => {
    const place = ["auth", "providers", id];
    const at = (key: string, expected: string) => ({ path: [...place, key], expected });
    const { preset, issuer, tenant, trust_email: trusts } = settings;
    const conflicts = [
      issuer === undefined &&
        (preset === undefined || preset === "keycloak") &&
        at("issuer", 'the address of the provider, such as "https://sso.example.com/realms/main"'),
      (preset === "google" || preset === "microsoft") &&
        issuer !== undefined &&
        at("issuer", `nothing: the preset "${preset}" has one`),
      preset === "microsoft" &&
        tenant === undefined &&
        at("tenant", "the id of your tenant, beside the preset"),
      preset !== "microsoft" &&
        tenant !== undefined &&
        at("tenant", 'nothing: it is for the preset "microsoft"'),
      trusts === true &&
        tenant !== undefined &&
        EVERYBODYS_TENANTS.has(tenant) &&
        at("trust_email", "false: anybody's tenant says what it likes of emails"),
      trusts === true &&
        preset === "google" &&
        at("trust_email", "false: Google says which emails are verified"),
    ];
    return conflicts.filter((one) => one !== false);
  });
}
