import { Type } from "@sinclair/typebox";
import { section } from "./types.ts";

/** The keys of `security` in config.json. */
export const SecurityKeys = section("Accounts", {
  jwt_secret_key: Type.Union(
    [Type.Null(), Type.String({ minLength: 1, title: "a random text of at least 32 characters" })],
    {
      default: null,
      description:
        "Secret that tokens are signed with and stored secrets encrypted, at least 32 random characters. " +
        "Without it, one is made and kept in `jwt_secret_key` of `app.data_directory`. `JWT_SECRET_KEY` sets it too",
    },
  ),
  access_token_expire_minutes: Type.Integer({
    minimum: 1,
    maximum: 1440,
    default: 30,
    description: "How long an access token is valid, in minutes",
  }),
  refresh_token_expire_days: Type.Integer({
    minimum: 1,
    maximum: 3650,
    default: 30,
    description: "How long a refresh token is good for, in days",
  }),
  session_idle_minutes: Type.Integer({
    minimum: 1,
    maximum: 5_256_000,
    default: 10080,
    description: "How long a session lasts that nobody uses, after it was last refreshed, in minutes",
  }),
  session_max_days: Type.Integer({
    minimum: 1,
    maximum: 3650,
    default: 90,
    description: "How long a session lasts at most, however often it is refreshed, in days",
  }),
  impersonation_minutes: Type.Integer({
    minimum: 1,
    maximum: 1440,
    default: 30,
    description: "How long an administrator may view as somebody else at once, in minutes",
  }),
  audit_retention_days: Type.Union([Type.Null(), Type.Integer({ minimum: 1, maximum: 36_500 })], {
    default: 365,
    description:
      "How long entries of the audit log are kept, in days; older ones are deleted by the task `core:prune_audit`. `null` keeps them for good",
  }),
  notices: Type.Boolean({
    default: true,
    description:
      "Tell the owner of an account by mail of a login from a new device, and of another password, email, second factor or API key",
  }),
  access_cache: Type.Number({
    minimum: 0,
    maximum: 3600,
    default: 60,
    description:
      "How long guards let in whom they know while the database can't say whether that has changed, in seconds. `0` lets nobody in",
  }),
  password_hash_algorithm: Type.Union([Type.Literal("bcrypt"), Type.Literal("argon2id")], {
    default: "bcrypt",
    description: "How passwords are hashed. Others are hashed anew when their owner logs in",
  }),
  bcrypt_cost: Type.Integer({
    minimum: 4,
    maximum: 15,
    default: 10,
    description: "Work that bcrypt takes: one more doubles it",
  }),
  allow_registration: Type.Boolean({
    default: false,
    description:
      "Let anybody who reaches the server make an account at `/auth/register`. Without it, administrators do",
  }),
  registration_domains: Type.Array(
    Type.String({
      pattern: "^[^\\s@:/*,;\"'()<>\\[\\]\\\\]+$",
      maxLength: 253,
      title: 'a domain such as "example.com"',
    }),
    {
      default: [],
      description:
        "Domains of the emails that accounts may be made for at `/auth/register`, and that people may change theirs to. " +
        'Each stands for itself: `"example.com"` doesn\'t include `mail.example.com`. Empty: any',
    },
  ),
  require_verified_email: Type.Boolean({
    default: false,
    description:
      "Let nobody log in who has registered, until they have followed the link that is mailed to them: `mail.url`. " +
      "Accounts that were there before, and those that administrators make, aren't concerned",
  }),
});
