import { expect, test } from "bun:test";
import { ConfigFolder, load, problemsOf } from "./config-folder.ts";

function settingsOf(value: unknown, env: Record<string, string>) {
  return load({ plugins: { settings: { blog: { value } } } }, { env }).config.plugins.settings["blog"]?.[
    "value"
  ];
}

test.each([
  ["${NAME}", "ada"],
  ["Dear ${NAME}!", "Dear ada!"],
  ["${NAME}${NAME}", "adaada"],
  ["$${NAME}", "${NAME}"],
  ["$NAME and $5", "$NAME and $5"],
  ["${EMPTY}", ""],
  ["${NESTED}", "${NAME}"],
  ["${NUMBER}", "12"],
])("loadConfig() replaces the variables of %p", (text, expected) => {
  expect(settingsOf(text, { NAME: "ada", EMPTY: "", NESTED: "${NAME}", NUMBER: "12" })).toBe(expected);
});

test("loadConfig() replaces variables at any depth", () => {
  expect(settingsOf([{ deep: ["${A}", 1, null] }], { A: "a" })).toEqual([{ deep: ["a", 1, null] }]);
});

test("loadConfig() gives a value the type of its key when it is nothing but a variable", () => {
  const text = {
    app: { name: "${TWELVE}", debug: "${YES}" },
    server: {
      port: "${TWELVE}",
      public_url: "${NULL}",
      body_limit: "${TWELVE}",
      cors: { allow_origins: "${LIST}", allow_headers: ["${TWELVE}"] },
    },
  };
  const env = { TWELVE: "12", YES: "yes", NULL: "null", LIST: "https://a.example,https://b.example" };
  const { app, server } = load(text, { env }).config;
  expect(app).toMatchObject({ name: "12", debug: true });
  expect(server).toMatchObject({ port: 12, public_url: null, body_limit: 12 });
  expect(server.cors.allow_origins).toEqual(["https://a.example", "https://b.example"]);
  expect(server.cors.allow_headers).toEqual(["12"]);
});

test("loadConfig() takes variables from .env and prefers those of the environment", () => {
  using folder = new ConfigFolder({
    "config.json": '{ "app": { "name": "${A}-${B}" } }',
    ".env": "A=file\nB=file",
  });
  expect(folder.load({ env: { B: "environment" } }).config.app.name).toBe("file-environment");
});

test("loadConfig() reports once, with its place, a variable that is not set", () => {
  expect(problemsOf('{\n  "server": { "port": "${PORT}" }\n}')).toEqual([
    {
      path: "server.port",
      source: "config.json:2:23",
      where: "line 2",
      expected: 'environment variable "PORT"',
      found: "nothing",
      message: 'environment variable "PORT" is not set',
    },
  ]);
});

test("loadConfig() does not find variables on the prototype", () => {
  expect(problemsOf({ app: { name: "${constructor}" } })[0]?.message).toContain("is not set");
});

test.each(["${}", "${", "a ${1} b", "${NAME:-x}", "${user.name}"])(
  "loadConfig() says how to write a literal when %p names no variable",
  (name) => {
    const [problem] = problemsOf({ app: { name } }, { env: { NAME: "a" } });
    expect(problem).toMatchObject({ path: "app.name", message: "expected ${NAME}, or $${ for a literal ${" });
  },
);

test("loadConfig() reports what a variable holds when its key does not accept it", () => {
  const [problem] = problemsOf({ server: { port: "${PORT}" } }, { env: { PORT: "http" } });
  expect(problem).toMatchObject({ path: "server.port", found: '"http"' });
});

test("loadConfig() masks the value of a variable that has the name of a secret", () => {
  const env = { DB_PASSWORD: "hunter2" };
  const [problem] = problemsOf({ server: { port: "${DB_PASSWORD}" } }, { env });
  expect(problem?.found).toBe('"***"');
  const { secretPaths } = load({ plugins: { settings: { blog: { dsn: "x ${DB_PASSWORD}" } } } }, { env });
  expect(secretPaths).toEqual([["plugins", "settings", "blog", "dsn"]]);
});
