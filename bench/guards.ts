/**
 * Requests a second, and processor time a request, of a route behind `{ permission }` with an access token, and with the
 * cookie of a browser, against the same route unguarded: in
 * the executable, with few accounts and with 1,000,000 of them and 1,000 roles, and in bare Elysia, where
 * @elysiajs/jwt verifies the token of each request.
 *
 *   bun run build && bun bench/guards.ts [--seconds 3] [--rounds 5] [--warmup 10]
 */
import { Database } from "bun:sqlite";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { createAccessTokens } from "../src/accounts/identity/access-tokens.ts";
import { createSessionCookies } from "../src/accounts/browser/cookies.ts";
import { createSecretKey } from "../src/accounts/keys/secret.ts";
import { type Load, measureServer } from "./load.ts";
import { median, printTable, toRate, toRatio, toUs } from "./report.ts";
import { type BenchServer, startServer } from "./server.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "3" },
    rounds: { type: "string", default: "5" },
    warmup: { type: "string", default: "10" },
  },
});
const [seconds, rounds, warmup] = [values.seconds, values.rounds, values.warmup].map(Number) as [
  number,
  number,
  number,
];

const MANY_USERS = 1_000_000;
const MANY_ROLES = 1000;
const SECRET = "KdMK1eQ4oE0cJcX7vS6pYw2Rt9uLh3Zb";
const SESSION = crypto.randomUUID();
const COOKIE_SESSION = crypto.randomUUID();

const here = import.meta.dir;
const executable = resolve(here, "../dist/xcore");
const projects: string[] = [];

interface Measured {
  readonly name: string;
  readonly server: BenchServer;
  readonly token: string;
  /** Null where there is none. */
  readonly cookie: string | null;
}

const secretKey = createSecretKey(SECRET);
const token = await createAccessTokens({ secretKey, lifetime: 1800 }).sign(1, SESSION);
const servers: Measured[] = [];
try {
  servers.push(await startXcore("xcore", 1, 1));
  servers.push(await startXcore("xcore, 1,000,000 users, 1,000 roles", MANY_USERS, MANY_ROLES));
  servers.push(await startElysia());
  await measure();
} finally {
  for (const { server } of servers) await server.stop();
  for (const project of projects) await rm(project, { recursive: true, force: true });
}

async function measure(): Promise<void> {
  const results = new Map(
    servers.map(({ name }) => [name, { open: [] as Load[], guarded: [] as Load[], byCookie: [] as Load[] }]),
  );
  for (const one of servers) {
    await measurePath(one, "/hello", warmup);
    await measurePath(one, "/guarded", warmup);
    if (one.cookie !== null) await measureByCookie(one, one.cookie, warmup);
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const one of servers) {
      const result = results.get(one.name);
      // The unguarded one is sent the token too: reading it is a part of neither's cost.
      result?.open.push(await measurePath(one, "/hello", seconds));
      result?.guarded.push(await measurePath(one, "/guarded", seconds));
      if (one.cookie !== null) result?.byCookie.push(await measureByCookie(one, one.cookie, seconds));
    }
  }
  printTable(
    [
      "server",
      "unguarded/s",
      "guarded/s",
      "ratio",
      "by cookie/s",
      "to token",
      "processor time a request",
      "guarded",
      "ratio",
      "by cookie",
    ],
    [...results].map(([name, { open, guarded, byCookie }]) => {
      const toRatioOf = (compare: (one: Load, base: Load) => number): string =>
        toRatio(median(guarded.map((load, round) => compare(load, open[round] ?? load))));
      return [
        name,
        ...[open, guarded].map((loads) => toRate(median(loads.map(({ rate }) => rate)))),
        toRatioOf((one, base) => one.rate / base.rate),
        byCookie.length === 0 ? "" : toRate(median(byCookie.map(({ rate }) => rate))),
        byCookie.length === 0
          ? ""
          : toRatio(median(byCookie.map((load, round) => load.rate / (guarded[round] ?? load).rate))),
        ...[open, guarded].map((loads) => toUs(median(loads.map(({ processorUs }) => processorUs)))),
        toRatioOf((one, base) => base.processorUs / one.processorUs),
        byCookie.length === 0 ? "" : toUs(median(byCookie.map(({ processorUs }) => processorUs))),
      ];
    }),
  );
}

function measurePath({ server, token: held }: Measured, path: string, time: number): Promise<Load> {
  return measureServer(server, path, { seconds: time, headers: { authorization: `Bearer ${held}` } });
}

function measureByCookie({ server }: Measured, cookie: string, time: number): Promise<Load> {
  return measureServer(server, "/guarded", { seconds: time, headers: { cookie } });
}

async function startElysia(): Promise<Measured> {
  const server = await startServer((port) => [process.execPath, join(here, "servers/elysia-jwt.ts"), port]);
  const signed = await (await fetch(`${server.url}/token`)).text();
  return { name: "Elysia with @elysiajs/jwt", server, token: signed, cookie: null };
}

async function startXcore(name: string, users: number, roles: number): Promise<Measured> {
  const project = await mkdtemp(join(tmpdir(), "xcore-bench-"));
  projects.push(project);
  for (const [prefix, options] of [
    ["hello", ""],
    ["guarded", ', { permission: "hello:read" }'],
  ]) {
    const folder = join(project, "plugins", prefix ?? "");
    await Bun.write(join(folder, "plugin.json"), JSON.stringify({ name: prefix, version: "1.0.0" }));
    await Bun.write(
      join(folder, "run.ts"),
      `import { createRouter } from "xcore";\nexport default createRouter().get("/", () => ({ message: "Hello from My Plugin!" })${options});\n`,
    );
  }
  const config = { security: { jwt_secret_key: SECRET } };
  await Bun.write(join(project, "config.json"), JSON.stringify(config));
  const start = () => startServer((port) => [executable, "--port", port], { cwd: project });
  await (await start()).stop(); // makes the tables
  addAccounts(join(project, "data/app.db"), users, roles);
  const server = await start();
  return { name, server, token, cookie: await takeCookie(server) };
}

/** Shows a cookie of other rights, upon which the server gives the one that is measured. */
async function takeCookie({ url }: BenchServer): Promise<string> {
  const cookies = createSessionCookies(secretKey);
  const first = cookies.mint({ sessionId: COOKIE_SESSION, issuedAt: 1, rights: "AAAAAAAA" });
  const response = await fetch(`${url}/guarded`, { headers: { cookie: `xcore_session=${first}` } });
  const [set] = response.headers.getSetCookie();
  if (response.status !== 200 || set === undefined) throw new Error(await response.text());
  return set.split(";", 1)[0] ?? "";
}

/** Each user holds a role, and the first all of them; each role holds ten permissions. */
function addAccounts(file: string, users: number, roles: number): void {
  const database = new Database(file);
  database.run("begin");
  database.run(
    `insert into users (id, email) ${count("u", users)} select n, 'user' || n || '@example.com' from u`,
  );
  database.run(`insert into roles (id, name) ${count("r", roles)} select 100 + n, 'role' || n from r`);
  database.run(
    `insert into role_permissions (role_id, permission) ${count("r", roles)}, p(m) as (select 1 union all select m + 1 from p where m < 10) select 100 + n, 'area' || n || ':act' || m from r, p`,
  );
  database.run("insert into role_permissions (role_id, permission) values (101, 'hello:read')");
  database.run(
    `insert into user_roles (user_id, role_id) ${count("u", users)} select n, 101 + n % ${roles} from u where n > 1`,
  );
  database.run(`insert into user_roles (user_id, role_id) ${count("r", roles)} select 1, 100 + n from r`);
  const expiresAt = Date.now() + 86_400_000; // as the column holds it
  for (const [id, cookieAt] of [
    [SESSION, null],
    [COOKIE_SESSION, 1],
  ] as const) {
    database.run(
      "insert into sessions (id, user_id, refresh_hash, expires_at, cookie_at) values (?, 1, '', ?, ?)",
      [id, expiresAt, cookieAt],
    );
  }
  database.run("commit");
  database.close();
}

/** The numbers from 1 on, as a table. */
function count(name: string, to: number): string {
  return `with recursive ${name}(n) as (select 1 union all select n + 1 from ${name} where n < ${to})`;
}
