import { Type } from "@sinclair/typebox";
import { section } from "./types.ts";

const AcmeKeys = section("A certificate that an authority issues by itself (ACME)", {
  domains: Type.Array(
    Type.String({
      maxLength: 253,
      pattern: "^(?=.*[a-z])([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
      title: 'a host name in small letters such as "erp.example.com"',
    }),
    { minItems: 1, maxItems: 100, description: "Host names that it is for" },
  ),
  email: Type.String({
    pattern: "^[^\\s@,]+@[^\\s@,]+$",
    title: "an email address",
    description: "Whom the authority may write to",
  }),
  directory: Type.String({
    format: "url",
    pattern: "^https://[^\\s@]+$",
    title: "an https URL",
    default: "https://acme-v02.api.letsencrypt.org/directory",
    description: "The authority. Its terms are agreed to by this section",
  }),
  external_account: Type.Union(
    [
      Type.Null(),
      section("Account with the authority, where it asks for one", {
        key_id: Type.String({ minLength: 1, description: "Its id" }),
        hmac_key: Type.String({
          pattern: "^[A-Za-z0-9_-]+={0,2}$",
          title: "a key in base64url",
          description: "Its secret",
        }),
      }),
    ],
    { default: null, description: "Account with the authority that the server's is bound to" },
  ),
});

/** The keys of `server.tls`: HTTPS without a proxy. */
export const TlsKeys = section("HTTPS, without a proxy in front", {
  cert: Type.Union([Type.Null(), Type.String({ minLength: 1, title: "the path of a file" })], {
    default: null,
    description:
      "File of the certificate in PEM, the server's own first and those behind it. Where it changes, the new one is taken without a restart",
  }),
  key: Type.Union([Type.Null(), Type.String({ minLength: 1, title: "the path of a file" })], {
    default: null,
    description: "File of its key in PEM, without a passphrase",
  }),
  acme: Type.Union([Type.Null(), AcmeKeys], {
    default: null,
    description:
      "Where the certificate comes from in place of `cert` and `key`: `domains`, `email`, `directory` (Let's Encrypt) and `external_account` of an " +
      "authority, which is asked for another one in time",
  }),
  redirect_port: Type.Union([Type.Null(), Type.Integer({ minimum: 0, maximum: 65535 })], {
    default: null,
    description:
      "TCP port whose requests by HTTP are sent on to HTTPS, such as `80`: to the host of `server.public_url`, or one that the certificate is for",
  }),
});
