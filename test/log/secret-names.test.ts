import { describe, expect, test } from "bun:test";
import { maskSecrets } from "../../src/config/secrets.ts";
import { createRedactor, redactText } from "../../src/log/redact.ts";

const SECRET = [
  "password",
  "DB_PASSWORD",
  "passwd",
  "passwordHash",
  "password_hash",
  "current_password",
  "passphrase",
  "pwd",
  "pass",
  "secret",
  "secret2",
  "client_secret",
  "jwt_secret_key",
  "jwt",
  "key",
  "api_key",
  "apiKey",
  "API-KEY",
  "apikey",
  "x-api-key",
  "private_key",
  "secretkey",
  "access_token",
  "refreshToken",
  "authtoken",
  "bearer",
  "tokens",
  "token_hash",
  "authorization",
  "proxy-authorization",
  "cookie",
  "set-cookie",
  "credentials",
  "otp",
  "otp_code",
  "pin",
  "recovery_codes",
];
const HARMLESS = [
  "name",
  "author",
  "monkey",
  "keyboard",
  "passenger",
  "passage",
  "secretary",
  "tokenizer",
  "token_type",
  "password_changed_at",
  "password_hash_algorithm",
  "access_token_expire_minutes",
  "cookie_name",
  "",
];
const redact = createRedactor();

describe("config show and the log hide the same", () => {
  test.each(SECRET)("%p is hidden", (name) => {
    expect(redact({ [name]: "hunter2" })).toEqual({ [name]: "[redacted]" });
    expect(maskSecrets({ [name]: "hunter2" })).toEqual({ [name]: "***" });
    if (!/^[\w-]+$/.test(name)) return;
    expect(redactText(`https://example.com/?${name}=hunter2&page=1`)).not.toContain("hunter2");
    expect(maskSecrets({ text: `https://example.com/?${name}=hunter2` }).text).not.toContain("hunter2");
  });

  test.each(HARMLESS)("%p is shown", (name) => {
    expect(redact({ [name]: "shown" })).toEqual({ [name]: "shown" });
    expect(maskSecrets({ [name]: "shown" })).toEqual({ [name]: "shown" });
  });
});
