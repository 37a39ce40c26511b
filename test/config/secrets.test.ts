import { expect, test } from "bun:test";
import { maskConfig } from "../../src/config/load.ts";
import { maskSecrets } from "../../src/config/secrets.ts";
import { isSecretName } from "../../src/log/secret-names.ts";
import { load } from "./config-folder.ts";

test.each([
  "password",
  "DB_PASSWORD",
  "passwd",
  "jwt_secret_key",
  "api_key",
  "apiKey",
  "API-KEY",
  "apikey",
  "access_token",
  "authtoken",
  "tokens",
  "client_secret",
  "secret2",
  "passwordHash",
  "private_key",
  "credentials",
])("isSecretName() is true when the name is %p", (name) => {
  expect(isSecretName(name)).toBe(true);
});

test.each([
  "name",
  "keyboard",
  "monkey",
  "tokenizer",
  "access_token_expire_minutes",
  "password_hash_algorithm",
  "passage",
  "",
  "__",
])("isSecretName() is false when the name is %p", (name) => {
  expect(isSecretName(name)).toBe(false);
});

test("maskSecrets() copies the configuration with the secrets of plugins masked", () => {
  const settings = {
    blog: {
      api_key: "hunter2",
      pins: { secret: [1234, "hunter2", null, true] },
      list: [{ password: "hunter2", user: "ada" }],
      database: "postgres://ada:hunter2@db.example/app?sslmode=on",
      per_page: 20,
    },
  };
  const { config } = load({ plugins: { settings } });
  const masked = maskSecrets(config);
  expect(masked.plugins.settings).toEqual({
    blog: {
      api_key: "***",
      pins: { secret: ["***", "***", null, true] },
      list: [{ password: "***", user: "ada" }],
      database: "postgres://***@db.example/app?sslmode=on",
      per_page: 20,
    },
  });
  expect({ ...masked, plugins: config.plugins }).toEqual(config);
  expect(config.plugins.settings["blog"]?.["api_key"]).toBe("hunter2");
});

test("maskConfig() shows which file has the key of the certificate, and no key that stands there itself", () => {
  expect(shownKey("tls/key.pem")).toBe("tls/key.pem");
  expect(shownKey("-----BEGIN PRIVATE KEY-----\nMC4CAQ")).toBe("***");
  expect(shownKey("MC4CAQ\nMC4CAQ")).toBe("***");
  expect(shownKey("M".repeat(1025))).toBe("***");
  expect(shownKey("${TLS_SECRET}", { TLS_SECRET: "hunter2" })).toBe("***");
});

test("maskSecrets() masks the given paths as well", () => {
  const env = { DB_PASSWORD: "hunter2" };
  const { config, secretPaths } = load(
    { plugins: { settings: { blog: { a: ["x", "p=${DB_PASSWORD}"] } } } },
    { env },
  );
  expect(maskSecrets(config, secretPaths).plugins.settings["blog"]).toEqual({ a: ["x", "***"] });
});

test.each([
  ["redis://:hunter2@localhost:6379/0", "redis://***@localhost:6379/0"],
  ["mysql://ada:hunter2/@#@db/app", "mysql://***@db/app"],
  ["see https://ada@example.com/x", "see https://***@example.com/x"],
  ["https://example.com/cb?token=hunter2&page=1", "https://example.com/cb?token=***&page=1"],
  ["Server=db;User=ada;Password=hunter2;", "Server=db;User=ada;Password=***;"],
  ["https://example.com:8080/@ada", "https://example.com:8080/@ada"],
  ["https://example.com/@ada?page=1", "https://example.com/@ada?page=1"],
  ["ada@example.com", "ada@example.com"],
])("maskSecrets() masks the credentials in %p", (text, masked) => {
  expect(maskSecrets({ text })).toEqual({ text: masked });
});

function shownKey(key: string, env = {}): string | null {
  const server = { tls: { cert: "tls/cert.pem", key } };
  return maskConfig(load({ server }, { env })).server.tls.key;
}
