import { expect, test } from "bun:test";
import { maskSecrets } from "../../src/config/secrets.ts";
import { ConfigFolder, defaultConfig, load, problemsOf } from "./config-folder.ts";

function loadWith(env: Record<string, string>) {
  using folder = new ConfigFolder();
  return folder.load({ env }).config;
}

function failWith(env: Record<string, string>) {
  using folder = new ConfigFolder();
  return folder.fail({ env });
}

test("loadConfig() turns a variable into the type of its key", () => {
  const config = loadWith({
    XCORE_APP__NAME: "12",
    XCORE_APP__DEBUG: "True",
    XCORE_SERVER__PORT: " 9000 ",
    XCORE_SERVER__PUBLIC_URL: "https://api.example.com",
    XCORE_SERVER__BODY_LIMIT: "2048",
    XCORE_LOGGING__LEVEL: "warn",
    XCORE_LOGGING__CONSOLE: "off",
  });
  expect(config.app).toMatchObject({ name: "12", debug: true });
  expect(config.server).toMatchObject({
    port: 9000,
    public_url: "https://api.example.com",
    body_limit: 2048,
  });
  expect(config.logging).toMatchObject({ level: "warn", console: false });
});

test.each([
  ["1", true],
  ["yes", true],
  ["ON", true],
  ["0", false],
  ["no", false],
  ["FALSE", false],
])("loadConfig() reads %p as a boolean when the key takes one", (text, value) => {
  expect(loadWith({ XCORE_APP__DEBUG: text }).app.debug).toBe(value);
});

test("loadConfig() takes a name in small letters", () => {
  expect(loadWith({ xcore_server__port: "1" }).server.port).toBe(1);
});

test("loadConfig() takes null when the key may be null", () => {
  const { config } = load(
    { server: { public_url: "https://a.example" } },
    { env: { XCORE_SERVER__PUBLIC_URL: "null" } },
  );
  expect(config.server.public_url).toBeNull();
});

test.each([
  ["https://a.example,https://b.example", ["https://a.example", "https://b.example"]],
  [" https://a.example , https://b.example, ", ["https://a.example", "https://b.example"]],
  ['["https://a.example"]', ["https://a.example"]],
  ["*", ["*"]],
  ["", []],
])("loadConfig() reads %p as a list when the key takes one", (text, origins) => {
  expect(loadWith({ XCORE_SERVER__CORS__ALLOW_ORIGINS: text }).server.cors.allow_origins).toEqual(origins);
});

test("loadConfig() merges an object given as JSON with the rest, and lets the longer path win", () => {
  const env = { XCORE_SERVER__PORT: "3", XCORE_SERVER: '{ "host": "0.0.0.0", "port": 2 }' };
  const { config } = load({ server: { port: 1, body_limit: "1kb" } }, { env });
  expect(config.server).toEqual({ ...defaultConfig().server, host: "0.0.0.0", port: 3, body_limit: "1kb" });
});

test("loadConfig() sets the settings of plugins, reading what is JSON as JSON", () => {
  const prefix = "XCORE_PLUGINS__SETTINGS__BLOG__";
  const config = loadWith({
    [`${prefix}API_KEY`]: "abc",
    [`${prefix}PER_PAGE`]: "20",
    [`${prefix}RATIO`]: "0.5",
    [`${prefix}OPEN`]: "true",
    [`${prefix}NOTHING`]: "null",
    [`${prefix}TAGS`]: '["a", 1]',
    [`${prefix}TEXT`]: '"12"',
    [`${prefix}ACCOUNT`]: "12345678901234567890",
    [`${prefix}ZIP`]: "01234",
    [`${prefix}BROKEN`]: "[1",
    [`${prefix}EMPTY`]: "",
    [`${prefix}SMTP__HOST`]: "localhost",
    XCORE_PLUGINS__SETTINGS__SHOP: '{ "currency": "EUR" }',
  });
  expect(config.plugins.settings).toEqual({
    blog: {
      api_key: "abc",
      per_page: 20,
      ratio: 0.5,
      open: true,
      nothing: null,
      tags: ["a", 1],
      text: "12",
      account: "12345678901234567890",
      zip: "01234",
      broken: "[1",
      empty: "",
      smtp: { host: "localhost" },
    },
    shop: { currency: "EUR" },
  });
});

test.each([
  ["XCORE_SERVER__PROT", "XCORE_SERVER__PORT"],
  ["XCORE_PORT", "XCORE_SERVER__PORT"],
  ["XCORE_SERVER_PORT", "XCORE_SERVER__PORT"],
  ["XCORE_SERVER__ALLOW_ORIGINS", "XCORE_SERVER__CORS__ALLOW_ORIGINS"],
  ["XCORE_LOGING__LEVEL", "XCORE_LOGGING__LEVEL"],
])("loadConfig() suggests a variable when %s names no key", (name, suggestion) => {
  const { problems, message } = failWith({ [name]: "1" });
  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatchObject({ source: "environment", where: name, suggestion });
  expect(message).toContain(`(${name}): unknown key, did you mean "${suggestion}"?`);
  expect(message).toStartWith("Cannot use the configuration: 1 problem");
});

test.each([
  "XCORE_",
  "XCORE___",
  "XCORE___PROTO__",
  "XCORE_SERVER__",
  "XCORE_QUITE__ELSE",
  "XCORE_CONSTRUCTOR",
])("loadConfig() refuses %s, which names no key", (name) => {
  expect(failWith({ [name]: "1" }).message).toContain(`(${name}): unknown key`);
});

test.each([
  ["XCORE_SERVER__PORT", "80a", "server.port", 'an integer between 0 and 65535, found "80a"'],
  ["XCORE_SERVER__PORT", "", "server.port", 'an integer between 0 and 65535, found ""'],
  ["XCORE_SERVER__PORT", "0x50", "server.port", 'an integer between 0 and 65535, found "0x50"'],
  ["XCORE_SERVER__PORT", "1.5", "server.port", "an integer between 0 and 65535, found 1.5"],
  ["XCORE_APP__DEBUG", "maybe", "app.debug", 'true or false, found "maybe"'],
  ["XCORE_SERVER", "8000", "server", "an object as JSON, found 8000"],
  ["XCORE_SERVER", "{ broken", "server", 'an object as JSON, found "{ broken"'],
  ["XCORE_SERVER__CORS__ALLOW_HEADERS", "[1", "server.cors.allow_headers", 'an array of strings, found "[1"'],
  [
    "XCORE_SERVER__CORS__ALLOW_METHODS",
    "GET,post",
    "server.cors.allow_methods[1]",
    '"*" or an HTTP method such as "GET", found "post"',
  ],
  ["XCORE_PLUGINS__SETTINGS__BLOG", "x", "plugins.settings.blog", 'an object as JSON, found "x"'],
])("loadConfig() reports the variable when %s is %p", (name, value, path, words) => {
  const { problems } = failWith({ [name]: value });
  expect(problems.map(({ where, message }) => ({ where, message }))).toEqual([
    { where: name, message: `expected ${words}` },
  ]);
  expect(problems[0]).toMatchObject({ path, source: "environment" });
});

test("loadConfig() survives JSON that is nested too deep in a variable", () => {
  const { message } = failWith({ XCORE_SERVER: `${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}` });
  expect(message).toContain("server (XCORE_SERVER): expected an object as JSON");
});

test("loadConfig() reports a wrong value in the file even when a variable replaces it", () => {
  const problems = problemsOf({ server: { port: "80a" } }, { env: { XCORE_SERVER__PORT: "1" } });
  expect(problems.map(({ source }) => source)).toEqual(["config.json:1:19"]);
});

test("loadConfig() validates flags like everything else", () => {
  using folder = new ConfigFolder();
  expect(folder.fail({ flags: { server: { port: Number.NaN } } }).message).toBe(
    "Cannot use the configuration: 1 problem\n" +
      "  server.port (command line): expected an integer between 0 and 65535, found NaN",
  );
});

test("loadConfig() takes DATABASE_URL, and XCORE_DATABASE__URL before it", async () => {
  const url = "postgresql://app@localhost/app";
  expect(loadWith({ DATABASE_URL: url }).database.url).toBe(url);
  const both = loadWith({ DATABASE_URL: url, XCORE_DATABASE__URL: "sqlite:other.db" });
  expect(both.database.url).toBe("sqlite:other.db");
});

test("loadConfig() names the databases that it knows when DATABASE_URL is of another, and hides it", async () => {
  const [problem] = failWith({ DATABASE_URL: "oracle://scott:tiger@db/app" }).problems;
  expect(problem).toMatchObject({ path: "database.url", where: "DATABASE_URL" });
  expect(problem?.message).toMatch(/SQLite.+PostgreSQL.+MySQL/);
  expect(problem?.message).not.toContain("tiger");
});

test("loadConfig() takes JWT_SECRET_KEY, and hides it", () => {
  const key = "k3y ".repeat(8);
  expect(loadWith({ JWT_SECRET_KEY: key }).security.jwt_secret_key).toBe(key);
  const problems = failWith({ JWT_SECRET_KEY: key, XCORE_SECURITY__BCRYPT_COST: "3" }).problems;
  expect(JSON.stringify(problems)).not.toContain("k3y");
  expect(JSON.stringify(maskSecrets(loadWith({ JWT_SECRET_KEY: key })))).not.toContain("k3y");
});

test("loadConfig() takes REDIS_URL, names what it accepts when it is something else, and hides it", () => {
  for (const url of [
    "redis://app:pass%2Fword@redis.intern:6380/2",
    "rediss://redis.intern",
    "unix:///run/redis.sock",
  ]) {
    expect(loadWith({ REDIS_URL: url }).redis.url).toBe(url);
  }
  for (const url of [
    "http://app:t0ps3cret@redis",
    "redis://app:t0p/s3cret@redis",
    "redis://h/zero",
    "redis://",
  ]) {
    const [problem] = failWith({ REDIS_URL: url }).problems;
    expect(problem).toMatchObject({ path: "redis.url", where: "REDIS_URL" });
    expect(problem?.message).toContain("redis://user:password@host:6379/0");
    expect(problem?.message).not.toContain("s3cret@");
  }
});
