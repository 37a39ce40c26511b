import { expect, test } from "bun:test";
import { AppError } from "../../src/errors/errors.ts";
import { ConfigError } from "../../src/config/problems.ts";
import { ConfigSchema } from "../../src/config/schema.ts";
import { ConfigFolder, problemsOf } from "./config-folder.ts";

test("loadConfig() throws a ConfigError that a person can read in a terminal", () => {
  using folder = new ConfigFolder({
    "config.json": '{\n  "server": {\n    "prot": 1,\n    "port": "80a"\n  }\n}',
  });
  const error = folder.fail();
  expect(error).toBeInstanceOf(AppError);
  expect(error).toMatchObject({ code: "config_invalid", status: 500, errors: undefined });
  expect(error.message).toBe(
    `Cannot use config.json: 2 problems
  server.prot (line 3): unknown key, did you mean "port"?
  server.port (line 4): expected an integer between 0 and 65535, found "80a"`,
  );
  expect(error.problems).toEqual([
    {
      path: "server.prot",
      source: "config.json:3:5",
      where: "line 3",
      expected:
        'one of "host", "port", "workers", "public_url", "tls", "hsts_max_age", "body_limit", "shutdown_timeout", "watchdog_timeout", "trusted_proxies", "rate_limit", "cors"',
      found: "1",
      suggestion: "port",
      message: 'unknown key, did you mean "port"?',
    },
    {
      path: "server.port",
      source: "config.json:4:13",
      where: "line 4",
      expected: "an integer between 0 and 65535",
      found: '"80a"',
      message: 'expected an integer between 0 and 65535, found "80a"',
    },
  ]);
});

test("ConfigError throws RangeError when there is no problem", () => {
  expect(() => new ConfigError("config.json", [])).toThrow(RangeError);
});

test.each([
  [{ app: { name: "" } }, 'app.name: expected a string that is not empty, found ""'],
  [{ app: { name: null } }, "app.name: expected a string that is not empty, found null"],
  [{ app: { debug: "true" } }, 'app.debug: expected true or false, found "true"'],
  [{ app: [] }, "app: expected an object, found []"],
  [{ server: { port: 65_536 } }, "server.port: expected an integer between 0 and 65535, found 65536"],
  [{ server: { port: -1 } }, "server.port: expected an integer between 0 and 65535, found -1"],
  [{ server: { port: 1.5 } }, "server.port: expected an integer between 0 and 65535, found 1.5"],
  [
    { server: { body_limit: 0 } },
    'server.body_limit: expected a size such as "512kb", "16mb" or "1gb", or a number of bytes above zero, found 0',
  ],
  [
    { server: { body_limit: "16" } },
    'server.body_limit: expected a size such as "512kb", "16mb" or "1gb", or a number of bytes above zero, found "16"',
  ],
  [
    { server: { cors: { allow_origins: "*" } } },
    'server.cors.allow_origins: expected an array of strings, found "*"',
  ],
  [
    { server: { cors: { allow_methods: ["get"] } } },
    'server.cors.allow_methods[0]: expected "*" or an HTTP method such as "GET", found "get"',
  ],
  [
    { server: { cors: { allow_headers: ["*", "a b"] } } },
    'server.cors.allow_headers[1]: expected "*" or a header name such as "Content-Type", found "a b"',
  ],
  [
    { logging: { level: 3 } },
    'logging.level: expected one of "trace", "debug", "info", "warn", "error", "fatal", "silent", found 3',
  ],
  [{ logging: { max_bytes: 1023 } }, "logging.max_bytes: expected an integer of at least 1024, found 1023"],
  [
    { logging: { backup_count: 1001 } },
    "logging.backup_count: expected an integer between 0 and 1000, found 1001",
  ],
  [{ plugins: { settings: { blog: [] } } }, "plugins.settings.blog: expected an object, found []"],
  [
    { plugins: { settings: { "My-Blog": {} } } },
    'plugins.settings.My-Blog: expected a plugin name: small letters, digits and underscores, starting with a letter, found "My-Blog"',
  ],
  [{ $schema: 1 }, "$schema: expected a string, found 1"],
])("loadConfig() says what is expected when given %j", (config, words) => {
  expect(problemsOf(config).map(({ path, message }) => `${path}: ${message}`)).toEqual([words]);
});

test.each([
  "ftp://a.example",
  "example.com",
  "https://",
  "https://u:p@a.example",
  "https://a.example?x",
  "https://a:99999",
])("loadConfig() refuses %p as public_url", (url) => {
  const [problem] = problemsOf({ server: { public_url: url } });
  expect(problem?.expected).toBe('null, or an http or https URL such as "https://api.example.com"');
});

test.each([
  "https://a.example/",
  "https://a.example/path",
  "a.example",
  "https://A.example",
  "https://*.example",
])("loadConfig() refuses %p as an origin, which no browser sends", (origin) => {
  const [problem] = problemsOf({ server: { cors: { allow_origins: ["http://localhost:3000", origin] } } });
  expect(problem?.path).toBe("server.cors.allow_origins[1]");
});

test("loadConfig() says what to do when any origin may send credentials", () => {
  const problems = problemsOf({ server: { cors: { allow_origins: ["*"], allow_credentials: true } } });
  expect(problems).toHaveLength(1);
  expect(problems[0]?.path).toBe("server.cors.allow_credentials");
  expect(problems[0]?.message).toBe(
    'expected false, or the allowed origins by name: browsers refuse credentials with the origin "*", found true',
  );
});

test.each([
  [{ cert: "a.pem" }, "key", "expected the file of the key of tls.cert, found null"],
  [{ key: "a.key" }, "cert", "expected the file of the certificate of tls.key, found null"],
  [{ redirect_port: 80 }, "redirect_port", "expected null, or a certificate in tls.cert, found 80"],
  [
    { cert: "a", key: "b", redirect_port: 8000 },
    "redirect_port",
    "expected another port than server.port, found 8000",
  ],
])("loadConfig() says what %p lacks", (tls, key, message) => {
  expect(problemsOf({ server: { tls } })).toMatchObject([{ path: `server.tls.${key}`, message }]);
});

test("loadConfig() says that mail needs whom it comes from, and takes nothing that could be a second header", () => {
  const url = "smtp://mail.example.com";
  const [lacking] = problemsOf({ mail: { url } });
  expect(lacking).toMatchObject({ path: "mail.from", message: expect.stringContaining("mail.url is set") });
  for (const from of [
    "a@b.example\r\nBcc: c@d.example",
    "A\nB <a@b.example>",
    "a@b.example, c@d.example",
    "nobody",
  ])
    expect(problemsOf({ mail: { url, from } })).toMatchObject([{ path: "mail.from" }]);
  for (const wrong of ["http://mail.example.com", "smtp://a@b@c", "smtp://mail.example.com/?x"])
    expect(problemsOf({ mail: { url: wrong, from: "a@b.example" } })).toMatchObject([{ path: "mail.url" }]);
});

test.each([true, "soon", 0, -1, 86_401, null])(
  "loadConfig() takes %p for no number of seconds",
  (seconds) => {
    const problems = problemsOf({ database: { statement_timeout: seconds } });
    expect(problems).toMatchObject([{ path: "database.statement_timeout" }]);
  },
);

test.each([
  [{}, "issuer", "expected the address of the provider"],
  [{ preset: "keycloak" }, "issuer", "expected the address of the provider"],
  [{ preset: "google", issuer: "https://a.example" }, "issuer", "expected nothing"],
  [{ preset: "microsoft" }, "tenant", "expected the id of your tenant"],
  [{ preset: "gitlab", tenant: "a" }, "tenant", "expected nothing"],
  [{ preset: "microsoft", tenant: "common", trust_email: true }, "trust_email", "expected false"],
  [{ preset: "google", trust_email: true }, "trust_email", "expected false"],
  [{ issuer: "http://sso.example.com" }, "issuer", "an https URL"],
  [{ issuer: "http://localhost.example.com" }, "issuer", "an https URL"],
  [{ issuer: "https://sso.example.com/?x=1" }, "issuer", "an https URL"],
  [{ issuer: "https://user:password@sso.example.com" }, "issuer", "an https URL"],
  [{ issuer: "https://a.example", session_hours: 0 }, "session_hours", "expected"],
  [{ issuer: "https://a.example", client_secret: 7 }, "client_secret", "expected a string"],
])("loadConfig() says what the provider %p lacks, or has too much", (settings, key, message) => {
  const providers = { acme: { client_id: "xcore", ...settings } };
  expect(problemsOf({ auth: { providers } })).toMatchObject([
    { path: `auth.providers.acme.${key}`, message: expect.stringContaining(message) },
  ]);
});

test.each([
  ["server", "prot", "port"],
  ["server", "publicUrl", "public_url"],
  ["server", "body-limit", "body_limit"],
  ["logging", "LEVEL", "level"],
  ["logging", "max", "max_bytes"],
  ["server", "level", "logging.level"],
  ["server", "allow_origins", "server.cors.allow_origins"],
])("loadConfig() suggests a key when %s.%s does not exist", (section, key, suggestion) => {
  const [problem] = problemsOf({ [section]: { [key]: 1 } });
  expect(problem).toMatchObject({ path: `${section}.${key}`, suggestion });
  expect(problem?.message).toBe(`unknown key, did you mean "${suggestion}"?`);
});

test.each([
  ["port", "server.port"],
  ["sever", "server"],
  ["cors", "server.cors"],
  ["server.port", "server.port"],
])("loadConfig() suggests the right place when %s stands at the top", (key, suggestion) => {
  expect(problemsOf({ [key]: 1 })[0]).toMatchObject({ suggestion });
});

test.each(["weather", "zzz", "x".repeat(10_000)])(
  "loadConfig() lists the keys that exist when %s is like none",
  (key) => {
    const [problem] = problemsOf({ [key]: {} });
    expect(problem?.suggestion).toBeUndefined();
    const sections = Object.keys(ConfigSchema.properties).filter((name) => name !== "$schema");
    expect(problem?.message).toBe(
      `unknown key, expected one of ${sections.map((name) => `"${name}"`).join(", ")}`,
    );
    expect(problem?.path.length).toBeLessThan(110);
  },
);

test.each([
  ["warning", "warn"],
  ["INFO", "info"],
  ["err", "error"],
])("loadConfig() suggests a value when the level is %p", (level, suggestion) => {
  expect(problemsOf({ logging: { level } })[0]).toMatchObject({ suggestion });
});

test("loadConfig() reports more problems than TypeBox gathers by default", () => {
  const keys = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`unknown_${index}`, index]));
  using folder = new ConfigFolder({ "config.json": JSON.stringify(keys) });
  const { problems, message } = folder.fail();
  expect(problems).toHaveLength(300);
  expect(message.split("\n")).toHaveLength(102);
  expect(message).toEndWith("\n  and 200 more");
});

test.each(["app", "settings"])(
  "loadConfig() stops at 1000 problems when %s has 20,000 wrong keys",
  (section) => {
    const keys = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`Unknown-${index}`, {}]));
    const config = section === "app" ? { app: keys } : { plugins: { settings: keys } };
    expect(problemsOf(config)).toHaveLength(1000);
  },
);

test("loadConfig() cuts what was found after 60 characters and keeps it printable", () => {
  const [problem] = problemsOf({ server: { port: `\u009b31m\u202e${"x".repeat(200)}` } });
  expect(problem?.found).toStartWith('"\\u009b31m\\u202exxx');
  expect(problem?.found).toEndWith("x…");
  expect(problem?.found.length).toBeLessThanOrEqual(70);
});

test.each([
  ["password", "hunter2", '"***"'],
  ["jwt_secret_ky", "hunter2", '"***"'],
  ["dsn", "postgres://ada:hunter2@db/app", '"postgres://***@db/app"'],
  ["options", { token: "hunter2", depth: 1 }, '{"token":"***","depth":1}'],
  ["api_key", ["hunter2", 12], '["***","***"]'],
])("loadConfig() masks what was found under an unknown key %s", (key, value, found) => {
  using folder = new ConfigFolder({ "config.json": JSON.stringify({ app: { [key]: value } }) });
  const error = folder.fail();
  expect(error.problems[0]?.found).toBe(found);
  expect(error.message).not.toContain("hunter2");
});

test("loadConfig() masks what came from a variable with the name of a secret", () => {
  using folder = new ConfigFolder({ ".env": "XCORE_SERVER__TOKEN=hunter2" });
  const error = folder.fail({ env: { XCORE_PLUGINS__SETTINGS__SECRETS: "hunter2" } });
  expect(error.problems.map(({ found }) => found)).toEqual(['"***"', '"***"']);
  expect(error.message).not.toContain("hunter2");
});

test("a section that may be null has its defaults, and tells of each key what is wrong with it", () => {
  const acme = { domains: ["erp.example.com"], email: "admin@example.com" };
  const tls = (more: object) => ({ server: { tls: { redirect_port: 80, acme: { ...acme, ...more } } } });
  using folder = new ConfigFolder({ "config.json": JSON.stringify(tls({})) });
  expect(folder.load().config.server.tls.acme).toEqual({
    ...acme,
    directory: "https://acme-v02.api.letsencrypt.org/directory",
    external_account: null,
  });
  expect(problemsOf(tls({ emial: "a@b.c" }))).toMatchObject([
    { path: "server.tls.acme.emial", message: 'unknown key, did you mean "email"?' },
  ]);
  const wrong = tls({ domains: ["*.example.com"], external_account: { key_id: "1" } });
  expect(
    problemsOf(wrong)
      .map(({ path }) => path)
      .toSorted(),
  ).toEqual(["server.tls.acme.domains[0]", "server.tls.acme.external_account.hmac_key"]);
});
