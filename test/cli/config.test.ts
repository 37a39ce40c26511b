import { expect, setDefaultTimeout, test } from "bun:test";
import { TestFolder } from "../setup.ts";
import { xcore } from "./xcore-process.ts";

setDefaultTimeout(120_000);

const BROKEN = {
  "config.json": '{\n  "server": { "port": "http", "hots": "::" },\n  "loging": {}\n}\n',
};

test("xcore config show prints the effective configuration as JSON", async () => {
  await using folder = await TestFolder.create({ "config.json": { server: { port: 9001 } } });
  const env = { XCORE_SERVER__HOST: "0.0.0.0" };
  const { code, stdout, stderr } = await xcore(folder, ["config", "show"], { env });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(JSON.parse(stdout)).toMatchObject({
    server: { port: 9001, host: "0.0.0.0" },
    app: { name: "xcore" },
  });
});

test("xcore config show masks secrets", async () => {
  const settings = { shop: { api_key: "hush-1", dsn: "${SHOP_PASSWORD}", color: "red" } };
  await using folder = await TestFolder.create({ "config.json": { plugins: { settings } } });
  const { stdout } = await xcore(folder, ["config"], { env: { SHOP_PASSWORD: "hush-2" } });
  expect(stdout).not.toContain("hush");
  expect(JSON.parse(stdout).plugins.settings.shop.color).toBe("red");
});

test("xcore config show takes the file that --config names, wherever the option stands", async () => {
  await using folder = await TestFolder.create({ "other/my.json": { app: { name: "Other" } } });
  for (const args of [
    ["--config", "other/my.json", "config", "show"],
    ["config", "show", "--config", "other/my.json"],
  ]) {
    const { stdout } = await xcore(folder, args);
    expect(JSON.parse(stdout).app.name).toBe("Other");
  }
});

test("xcore config schema prints a JSON Schema, even beside a broken config.json", async () => {
  await using folder = await TestFolder.create(BROKEN);
  const { code, stdout } = await xcore(folder, ["config", "schema"]);
  expect(code).toBe(0);
  expect(JSON.parse(stdout).properties.server.type).toBe("object");
});

test("xcore config check says which file can be used", async () => {
  await using folder = await TestFolder.create({ "config.json": {} });
  const { code, stdout } = await xcore(folder, ["config", "check"]);
  expect(code).toBe(0);
  expect(stdout).toContain("config.json can be used");
});

test("xcore config check says so when there is no config.json", async () => {
  await using folder = await TestFolder.create();
  const { code, stdout } = await xcore(folder, ["config", "check"]);
  expect(code).toBe(0);
  expect(stdout).toContain("every key has its default");
});

test.each(["check", "show"])("xcore config %s lists every problem and exits with 1", async (command) => {
  await using folder = await TestFolder.create(BROKEN);
  const { code, stdout, stderr } = await xcore(folder, ["config", command]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toContain("3 problems");
  for (const words of ["server.port", "hots", "loging", 'did you mean "host"', "line 2", "line 3"]) {
    expect(stderr).toContain(words);
  }
  expect(stderr).not.toContain("    at ");
});

test.each([
  ['{ "server": ', "line 1"],
  ["", "expected an object"],
])("xcore config check exits with 1 when config.json holds %j", async (text, words) => {
  await using folder = await TestFolder.create({ "config.json": text });
  const { code, stderr } = await xcore(folder, ["config", "check"]);
  expect(code).toBe(1);
  expect(stderr).toContain(words);
});

test("xcore config check says what a start would refuse, and xcore doctor too", async () => {
  const config = {
    server: { port: 0, tls: { cert: "tls/cert.pem", key: "tls/key.pem" } },
    backups: { schedule: "99 * * * *" },
    cache: { backend: "redis" },
    jobs: { backend: "redis" },
  };
  await using folder = await TestFolder.create({ "config.json": config });
  const { code, stdout, stderr } = await xcore(folder, ["config", "check"]);
  expect([code, stdout]).toEqual([1, ""]);
  const refusals = [
    /Cannot use ".*tls\/cert\.pem" as server\.tls\.cert: there is no such file/,
    /Cannot schedule backups by "backups\.schedule": "99 \* \* \* \*" isn't a cron expression/,
    /Cannot use redis for "cache\.backend"/,
    /Cannot use redis for "jobs\.backend": set "redis\.url"/,
  ];
  const doctor = await xcore(folder, ["doctor"]);
  expect(doctor.code).toBe(1);
  expect(stderr).toContain("Cannot start with this configuration: 4 problems");
  for (const refusal of refusals) {
    expect(stderr).toMatch(refusal);
    expect(doctor.stdout).toMatch(new RegExp(`PROBLEM  config +${refusal.source}`));
  }
});

test("xcore config check exits with 1 when the named file is missing", async () => {
  await using folder = await TestFolder.create();
  const { code, stderr } = await xcore(folder, ["config", "check", "--config", "none.json"]);
  expect(code).toBe(1);
  expect(stderr).toContain("none.json");
});
