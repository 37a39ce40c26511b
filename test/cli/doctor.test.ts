import { Database } from "bun:sqlite";
import { expect, setDefaultTimeout, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createTestDatabase, testWithServer } from "../database-servers.ts";
import { PrivateServer } from "../faults/private-server.ts";
import { PluginHost } from "../plugins/remote/plugin-host.ts";
import { testWithProgram } from "../programs.ts";
import { plugin, TestFolder } from "../setup.ts";
import { makeCertificate, makeIssued } from "../web/listening/certificates.ts";
import { XCORE } from "./xcore-command.ts";
import { type RunOptions, xcore, XcoreServer } from "./xcore-process.ts";

setDefaultTimeout(120_000);

interface Finding {
  readonly area: string;
  readonly state: string;
  readonly message: string;
  readonly advice: string | null;
}

/** Any port is free there. */
const SERVER = { server: { port: 0 } };

async function examine(folder: TestFolder, options?: RunOptions) {
  const { code, stdout, stderr } = await xcore(folder, ["doctor", "--json"], options);
  const { ok, findings } = JSON.parse(stdout) as { ok: boolean; findings: Finding[] };
  expect(code).toBe(ok ? 0 : 1);
  // Whatever is wrong comes with what to do.
  for (const { state, advice } of findings) expect(advice === null).toBe(state === "ok");
  const wrong = findings
    .filter(({ state }) => state !== "ok")
    .map(({ area, state, message }) => `${state} ${area}: ${message}`);
  return { ok, wrong, findings, output: stdout + stderr };
}

/** A folder that a server has run in, once. */
async function makeProject(files: Record<string, string | object> = {}): Promise<TestFolder> {
  const folder = await TestFolder.create({ "config.json": SERVER, ...files });
  await using server = await XcoreServer.start(folder);
  server.kill("SIGTERM");
  await server.exited;
  return folder;
}

test("xcore doctor says how long the certificate is good, and for whom it isn't", async () => {
  const { cert, key } = await makeCertificate(["localhost"]);
  const server = { port: 0, tls: { cert: "cert.pem", key: "key.pem" } };
  await using folder = await TestFolder.create({
    "config.json": { server },
    "cert.pem": cert,
    "key.pem": key,
  });
  await Promise.all([chmod(folder.path, 0o755), chmod(join(folder.path, "key.pem"), 0o644)]);
  const { wrong, findings } = await examine(folder);
  expect(wrong).toEqual(["warning files: others may read key.pem (mode 644)"]);
  expect(findings.find(({ area }) => area === "files")?.advice).toBe("run `chmod o= key.pem`");
  await chmod(join(folder.path, "key.pem"), 0o640);
  expect(findings.find(({ area }) => area === "tls")?.message).toMatch(/^the certificate is good until 2/);
  using program = Bun.serve({ port: 0, hostname: "127.0.0.1", reusePort: true, fetch: () => new Response() });
  const tls = { ...server.tls, redirect_port: program.port };
  const other = { ...server, tls, public_url: "https://erp.example.com" };
  await folder.write({ "config.json": { server: other } });
  const { ok, wrong: warned, findings: told } = await examine(folder);
  expect([ok, warned]).toEqual([
    false,
    [
      expect.stringMatching(/^warning tls: the certificate needs attention: .*erp\.example\.com/),
      `problem port: cannot listen on 127.0.0.1:${program.port}: the port is in use`,
    ],
  ]);
  expect(told.at(-1)?.advice).toEndWith("choose another port with server.tls.redirect_port");
  await writeFile(join(folder.path, "cert.der"), new X509Certificate(cert).raw);
  await folder.write({ "config.json": { server: { ...server, tls: { ...server.tls, cert: "cert.der" } } } });
  expect((await examine(folder)).wrong).toEqual([
    expect.stringMatching(
      /^problem config: .*cert\.der" as server\.tls\.cert: it is binary .*and must be PEM/,
    ),
  ]);
});

test("xcore doctor says how it stands with the certificate of an authority", async () => {
  const acme = { domains: ["erp.example.com"], email: "a@example.com", directory: "https://127.0.0.1:1/" };
  await using folder = await TestFolder.create({
    "config.json": { server: { port: 0, tls: { acme, redirect_port: 0 } } },
  });
  const look = async (): Promise<string> => {
    const { findings } = await examine(folder);
    return findings
      .flatMap(({ area, state, message }) => (area === "tls" ? `${state}: ${message}` : []))
      .join("\n");
  };
  expect(await look()).toStartWith("ok: there is no certificate for erp.example.com yet");
  const attempts = {
    about: `${acme.directory} ${acme.email} erp.example.com`,
    failures: 1,
    next_at: 0,
    limited_until: 0,
    problem: "connect ECONNREFUSED",
  };
  const own = await makeCertificate(acme.domains);
  await folder.write({
    "data/acme/certificate.pem": own.cert + own.key,
    "data/acme/attempts.json": attempts,
  });
  expect(await look()).toBe("problem: the authority has issued no certificate: connect ECONNREFUSED");
  const issued = await makeIssued({ names: acme.domains, days: 90, left: 10 });
  await folder.write({ "data/acme/certificate.pem": issued });
  expect(await look()).toMatch(
    /^warning: the certificate is good until .*, and none was issued after it: connect/,
  );
});

test("xcore doctor finds nothing wrong in an empty folder, and makes nothing", async () => {
  await using folder = await TestFolder.create({ "config.json": SERVER });
  const { code, stdout, stderr } = await xcore(folder, ["doctor"]);
  expect([code, stderr]).toEqual([0, ""]);
  for (const line of [
    /^ok +version +xcore \S+, Bun 1/m,
    /^ok +config .*config\.json can be used$/m,
    /^ok +disk .* GiB are free/m,
    /^ok +database .*made at the first start$/m,
    /^ok +port +127\.0\.0\.1:0 is free$/m,
  ]) {
    expect(stdout).toMatch(line);
  }
  expect([...new Bun.Glob("**").scanSync({ cwd: folder.path, dot: true })]).toEqual(["config.json"]);
});

test("xcore doctor says what is wrong with config.json, and that nothing else was looked at", async () => {
  await using folder = await TestFolder.create({ "config.json": { server: { prot: 1 } } });
  const { wrong, findings } = await examine(folder);
  expect(wrong).toEqual([expect.stringMatching(/^problem config: .*\n.*server\.prot.*did you mean "port"/)]);
  expect(findings.map(({ area }) => area)).toEqual(["version", "config"]);
});

test("xcore doctor looks at the files of a project, its tables and migrations", async () => {
  await using folder = await makeProject({ ".env": "SHOP_KEY=hush\n" });
  await chmod(join(folder.path, ".env"), 0o600);
  expect((await examine(folder)).wrong).toEqual([]);
  await chmod(folder.path, 0o755);
  await chmod(join(folder.path, ".env"), 0o644);
  await chmod(join(folder.path, "data"), 0o755);
  await chmod(join(folder.path, "data/app.db"), 0o644);
  const { ok, wrong, output } = await examine(folder);
  expect(ok).toBe(true);
  expect(wrong).toEqual([
    "warning files: others may read .env (mode 644)",
    "warning files: others may read data/app.db (mode 644)",
  ]);
  expect(output).not.toContain("hush");
  await chmod(join(folder.path, ".env"), 0o600);
  await chmod(join(folder.path, "data/app.db"), 0o600);

  using db = new Database(join(folder.path, "data/app.db"));
  db.run("alter table users rename column full_name to old_name");
  expect((await examine(folder)).wrong).toEqual([
    'problem migrations: the database lacks column "users.full_name"',
  ]);
  db.run("delete from xcore_migrations where owner = 'core' and name like '0001%'");
  db.run("update xcore_migrations set hash = 'x' where owner = 'core' and name like '0002%'");
  db.run(
    "insert into xcore_migrations values ('core', '9999_later', 'x', 1, null, '2026-01-01T00:00:00.000Z')",
  );
  expect((await examine(folder)).wrong).toEqual([
    "warning migrations: 1 migration of core to apply",
    "problem migrations: core 0002_idempotency was edited after it was applied",
    "problem migrations: a newer xcore has applied 9999_later: this one refuses to start",
  ]);
});

test("xcore doctor says of what stands in a wrong place what it is, and what to do", async () => {
  const files = { data: "", logs: "", "bin/x": "" };
  const settings = { ...SERVER, database: { url: "sqlite:empty.db" }, backups: { directory: "bin/x/y" } };
  await using folder = await TestFolder.create({ "config.json": settings, "empty.db": "", ...files });
  await chmod(join(folder.path, "empty.db"), 0o600);
  expect((await examine(folder)).wrong).toEqual([
    "problem files: cannot write to data: it is a file, and no folder",
    "problem files: cannot write to logs: it is a file, and no folder",
    expect.stringMatching(/^problem files: cannot write to data\/files: \S+data is a file, and no folder$/),
    expect.stringMatching(/^problem files: cannot write to bin\/x\/y: \S+x is a file, and no folder$/),
    expect.stringMatching(/^warning migrations: \d+ migrations of core to apply$/),
  ]);
  await folder.remove("empty.db");
  await folder.remove("data");
  await folder.write({ "empty.db/x": "" });
  const { findings } = await examine(folder);
  expect(findings.find(({ area }) => area === "database")).toMatchObject({
    message: expect.stringContaining("its file can't be opened"),
    advice: expect.stringMatching(/^put its file right/),
  });
});

test("xcore doctor tells a port that is taken from one of its own server, and asks that for its plugins", async () => {
  using other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  const broken = Object.entries(plugin("shop", ".nothing()")).map(([name, text]) => [
    `plugins/${name}`,
    text,
  ]);
  await using folder = await TestFolder.create({
    ...Object.fromEntries(broken),
    "plugins/odd/plugin.json": '{ "name": "odd", "vrsion": 1 }',
    "config.json": { server: { port: other.port } },
  });
  const alone = await examine(folder);
  expect(alone.wrong).toEqual([
    expect.stringMatching(/^problem plugins: odd: /),
    `problem port: cannot listen on 127.0.0.1:${other.port}: the port is in use`,
  ]);
  await using server = await XcoreServer.start(folder);
  expect((await server.fetch("/health")).status).toBe(200);
  expect((await examine(folder)).wrong).toEqual([
    expect.stringMatching(/^problem plugins: odd: /),
    expect.stringMatching(/^problem plugins: shop can't be loaded: .*nothing/),
  ]);
});

test("xcore doctor compares plugins from elsewhere with their pins, and fetches nothing", async () => {
  await using host = new PluginHost();
  const { url, integrity } = host.publish("/crm", {
    "plugin.json": { name: "crm", version: "1.0.0" },
    "run.ts": 'import { createRouter } from "xcore";\nexport default createRouter();\n',
  });
  const remote = { crm: { url, integrity }, loose: { url } };
  await using folder = await TestFolder.create({ "config.json": { ...SERVER, plugins: { remote } } });
  const asked = host.requests.length;
  const before = await examine(folder);
  expect(host.requests).toHaveLength(asked);
  expect(before.wrong).toContain("warning plugins: crm isn't here yet: the next start fetches it");
  expect(before.wrong).toContain("problem plugins: loose isn't pinned");
  await xcore(folder, ["plugin", "list"]);
  expect((await examine(folder)).wrong.filter((text) => text.includes("crm"))).toEqual([]);
  const file = [...new Bun.Glob("data/plugins/sources/*/files/run.ts").scanSync(folder.path)][0] ?? "";
  await writeFile(join(folder.path, file), "export {};");
  expect((await examine(folder)).wrong).toContain(
    "problem plugins: crm: the copy in cache isn't what is pinned",
  );
});

testWithProgram("redis-server", "xcore doctor asks Redis, and shows no password", async () => {
  await using redis = await PrivateServer.start("redis");
  await using folder = await TestFolder.create({ "config.json": SERVER });
  const env = { REDIS_URL: redis.url, XCORE_CACHE__BACKEND: "redis" };
  expect((await examine(folder, { env })).wrong).toEqual([]);
  const client = new Bun.RedisClient(redis.url);
  await client.send("CLIENT", ["PAUSE", "3000"]);
  expect((await examine(folder, { env })).wrong).toEqual([]);
  client.close();
  await redis.kill();
  const away = await examine(folder, { env });
  expect(away.wrong).toEqual([
    "problem cache: redis doesn't answer",
    expect.stringMatching(/^problem redis: \S+ doesn't answer/),
  ]);
  expect(away.output).not.toContain("s3cret");
});

test("xcore doctor says that a database can't be reached, without its password", async () => {
  await using folder = await TestFolder.create({ "config.json": SERVER });
  const env = { XCORE_DATABASE__URL: "postgresql://ada:hush@127.0.0.1:1/shop" };
  const { wrong, output } = await examine(folder, { env });
  expect(wrong).toEqual([expect.stringMatching(/^problem database: .*127\.0\.0\.1:1.*connection refused/)]);
  expect(output).not.toContain("hush");
});

for (const dialect of ["postgres", "mysql"] as const) {
  testWithServer(
    dialect,
    `xcore doctor compares clocks with the database (${dialect})`,
    120_000,
    async () => {
      await using database = await createTestDatabase(dialect, { hasCoreTables: true });
      await using folder = await TestFolder.create({ "config.json": SERVER });
      const env = { XCORE_DATABASE__URL: database.url };
      const { findings, wrong } = await examine(folder, { env });
      expect(wrong.filter((text) => !text.includes("to apply"))).toEqual([]);
      expect(findings.find(({ area }) => area === "clock")).toMatchObject({ state: "ok" });
      const faketime = Bun.which("faketime");
      if (faketime === null) throw new Error("faketime is missing");
      const late = await examine(folder, { env, command: [faketime, "-m", "-f", "+60s", ...XCORE] });
      expect(late.wrong).toContainEqual(
        expect.stringMatching(/^problem clock: the database's clock is (59|60)\.\d s behind this machine's/),
      );
    },
  );
}
