import { isObject, type Json } from "./fits.ts";

/** What a route asks of who makes its requests, as the API documentation says it. */
export interface Lock {
  /** Security schemes of the document, any of which will do. */
  readonly schemes: readonly SecurityScheme[];
  /** Names of what must be held: permissions, roles. */
  readonly needs: readonly string[];
  /** A sentence for a reader, null for none. */
  readonly text: string | null;
  /** Whether those that nobody is known to make are let in too. */
  readonly isOptional: boolean;
}

export type SecurityScheme = keyof typeof SCHEMES;

const SCHEMES = {
  password: {
    type: "oauth2",
    description:
      "Email, as `username`, and password; the other fields stay empty. With a second factor, log in with " +
      "`POST /auth/login` and `POST /auth/login/otp`, and give the access token to `bearer`.",
  },
  bearer: {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
    description: "Access token of `POST /auth/login`",
  },
  api_key: {
    type: "apiKey",
    in: "header",
    name: "X-API-Key",
    description: "API key of `POST /auth/api_keys`",
  },
} as const;

/** @param url public address of the server, null when only its paths are known */
export function toSecuritySchemes(url: string | null): Json {
  const tokenUrl = `${url?.replace(/\/$/, "") ?? ""}/auth/login`;
  return { ...SCHEMES, password: { ...SCHEMES.password, flows: { password: { tokenUrl, scopes: {} } } } };
}

/**
 * How an operation says what all of its locks ask for. What its author says of security names the ways of them that are
 * open, and counts alone where there are no locks.
 */
export function toSecurity(locks: readonly Lock[], said: unknown): Json {
  const declared = Array.isArray(said) ? said.filter(isRequirement) : [];
  if (locks.length === 0) {
    const isPublic = Array.isArray(said) && said.length === 0;
    return declared.length > 0 || isPublic ? { security: declared } : {};
  }
  const asked = locks.filter(({ isOptional }) => !isOptional);
  const needs = [...new Set(asked.flatMap((lock) => lock.needs))];
  const open = (Object.keys(SCHEMES) as SecurityScheme[]).filter((scheme) =>
    locks.every((lock) => lock.schemes.includes(scheme)),
  );
  const named = open.filter((scheme) => declared.some((requirement) => scheme in requirement));
  // What OAuth 2 has in this place are scopes, which there are none of.
  const ways = (named.length > 0 ? named : open).map((scheme) => ({
    [scheme]: scheme === "password" ? [] : needs,
  }));
  return { security: asked.length === 0 ? [{}, ...ways] : ways };
}

/** The description of an operation, with what its locks ask for. */
export function toLockedText(locks: readonly Lock[], description: unknown): Json {
  const texts = new Set(
    locks.flatMap(({ needs, text }) => (needs.length > 0 && text !== null ? [text] : [])),
  );
  if (texts.size === 0) for (const { text } of locks) if (text !== null) texts.add(text);
  const parts = [...(typeof description === "string" ? [description] : []), ...texts];
  return parts.length === 0 ? {} : { description: parts.join("\n\n") };
}

/** Whether it is a requirement of OpenAPI, and all that it names is in the document. */
function isRequirement(value: unknown): value is Readonly<Record<string, string[]>> {
  if (!isObject(value)) return false;
  return Object.entries(value).every(
    ([scheme, names]) =>
      Object.hasOwn(SCHEMES, scheme) &&
      Array.isArray(names) &&
      names.every((name) => typeof name === "string"),
  );
}
