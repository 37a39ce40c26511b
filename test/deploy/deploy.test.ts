import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, setDefaultTimeout, test } from "bun:test";
import { FOLDERS, SETTINGS } from "../../build-digest.ts";
import { loadConfig } from "../../src/config/load.ts";
import { makeSelfSigned } from "../../src/web/listening/self-signed.ts";
import { XCORE } from "../cli/xcore-command.ts";
import { XcoreServer } from "../cli/xcore-process.ts";
import { findFreePort } from "../free-port.ts";
import { testWithProgram } from "../programs.ts";
import { TestFolder } from "../setup.ts";

setDefaultTimeout(120_000);

const DEPLOY = join(import.meta.dir, "../../deploy");
const read = (name: string): Promise<string> => Bun.file(join(DEPLOY, name)).text();

interface Compose {
  readonly services: Readonly<
    Record<
      string,
      {
        readonly image?: string;
        readonly build?: { readonly context: string; readonly dockerfile: string };
        readonly environment?: Readonly<Record<string, string>>;
        readonly depends_on?: object;
        readonly healthcheck?: object;
        readonly volumes?: readonly (string | object)[];
      }
    >
  >;
  readonly volumes: object;
}

test("compose.yaml starts services that it has, with variables that xcore takes", async () => {
  const { services, volumes } = Bun.YAML.parse(await read("compose.yaml")) as Compose;
  const { xcore: server, ...others } = services;
  expect(Object.keys(server?.depends_on ?? {}).toSorted()).toEqual(Object.keys(others).toSorted());
  for (const { image, healthcheck } of Object.values(others)) {
    expect(image).toMatch(/:\d/);
    expect(healthcheck).toBeDefined();
  }
  const { context = "", dockerfile = "" } = server?.build ?? {};
  expect(existsSync(join(DEPLOY, context, dockerfile))).toBe(true);
  const named = Object.values(services).flatMap((one) =>
    (one.volumes ?? []).filter((v) => typeof v === "string"),
  );
  expect(new Set(named.map((text) => text.split(":")[0] ?? ""))).toEqual(new Set(Object.keys(volumes)));

  const env = Object.fromEntries(
    Object.entries(server?.environment ?? {}).map(([name, text]) => [
      name,
      text.replace(/\$\{\w+[^}]*\}/g, "s3cret".repeat(8)),
    ]),
  );
  await using folder = await TestFolder.create();
  const { config } = loadConfig({ cwd: folder.path, env });
  expect(config.database.url).toStartWith("postgresql://xcore:s3cret");
  expect([config.redis.url, config.cache.backend]).toEqual(["redis://redis:6379", "redis"]);
  expect(config.security.jwt_secret_key).toStartWith("s3cret");
});

test("the image is built of all that the executable is made of, and copies nothing that isn't there", async () => {
  const [dockerfile, ignored] = await Promise.all([read("Dockerfile"), read("Dockerfile.dockerignore")]);
  const allowed = ignored.split("\n").flatMap((line) => (line.startsWith("!") ? line.slice(1) : []));
  const isAllowed = (name: string): boolean => allowed.some((pattern) => new Bun.Glob(pattern).match(name));
  expect([...FOLDERS, ...SETTINGS].filter((name) => !isAllowed(name))).toEqual([]);
  for (const [, names = ""] of dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)) {
    for (const name of names.split(" ").filter((one) => one !== ".")) {
      expect([name, existsSync(join(DEPLOY, "..", name))]).toEqual([name, true]);
    }
  }
  expect(dockerfile).toContain(`FROM oven/bun:${Bun.version}-`);
});

test("the image's health check says what /health does", async () => {
  const [, command = ""] = /^ *CMD (\["env".*\])$/m.exec(await read("Dockerfile")) ?? [];
  const [, set = "", , ...args] = JSON.parse(command) as string[];
  const [name = "", value = ""] = set.split("=");
  await using folder = await TestFolder.create();
  await using server = await XcoreServer.start(folder);
  const check = (url: string): number =>
    Bun.spawnSync([XCORE[0] ?? "", ...args.map((arg) => arg.replace("http://127.0.0.1:8000", url))], {
      env: { [name]: value },
      stderr: "ignore",
    }).exitCode;
  expect(check(server.url)).toBe(0);
  server.kill("SIGTERM");
  await server.exited;
  expect(check(server.url)).toBe(1);
});

testWithProgram(
  "nginx",
  "nginx.conf passes requests on, with the addresses of clients, and HTTP to HTTPS",
  async (nginx) => {
    const [port, http, https] = [findFreePort(), findFreePort(), findFreePort()];
    await using folder = await TestFolder.create({
      "config.json": {
        server: { port, public_url: "https://erp.example.com", trusted_proxies: ["127.0.0.1"] },
      },
      "plugins/x/plugin.json": { name: "x", version: "1.0.0" },
      "plugins/x/run.ts": `import { createRouter } from "xcore";
export default createRouter()
  .get("/", ({ request }) => [request.headers.get("x-forwarded-for"), request.headers.get("host")].join(" "))
  .ws("/echo", { message(ws, text) { ws.send(text); } });
`,
    });
    await using _ = await XcoreServer.start(folder, { args: ["serve"] });
    const { cert, key } = await makeSelfSigned(["erp.example.com"], { days: 2 });
    await folder.write({ "cert.pem": cert, "key.pem": key });
    await mkdir(join(folder.path, "nginx"));
    const site = (await read("nginx.conf"))
      .replaceAll(/^ *listen \[::\].*\n/gm, "") // not every machine has IPv6
      .replaceAll("listen 80;", `listen 127.0.0.1:${http};`)
      .replaceAll("listen 443 ", `listen 127.0.0.1:${https} `)
      .replaceAll(/\/etc\/letsencrypt\/\S+fullchain\.pem/g, join(folder.path, "cert.pem"))
      .replaceAll(/\/etc\/letsencrypt\/\S+privkey\.pem/g, join(folder.path, "key.pem"))
      .replace("127.0.0.1:8000", `127.0.0.1:${port}`);
    const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
      (name) => `${name}_temp_path nginx/${name};`,
    );
    await folder.write({
      "nginx.conf": `daemon off; pid nginx/pid; error_log stderr; events {}\nhttp { access_log off; ${paths.join(" ")}\n${site}}\n`,
    });
    const command = [nginx, "-p", folder.path, "-c", join(folder.path, "nginx.conf")];
    const tested = Bun.spawnSync([...command, "-t"]);
    expect(tested.stderr.toString()).toContain("test is successful");
    expect(tested.stderr.toString()).not.toContain("[warn]");
    const running = Bun.spawn(command, { stdio: ["ignore", "ignore", "inherit"] });
    try {
      const tls = { ca: cert, serverName: "erp.example.com" };
      const ask = (url: string, init: RequestInit = {}): Promise<Response> =>
        fetch(url, { ...init, headers: { host: "erp.example.com" }, tls, redirect: "manual" } as RequestInit);
      let answer: Response | null = null;
      // oxlint-disable-next-line no-await-in-loop -- until it listens
      while (answer === null)
        answer = await ask(`https://127.0.0.1:${https}/x`).catch(async () => (await Bun.sleep(50), null));
      expect(await answer.text()).toBe("127.0.0.1 erp.example.com");
      expect(answer.headers.get("strict-transport-security")).toContain("max-age=");
      const plain = await ask(`http://127.0.0.1:${http}/x?a=1`);
      expect([plain.status, plain.headers.get("location")]).toEqual([308, "https://erp.example.com/x?a=1"]);
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      const socket = new WebSocket(`wss://127.0.0.1:${https}/x/echo`, {
        headers: { host: "erp.example.com" },
        tls,
      } as never);
      socket.addEventListener("open", () => socket.send("hello"));
      socket.addEventListener("message", ({ data }) => resolve(String(data)));
      socket.addEventListener("error", reject);
      expect(await promise).toBe("hello");
      socket.close();
    } finally {
      running.kill("SIGTERM");
      await running.exited;
    }
  },
);

testWithProgram("caddy", "Caddyfile is one that Caddy takes", async (caddy) => {
  await using folder = await TestFolder.create();
  const env = { HOME: folder.path, XDG_DATA_HOME: folder.path, XDG_CONFIG_HOME: folder.path };
  const run = (...args: string[]) => Bun.spawnSync([caddy, ...args], { env, cwd: folder.path });
  const file = join(DEPLOY, "Caddyfile");
  const { exitCode, stdout, stderr } = run("validate", "--config", file, "--adapter", "caddyfile");
  expect(stdout.toString() + stderr.toString()).toContain("Valid configuration");
  expect(exitCode).toBe(0);
  expect(run("fmt", file).stdout.toString()).toBe(await read("Caddyfile"));
});
