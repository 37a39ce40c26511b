import { renameSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect } from "bun:test";
import { DIALECTS } from "../../src/db/contract/driver.ts";
import { XcoreServer } from "../cli/xcore-process.ts";
import { createTestDatabase, testWithServer } from "../database-servers.ts";
import { testWithProgram } from "../programs.ts";
import { TestFolder } from "../setup.ts";

const EMAIL = "ada@example.com";
const PASSWORD = "correct horse battery";
const DAY_MS = 86_400_000;

/** A server whose clock a test sets while it runs, past everything that looks at it. */
class ClockedServer implements AsyncDisposable {
  readonly #folder: TestFolder;
  readonly #env: Readonly<Record<string, string>>;
  #server: XcoreServer;

  private constructor(folder: TestFolder, env: Readonly<Record<string, string>>, server: XcoreServer) {
    this.#folder = folder;
    this.#env = env;
    this.#server = server;
  }

  static async start(faketime: string, folder: TestFolder): Promise<ClockedServer> {
    await setClock(folder, 0);
    const env = {
      // Not by the program itself: it leaves a semaphore behind each time, and fails where another process had its id.
      LD_PRELOAD: join(dirname(dirname(faketime)), "$LIB/faketime/libfaketimeMT.so.1"),
      FAKETIME_TIMESTAMP_FILE: join(folder.path, "clock"),
      FAKETIME_NO_CACHE: "1",
      // Nobody sets that one.
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      DONT_FAKE_MONOTONIC: "1",
    };
    return new ClockedServer(folder, env, await XcoreServer.start(folder, { env }));
  }

  /** Sets its clock, and waits until it has seen that. */
  async jump(days: number): Promise<void> {
    await setClock(this.#folder, days);
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- until it is so
      const { headers } = await this.#server.fetch("/health");
      const ahead = Date.parse(headers.get("date") ?? "") - Date.now();
      if (Math.abs(ahead - days * DAY_MS) < 60_000) return;
    }
  }

  async restart(): Promise<void> {
    await this[Symbol.asyncDispose]();
    this.#server = await XcoreServer.start(this.#folder, { env: this.#env });
  }

  async post(path: string, body: object) {
    const response = await this.#server.fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return {
      status: response.status,
      retryAfter: Number(response.headers.get("retry-after")),
      body: (await response.json()) as Record<string, string>,
    };
  }

  async me(token: string): Promise<number> {
    return (await this.#server.fetch("/auth/me", { headers: { authorization: `Bearer ${token}` } })).status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { pid } = this.#server;
    await this.#server[Symbol.asyncDispose]();
    // What the library keeps in memory of a process that is killed.
    await Promise.all(
      [`faketime_shm_${pid}`, `sem.faketime_sem_${pid}`].map((name) =>
        rm(join("/dev/shm", name), { force: true }),
      ),
    );
  }
}

/** In one step: a process that finds the file empty is ended. */
async function setClock(folder: TestFolder, days: number): Promise<void> {
  const file = join(folder.path, "clock");
  await Bun.write(`${file}.new`, `${days < 0 ? "" : "+"}${days}d`);
  renameSync(`${file}.new`, file);
}

for (const dialect of DIALECTS) {
  for (const [what, days] of [
    ["back", -1],
    ["forward", 1],
  ] as const) {
    const name = `locks and sessions outlast a clock that jumps a day ${what} (${dialect})`;
    const run = async (faketime: string): Promise<void> => {
      await using database = await createTestDatabase(dialect);
      await using folder = await TestFolder.create({
        "config.json": {
          database: { url: database.url },
          security: { allow_registration: true, bcrypt_cost: 4 },
        },
      });
      await using server = await ClockedServer.start(faketime, folder);
      const logIn = (password = PASSWORD) => server.post("/auth/login", { email: EMAIL, password });
      expect((await server.post("/auth/register", { email: EMAIL, password: PASSWORD })).status).toBe(201);
      const { body: tokens } = await logIn();
      for (let guess = 0; guess < 5; guess += 1) {
        // oxlint-disable-next-line no-await-in-loop -- one after another
        expect((await logIn(`wrong ${guess}`)).status).toBe(401);
      }
      const locked = await logIn();
      expect(locked.status).toBe(429);

      await server.jump(days);
      const still = await logIn();
      expect(still.status).toBe(429);
      expect(still.retryAfter).toBeGreaterThan(0);
      expect(still.retryAfter).toBeLessThanOrEqual(locked.retryAfter);
      // Neither lasts longer than it was meant to, nor is anybody logged out.
      expect(await server.me(tokens["access_token"] ?? "")).toBe(401);
      const refreshed = await server.post("/auth/refresh", { refresh_token: tokens["refresh_token"] });
      expect(refreshed.status).toBe(200);
      expect(await server.me(refreshed.body["access_token"] ?? "")).toBe(200);

      await server.restart();
      const again = await logIn();
      if (days > 0) expect(again.status).toBe(200);
      else expect([again.status, again.retryAfter > 0 && again.retryAfter <= 60]).toEqual([429, true]);
      await server.jump(0);
      const back = await logIn();
      expect([back.status, back.retryAfter <= 60]).toEqual([back.status, true]);
      expect([200, 429]).toContain(back.status);
    };
    const faketime = Bun.which("faketime");
    if (faketime === null) testWithProgram("faketime", name, run);
    else testWithServer(dialect, name, 120_000, () => run(faketime));
  }
}
