import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { loadConfig } from "../../src/config/load.ts";
import { ConfigFolder, defaultConfig, load } from "./config-folder.ts";

test("loadConfig() gives the defaults when there is no file", () => {
  using folder = new ConfigFolder();
  expect(folder.load()).toEqual({
    config: {
      app: { name: "xcore", debug: false, data_directory: "data" },
      server: {
        host: "127.0.0.1",
        port: 8000,
        workers: 1,
        public_url: null,
        tls: { cert: null, key: null, acme: null, redirect_port: null },
        hsts_max_age: 31_536_000,
        body_limit: "16mb",
        shutdown_timeout: 30,
        watchdog_timeout: null,
        trusted_proxies: [],
        rate_limit: { enabled: true, anonymous_per_minute: 300, authenticated_per_minute: 3000 },
        cors: { allow_origins: [], allow_credentials: false, allow_methods: ["*"], allow_headers: ["*"] },
      },
      database: {
        url: "sqlite:data/app.db",
        pool_size: 10,
        statement_timeout: 30,
        transaction_timeout: 60,
        durability: "full",
        echo: false,
        auto_migrate: true,
      },
      jobs: { backend: "database", concurrency: 4 },
      storage: { backend: "local", directory: "data/files", s3: null, max_size: "25mb" },
      backups: { schedule: null, keep: 14, directory: "data/backups", before_migration: true, s3: null },
      auth: { redirect_uris: [], providers: {} },
      security: {
        jwt_secret_key: null,
        access_token_expire_minutes: 30,
        refresh_token_expire_days: 30,
        session_idle_minutes: 10_080,
        session_max_days: 90,
        audit_retention_days: 365,
        impersonation_minutes: 30,
        access_cache: 60,
        password_hash_algorithm: "bcrypt",
        bcrypt_cost: 10,
        notices: true,
        allow_registration: false,
        registration_domains: [],
        require_verified_email: false,
      },
      plugins: {
        directory: "plugins",
        watch: true,
        remote: {},
        offline: false,
        trusted_keys: [],
        fetch: { timeout_seconds: 30, size_limit: "64mb", max_redirects: 5, allow_hosts: [] },
        settings: {},
      },
      cache: { backend: "memory", url: null, default_ttl: 300, max_entries: 10_000, max_size: "64mb" },
      redis: { url: null },
      mail: { url: null, from: null, require_tls: true, recipient_per_hour: 30, keep_days: 30 },
      templates: { directory: "templates", theme: "light" },
      logging: { level: "info", directory: "logs", console: true, max_bytes: 10_485_760, backup_count: 5 },
      monitoring: {
        enabled: true,
        prometheus_endpoint: "/metrics",
        token: null,
        allowed_addresses: [],
        otlp_endpoint: null,
      },
    },
    file: join(folder.path, "config.json"),
    exists: false,
    directory: folder.path,
    secretPaths: [],
    originOf: expect.any(Function),
  });
});

test("loadConfig() keeps the defaults of the keys that the file does not set", () => {
  const { config, exists } = load({ server: { port: 1, cors: { allow_origins: ["https://a.example"] } } });
  expect(exists).toBe(true);
  expect(config.server.port).toBe(1);
  expect(config.server.host).toBe("127.0.0.1");
  expect(config.server.cors.allow_origins).toEqual(["https://a.example"]);
  expect(config.server.cors.allow_methods).toEqual(["*"]);
});

test("loadConfig() lets flags win over the environment, .env, the file and the defaults when all set a key", () => {
  using folder = new ConfigFolder();
  const env: Record<string, string> = {};
  const port = () => folder.load({ env }).config.server.port;
  expect(port()).toBe(8000);
  folder.write("config.json", '{ "server": { "port": 1 } }');
  expect(port()).toBe(1);
  folder.write(".env", "XCORE_SERVER__PORT=2");
  expect(port()).toBe(2);
  env["XCORE_SERVER__PORT"] = "3";
  expect(port()).toBe(3);
  expect(folder.load({ env, flags: { server: { port: 4 } } }).config.server.port).toBe(4);
  expect(folder.load({ env, flags: { server: { port: undefined } } }).config.server.port).toBe(3);
});

test("loadConfig() lets the environment win over .env when they differ in case only", () => {
  using folder = new ConfigFolder({ ".env": "XCORE_SERVER__PORT=2" });
  expect(folder.load({ env: { xcore_server__port: "3" } }).config.server.port).toBe(3);
});

test("loadConfig() reads the named file and the .env beside it when --config names one", () => {
  using folder = new ConfigFolder({
    "conf/production.json": '{ "app": { "name": "${NAME}" } }',
    "conf/.env": "NAME=beside",
    ".env": "NAME=elsewhere",
    "config.json": '{ "app": { "name": "other" } }',
  });
  const loaded = folder.load({ file: "conf/production.json" });
  expect(loaded.config.app.name).toBe("beside");
  expect(loaded.file).toBe(join(folder.path, "conf", "production.json"));
  expect(loaded.directory).toBe(join(folder.path, "conf"));
  expect(folder.load({ file: loaded.file, cwd: "/" }).config).toEqual(loaded.config);
});

test("loadConfig() names a missing file when --config asked for it", () => {
  using folder = new ConfigFolder();
  const error = folder.fail({ file: "missing.json" });
  expect(error.code).toBe("config_invalid");
  expect(error.status).toBe(500);
  expect(error.message).toBe(
    `Cannot use missing.json: 1 problem\n  missing.json: no such file: ${join(folder.path, "missing.json")}`,
  );
});

test("loadConfig() refuses config.json when it is a link to nothing", () => {
  using folder = new ConfigFolder();
  symlinkSync("gone.json", join(folder.path, "config.json"));
  expect(folder.fail().message).toContain("found a link to nothing");
});

test("loadConfig() gives a configuration frozen at every depth", () => {
  const { config } = load({ plugins: { settings: { blog: { tags: [{ name: "a" }] } } } });
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    expect(Object.isFrozen(value)).toBe(true);
    Object.values(value).forEach(visit);
  };
  visit(config);
});

test("loadConfig() leaves its options as they were", () => {
  using folder = new ConfigFolder();
  const flags = { server: { cors: { allow_origins: ["https://a.example"] } } };
  const env = { XCORE_APP__NAME: "x" };
  folder.load({ flags, env });
  expect(Object.isFrozen(flags.server.cors.allow_origins)).toBe(false);
  expect(env).toEqual({ XCORE_APP__NAME: "x" });
});

test("loadConfig() ignores $schema", () => {
  expect(load({ $schema: "./xcore.schema.json" }).config).toEqual(defaultConfig());
});

test("loadConfig() never reads the environment of the process", () => {
  using folder = new ConfigFolder({ "config.json": '{ "app": { "name": "${PATH}" } }' });
  expect(folder.fail().message).toContain('environment variable "PATH" is not set');
});

test("loadConfig() takes less than 5 ms when the file sets many keys", () => {
  const settings = Object.fromEntries(
    Array.from({ length: 50 }, (_, i) => [`plugin_${i}`, { key: "${HOME}", i }]),
  );
  using folder = new ConfigFolder({
    "config.json": JSON.stringify({ server: { port: 1 }, plugins: { settings } }),
    ".env": "XCORE_APP__NAME=a",
  });
  const times = Array.from({ length: 31 }, () => {
    const start = performance.now();
    loadConfig({ cwd: folder.path, env: { HOME: "/root", XCORE_LOGGING__LEVEL: "warn" } });
    return performance.now() - start;
  });
  // The fastest one: the others also measure what else the machine does.
  expect(Math.min(...times)).toBeLessThan(5);
});
