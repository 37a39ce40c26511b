import { expect, setDefaultTimeout } from "bun:test";
import { parse } from "jsonc-parser";
import { createTestDatabase, testWithServer } from "../database-servers.ts";
import { PrivateServer } from "../faults/private-server.ts";
import { findFreePort } from "../free-port.ts";
import { testWithProgram } from "../programs.ts";
import { faq, findQuestion } from "./document.ts";
import { FaqProject } from "./project.ts";

setDefaultTimeout(120_000);

/** A plugin that counts how often its cached function is run. */
const PRICES = {
  "plugins/prices/plugin.json": { name: "prices", version: "1.0.0" },
  ...findQuestion("How do I cache a function?").files(),
};
const SHOWN_REDIS = "redis://localhost:6379/0";

const withRedis = (name: string, run: () => Promise<void>): void =>
  testWithProgram("redis-server", name, run);

faq(
  "Which cache backends are supported?",
  async (question) => {
    await using redis = await PrivateServer.start("redis");
    await using memcached = await PrivateServer.start("memcached");
    const withRedisUrl = question.file("config.json").replace(SHOWN_REDIS, redis.url);
    const other = question.shown("memcached://").replace("memcached://localhost:11211", memcached.url);
    for (const [backend, config] of [
      ["redis", withRedisUrl],
      ["memcached", `{${other}}`],
    ] as const) {
      await using project = await FaqProject.create({ ...PRICES, "config.json": config });
      await project.start();
      const first = await project.ask("/prices/1");
      expect(await project.ask("/prices/1")).toEqual(first);
      expect(await project.json("xcore cache stats --json")).toMatchObject({ backend, available: true });
      // What the first has cached, the second finds.
      await project.start();
      expect(await project.ask("/prices/1")).toEqual(first);
    }
  },
  (name, run) => testWithProgram("memcached", name, run),
);

faq(
  "How do I deploy to production?",
  async (question) => {
    await using redis = await PrivateServer.start("redis");
    await using project = await FaqProject.create();
    await project.run("xcore init");
    await project.folder.write({ "config.json": { server: { port: 0 } } });
    expect(await project.run(question.shown("xcore doctor"))).toContain("ok       database");
    const unit = await project.sh(question.shown("--dry-run"));
    if (project.folder.path.startsWith("/tmp/")) {
      expect([unit.code, unit.stderr]).toEqual([1, expect.stringContaining("temporary")]);
    } else {
      expect(unit.stdout).toMatch(/^ProtectSystem=strict$/m);
      expect(unit.stdout).toContain(`WorkingDirectory=${project.folder.path}\n`);
    }

    // No image is built here: its files are put together as it says, and its command is run there.
    const image = question.file("Dockerfile");
    await project.run('ln -s "$(command -v xcore)" xcore');
    const copied = [...image.matchAll(/^COPY (.+) \S+$/gm)].flatMap(([, names = ""]) => names.split(" "));
    expect(await project.run(`ls -d ${copied.join(" ")}`)).toBe("config.json\nplugins\nxcore\n");
    const [, ...command] = JSON.parse(/^CMD (.+)$/m.exec(image)?.[1] ?? "[]");
    await project.start({ args: command });
    expect((await project.ask("/hello")).status).toBe(200);

    const [variable = "", , ...args] = question.shown("--workers").trim().split(" ");
    const [name = "", url = ""] = variable.split("=");
    expect(url).toBe("redis://localhost:6379");
    const server = await project.start({ args, env: { [name]: redis.url } });
    await server.waitFor(/"msg":"4 workers listen on /);
    expect((await project.ask("/hello")).status).toBe(200);
    await project.stop();
    expect(await server.exited).toBe(0);
  },
  withRedis,
);

faq(
  "How do I set up HTTPS?",
  async (question) => {
    await using project = await FaqProject.create();
    await project.run(question.shown("openssl req"));
    const [port, redirectPort] = [findFreePort(), findFreePort()];
    const fit = (text: string) =>
      text
        .replace('"port": 443', `"port": ${port}`)
        .replace('"redirect_port": 80', `"redirect_port": ${redirectPort}`)
        .replace('"host": "0.0.0.0"', '"host": "127.0.0.1"');
    const shown = parse(fit(question.file("config.json")));

    // Nobody reaches an authority from here: it serves by a certificate of its own, and tries again.
    const directory = `https://127.0.0.1:${findFreePort()}/directory`;
    const acme = { ...shown.server.tls.acme, directory };
    const withAcme = { server: { ...shown.server, tls: { ...shown.server.tls, acme } } };
    await project.folder.write({ "config.json": withAcme });
    const { output } = await project.start({ args: [] });
    expect(output).toContain("erp.example.com");
    const own = await fetch(`https://127.0.0.1:${port}/health`, { tls: { rejectUnauthorized: false } });
    expect(own.status).toBe(200);

    const { tls } = parse(`{${fit(question.shown("fullchain.pem"))}}`);
    await project.folder.write({ "config.json": { server: { ...shown.server, tls } } });
    await project.start({ args: [] });
    const ca = await project.read("tls/fullchain.pem");
    const headers = { host: "erp.example.com" };
    const trusted = { ca, serverName: "erp.example.com" };
    const answer = await fetch(`https://127.0.0.1:${port}/health`, { headers, tls: trusted });
    expect([answer.status, answer.headers.get("strict-transport-security")]).toEqual([
      200,
      expect.stringContaining("max-age"),
    ]);
    const plain = await fetch(`http://127.0.0.1:${redirectPort}/docs`, { headers, redirect: "manual" });
    expect([plain.status, plain.headers.get("location")]).toEqual([308, "https://erp.example.com/docs"]);

    const behind = question.shown("trusted_proxies");
    await project.folder.write({ "config.json": `{${behind}}` });
    await project.start({ args: ["serve", "--port", String(port)] });
    await project.createAdmin();
    const { email, password } = project.admin;
    const login = await fetch(`http://127.0.0.1:${port}/auth/login`, {
      method: "POST",
      redirect: "manual",
      headers: {
        accept: "text/html",
        "sec-fetch-mode": "navigate",
        "sec-fetch-site": "same-origin",
        "x-forwarded-proto": "https",
        "x-forwarded-for": "192.0.2.1",
      },
      body: new URLSearchParams({ email, password }),
    });
    expect(login.headers.get("strict-transport-security")).toContain("max-age");
    expect(login.headers.get("set-cookie")).toMatch(/(?:^|, )__Host-xcore_session=[^,]*; Secure/);
  },
  (name, run) => testWithProgram("openssl", name, run),
);

faq(
  "How do I scale horizontally?",
  async (question) => {
    await using redis = await PrivateServer.start("redis");
    await using database = await createTestDatabase("postgres");
    const config = question
      .file("config.json")
      .replace(SHOWN_REDIS, redis.url)
      .replace("postgresql://user:password@localhost/dbname", database.url);
    const env = { JWT_SECRET_KEY: "7b1e0c52a94f4d6e8c3a5f90d2b7e614" };
    await using one = await FaqProject.create({ ...PRICES, "config.json": config });
    await using two = await FaqProject.create({ ...PRICES, "config.json": config });
    Object.assign(one.env, env);
    Object.assign(two.env, env);
    await one.start();
    await two.start();
    await one.logIn();
    two.env["TOKEN"] = one.env["TOKEN"] ?? "";
    expect((await two.ask("/auth/me", { isAdmin: true })).body.email).toBe("ada@example.com");
    const first = await one.ask("/prices/1");
    expect(await two.ask("/prices/1")).toEqual(first);
    await one.ask("/auth/logout", { method: "POST", isAdmin: true });
    expect((await two.ask("/auth/me", { isAdmin: true })).status).toBe(401);
  },
  (name, run) => testWithServer("postgres", name, 120_000, run),
);

faq(
  "How do I monitor performance?",
  async (question) => {
    await using project = await FaqProject.create();
    await project.run("xcore init");
    await project.run(question.shown("METRICS_TOKEN=$"));
    await project.folder.write({ "config.json": question.file("config.json") });
    await project.start();
    await project.ask("/hello");
    const [, token = ""] = /^METRICS_TOKEN=(\w+)$/m.exec(await project.read(".env")) ?? [];
    const metrics = await project.run(question.shown("curl"), { METRICS_TOKEN: token });
    expect(metrics).toMatch(/^xcore_http_requests_total\{.*plugin="hello".*\} 1$/m);
    expect(metrics).toMatch(/^xcore_http_requests_total\{.*hash="[0-9a-f]{12}".*\} 1$/m);
    expect((await project.ask("/metrics")).status).toBe(401);
    await project.configure('{ "monitoring": { "enabled": false } }');
    await project.start();
    expect((await project.ask("/metrics", { token })).status).not.toBe(200);
  },
  (name, run) => testWithProgram("curl", name, run),
);
