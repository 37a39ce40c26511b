import { expect } from "bun:test";
import { X509Certificate } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "node:tls";
import { XcoreServer } from "../../cli/xcore-process.ts";
import { PrivateServer } from "../../faults/private-server.ts";
import { testUnlessMissing } from "../../programs.ts";
import { TestFolder } from "../../setup.ts";
import { makeIssued } from "../listening/certificates.ts";
import { ACCOUNT, Authority } from "./authority.ts";

const DOMAINS = ["erp.example.com", "www.example.com"];
const TAKEN = /another certificate is shown from now on/;

function test(name: string, programs: readonly string[], run: (pebble: string) => Promise<void>): void {
  const missing = programs.find((one) => Bun.which(one) === null) ?? null;
  testUnlessMissing(missing, name, () => run(Bun.which("pebble") ?? ""), 120_000);
}

function config({ directory, httpPort }: Authority, more: object = {}, redirectPort = httpPort) {
  const acme = { domains: DOMAINS, email: "admin@example.com", directory, ...more };
  return { "config.json": { server: { tls: { acme, redirect_port: redirectPort } } } };
}

/** The certificate that a server shows. */
function show(server: XcoreServer): Promise<X509Certificate> {
  const { hostname, port } = new URL(server.url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false }, () => {
      resolve(new X509Certificate(socket.getPeerCertificate().raw));
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

test(
  "a certificate is asked for until there is one, and renewed when a third of its life is left",
  ["pebble"],
  async (pebble) => {
    await using authority = await Authority.start(pebble, { asksForAccount: true });
    await using folder = await TestFolder.create(config(authority, { external_account: ACCOUNT }));
    authority.knowsNames = false;
    await using server = await XcoreServer.start(folder, { env: authority.environment });
    const [, problem = ""] = await server.waitFor(/"msg":"(no certificate for (?:[^"\\]|\\.)*)"/);
    expect(problem).toMatch(
      /^no certificate for erp\.example\.com, www\.example\.com: .*(erp|www)\.example\.com/,
    );
    expect(problem).toContain("server.tls.redirect_port");
    const own = await show(server);
    expect([own.checkIssued(own), own.subjectAltName]).toEqual([
      true,
      DOMAINS.map((one) => `DNS:${one}`).join(", "),
    ]);

    authority.knowsNames = true;
    await server.after(() => server.kill("SIGHUP"), TAKEN);
    const issued = await show(server);
    expect(issued.issuer).toContain("Pebble");
    expect(issued.subjectAltName).toBe(own.subjectAltName);
    expect((await server.fetch("/health", { tls: { rejectUnauthorized: false } })).status).toBe(200);

    const kept = join(folder.path, "data/acme");
    const files = (await readdir(kept, { recursive: true })).toSorted();
    expect(files.map((one) => one.replace(/-[0-9a-f]{12}\./, "-N."))).toEqual([
      "account-N.pem",
      "attempts.json",
      "certificate.pem",
      "challenges",
    ]);
    for (const file of files.filter((one) => one !== "challenges")) {
      // oxlint-disable-next-line no-await-in-loop
      expect([file, (await stat(join(kept, file))).mode & 0o777]).toEqual([file, 0o600]);
    }
    expect((await stat(kept)).mode & 0o777).toBe(0o700);
    const account = await Bun.file(join(kept, files[0] ?? "")).text();
    server.kill("SIGTERM");
    expect(await server.exited).toBe(0);
    expect(server.output).not.toContain(ACCOUNT.hmac_key);
    expect(server.output).not.toContain("PRIVATE KEY");

    const life = { days: 90, names: DOMAINS };
    await folder.write({
      "data/acme/attempts.json": "{",
      "data/acme/certificate.pem": await makeIssued({ ...life, left: 45 }),
    });
    await using fresh = await XcoreServer.start(folder, { env: authority.environment });
    expect((await show(fresh)).issuer).toContain("Somebody");
    // The same as when time goes on.
    await fresh.after(
      async () => folder.write({ "data/acme/certificate.pem": await makeIssued({ ...life, left: 29 }) }),
      TAKEN,
    );
    await fresh.after(
      () => fresh.kill("SIGHUP"),
      /asking for a certificate[^]*another certificate is shown from now on/,
    );
    expect((await show(fresh)).issuer).toContain("Pebble");
    expect(fresh.output.match(/asking for a certificate/g)).toHaveLength(1);
    expect(await Bun.file(join(kept, files[0] ?? "")).text()).toBe(account);
  },
);

test(
  "one of several instances asks for the certificate of all, and any answers the authority",
  ["pebble", "redis-server"],
  async (pebble) => {
    await using authority = await Authority.start(pebble);
    await using redis = await PrivateServer.start("redis");
    const env = {
      ...authority.environment,
      REDIS_URL: redis.url,
      JWT_SECRET_KEY: "k3Jd8sQz0pLmW7vXyB2nC5tR9uE1aF4h",
    };
    authority.knowsNames = false;
    // The authority asks this one.
    await using folder = await TestFolder.create(config(authority));
    await using asked = await XcoreServer.start(folder, { env });
    await asked.waitFor(/no certificate for /);
    authority.knowsNames = true;
    await using other = await TestFolder.create(config(authority, {}, 0));
    await using asking = await XcoreServer.start(other, { env });
    await asking.waitFor(TAKEN);
    asked.kill("SIGHUP"); // it looks by itself too, a moment later
    await asked.waitFor(TAKEN);
    const [one, two] = await Promise.all([show(asked), show(asking)]);
    expect(one.issuer).toContain("Pebble");
    expect(one.fingerprint256).toBe(two.fingerprint256);
    expect(asked.output.match(/asking for a certificate/g)).toHaveLength(1); // that which failed
  },
);
