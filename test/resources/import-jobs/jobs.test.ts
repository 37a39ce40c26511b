import { expect, setDefaultTimeout, test } from "bun:test";
import { eq } from "drizzle-orm";
import { type Dialect, DIALECTS } from "../../../src/db/contract/driver.ts";
import type { ConfigOverrides } from "../../../src/config/schema.ts";
import { testWithServer } from "../../database-servers.ts";
import { PrivateServer } from "../../faults/private-server.ts";
import { testWithProgram } from "../../programs.ts";
import { TestApp } from "../../setup.ts";
import { Crm, EVERYTHING, testCrm } from "../crm.ts";
import { Gate } from "./gate.ts";

type Sender = Awaited<ReturnType<Crm["user"]>>;

interface Posted {
  readonly status: number;
  readonly headers: Headers;
  // oxlint-disable-next-line typescript/no-explicit-any -- a test reads what it knows to be there
  readonly body: any;
}

setDefaultTimeout(120_000);

/** Declares a test for SQLite, PostgreSQL and MySQL. */
function testWithEach(name: string, run: (dialect: Dialect) => Promise<void>): void {
  for (const dialect of DIALECTS)
    testWithServer(dialect, `${name} (${dialect})`, 120_000, () => run(dialect));
}

async function post(
  crm: Crm,
  user: Sender | null,
  path: string,
  { body, headers = { prefer: "respond-async" } }: { readonly body: string; readonly headers?: object },
): Promise<Posted> {
  const response = await crm.app.fetch(`/crm/${path}`, {
    method: "POST",
    headers: { ...user?.headers, "content-type": "text/csv", ...headers },
    body,
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

/** Waits until so many imports have ended since. */
async function ended(crm: Crm, count: number, act: () => unknown): Promise<void> {
  let left = count;
  await crm.app.after("job.completed", act, ({ data }) => data.name.endsWith(".import") && (left -= 1) === 0);
}

async function read(crm: Crm, user: Sender, { id }: { readonly id: string }) {
  return (await crm.send(user, "GET", `/crm/companies/import/${id}`)).body;
}

async function importAll(crm: Crm, user: Sender, path: string, body: string) {
  let begun: Posted | undefined;
  await ended(crm, 1, async () => (begun = await post(crm, user, path, { body })));
  return read(crm, user, begun?.body);
}

function toCsv(count: number, write = (at: number) => `Company ${at},Oslo`): string {
  return ["name,city", ...Array.from({ length: count }, (_, at) => write(at))].join("\n");
}

async function countCompanies(crm: Crm, user: Sender): Promise<number> {
  return (await crm.send(user, "GET", "/crm/companies?per_page=1")).body.total;
}

function piecesOf(crm: Crm): Promise<number> {
  const { db, tables } = crm.app.app.store;
  return db.$count(tables.resourceImportPieces);
}

testCrm("an import in the background is answered at once, and tells what came of it", async (crm) => {
  const ada = await crm.user("ada@example.com", EVERYTHING);
  let location = "";
  await ended(crm, 1, async () => {
    const begun = await post(crm, ada, "companies/import", { body: toCsv(1200) });
    const of = (name: string) => begun.headers.get(name);
    expect([begun.status, of("preference-applied"), of("retry-after")]).toEqual([202, "respond-async", "1"]);
    location = of("location") ?? "";
    expect(location).toBe(`/crm/companies/import/${begun.body.id}`);
    expect(begun.body).toMatchObject({ state: "waiting", progress: 0, report: null, error: null });
  });
  const status = await crm.send(ada, "GET", location);
  expect(status.headers.get("retry-after")).toBeNull();
  expect(status.body).toMatchObject({
    state: "completed",
    progress: 1,
    report: { dry_run: false, total: 1200, created: 1200, failed: 0 },
    error: null,
  });
  expect([await countCompanies(crm, ada), await piecesOf(crm)]).toEqual([1200, 0]);
  const job = await crm.app.getAsAdmin(`/system/jobs/${status.body.job_id}`);
  expect(job.body).toMatchObject({ plugin: "crm", name: "companies.import", state: "completed" });
  // It is nobody else's, but for who sees all jobs.
  const eve = await crm.user("eve@example.com", EVERYTHING);
  expect((await crm.send(eve, "GET", location)).status).toBe(404);
  expect((await crm.send(eve, "DELETE", location)).status).toBe(404);
  expect((await crm.send(null, "GET", location)).status).toBe(401);
  expect((await crm.send(ada, "GET", location.replace("companies", "deals"))).status).toBe(404);
  expect((await crm.send(await crm.app.admin(), "GET", location)).status).toBe(200);
  expect((await crm.send(ada, "DELETE", location)).status).toBe(204);
  expect((await crm.send(ada, "GET", location)).status).toBe(404);
});

testCrm("an import in the background does with mistakes what it is asked to", async (crm) => {
  const ada = await crm.user("ada@example.com", EVERYTHING);
  const wrong = toCsv(2500, (at) => (at % 1000 === 999 ? ",Oslo" : `Company ${at},Oslo`));
  const stopped = await importAll(crm, ada, "companies/import", wrong);
  expect(stopped).toMatchObject({
    state: "failed",
    report: { created: 2498, failed: 2 },
    error: {
      code: "validation_error",
      status: 422,
      detail: "Nothing was imported: 2 rows can't be, see errors",
    },
  });
  expect(stopped.error.errors.map(({ path }: { path: string }) => path)).toEqual([
    "/lines/1001/name",
    "/lines/2001/name",
  ]);
  const dry = await importAll(crm, ada, "companies/import?dry_run=true", wrong);
  expect([dry.state, dry.report.dry_run, dry.report.rows.length]).toEqual(["completed", true, 1000]);
  expect([await countCompanies(crm, ada), await piecesOf(crm)]).toEqual([0, 0]);
  const skipped = await importAll(crm, ada, "companies/import?on_error=skip&key=name", wrong);
  expect(skipped).toMatchObject({ state: "completed", report: { created: 2498, failed: 2 }, error: null });
  expect(await countCompanies(crm, ada)).toBe(2498);
  const again = await importAll(
    crm,
    ada,
    "companies/import?on_error=skip&key=name",
    `${toCsv(1500)}\nCompany 3,Bergen`,
  );
  // Of a value that stands twice the second is a mistake, however far they are apart.
  expect(again.report).toMatchObject({ created: 1, unchanged: 1499, failed: 1 });
  expect(again.report.errors[0]).toMatchObject({ line: 1502, code: "repeated" });
  // What doesn't fit is said at once.
  const refused = await post(crm, ada, "companies/import", { body: "nope\n1" });
  expect([refused.status, refused.body.errors[0].code]).toEqual([422, "unknown_column"]);
  const eve = await crm.user("eve@example.com", ["companies:read"]);
  expect((await post(crm, eve, "companies/import", { body: toCsv(1) })).status).toBe(403);
});

test("a large file is imported in the background, and a small one at once", async () => {
  await using crm = await Crm.start();
  const ada = await crm.user("ada@example.com", EVERYTHING);
  const small = await post(crm, ada, "companies/import", { body: toCsv(2), headers: {} });
  expect([small.status, small.body.created]).toEqual([200, 2]);
  const body = toCsv(60_000, (at) => `Large ${at},${"far away ".repeat(8)}`);
  let begun: Posted | undefined;
  await ended(crm, 1, async () => (begun = await post(crm, ada, "companies/import", { body, headers: {} })));
  expect([begun?.status, begun?.headers.get("preference-applied")]).toEqual([202, null]);
  expect(await read(crm, ada, begun?.body)).toMatchObject({
    state: "completed",
    report: { created: 60_000 },
  });
});

testWithProgram("redis-server", "an import in the background is done where jobs are in Redis", async () => {
  await using server = await PrivateServer.start("redis");
  const config: ConfigOverrides = { jobs: { backend: "redis" }, redis: { url: server.url } };
  await using crm = await Crm.start({ config });
  const ada = await crm.user("ada@example.com", EVERYTHING);
  const stopped = await importAll(crm, ada, "companies/import", "name\nx\nx");
  expect(stopped).toMatchObject({ state: "failed", report: { created: 1, failed: 1 } });
  const skipped = await importAll(crm, ada, "companies/import?on_error=skip", toCsv(1200));
  expect(skipped).toMatchObject({ state: "completed", report: { created: 1200 } });
  expect(await countCompanies(crm, ada)).toBe(1200);
});

/** A server with one place for jobs, which is taken until the gate is opened. */
async function startHeld(dialect: Dialect, gate: Gate): Promise<Crm> {
  const crm = await Crm.start({ dialect, run: gate.toRun("none"), config: { jobs: { concurrency: 1 } } });
  await crm.send(await crm.app.admin(), "POST", "/system/jobs", { name: "crm:hold" });
  await gate.reached;
  return crm;
}

async function takeRole(crm: Crm, user: Sender): Promise<void> {
  const { db, tables } = crm.app.app.store;
  const [role] = await db.select().from(tables.userRoles).where(eq(tables.userRoles.user_id, user.id));
  const path = `/admin/users/${user.id}/roles/${role?.role_id}`;
  expect((await crm.send(await crm.app.admin(), "DELETE", path)).status).toBe(200);
}

const REFUSED = { code: "authorization_error", status: 403 };

testWithEach("an import that waits is done with the rights that are left by then", async (dialect) => {
  using gate = new Gate();
  await using crm = await startHeld(dialect, gate);
  const users: Sender[] = [];
  for (const name of ["ada", "bob", "cem"])
    // oxlint-disable-next-line no-await-in-loop -- one after another
    users.push(await crm.user(`${name}@example.com`, EVERYTHING));
  const [ada, bob, cem] = users as [Sender, Sender, Sender];
  const { apiKeys, principals, authenticator } = crm.app.app.accounts;
  const asked = new Request(crm.app.url, { headers: cem.headers });
  await authenticator.authenticate(asked);
  const makeKey = (name: string) =>
    apiKeys.create(principals.require(asked), { name, permissions: ["companies:write"] });
  const [kept, revoked] = [await makeKey("kept"), await makeKey("revoked")];
  const by = ({ key }: typeof kept) => ({ ...cem, headers: { "x-api-key": key } }) as unknown as Sender;
  const all = [ada, bob, by(kept), by(revoked), cem];
  const begun: Posted[] = [];
  for (const [at, user] of all.entries())
    // oxlint-disable-next-line no-await-in-loop -- one after another
    begun.push(await post(crm, user, "companies/import", { body: `name\nrow ${at}` }));
  expect(begun.map(({ status }) => status)).toEqual(all.map(() => 202));
  const admin = await crm.app.admin();
  expect((await read(crm, ada, begun[0]?.body)).state).toBe("waiting");
  await takeRole(crm, ada);
  await crm.send(admin, "POST", `/admin/users/${bob.id}/deactivate`);
  await apiKeys.revoke(cem.id, revoked.id);
  await ended(crm, all.length, () => gate.open());
  const outcomes = await Promise.all(begun.map(({ body }) => read(crm, admin, body)));
  expect(outcomes.map(({ state }) => state)).toEqual([
    "failed",
    "failed",
    "completed",
    "failed",
    "completed",
  ]);
  expect(outcomes.filter(({ state }) => state === "failed").map(({ error }) => error)).toEqual(
    [1, 2, 3].map(() => ({ ...REFUSED, detail: expect.stringContaining("Whoever asked for it") })),
  );
  // She is told so, though she may not import any more.
  expect(await read(crm, ada, begun[0]?.body)).toMatchObject({ state: "failed", error: REFUSED });
  const { body } = await crm.send(admin, "GET", "/crm/companies?fields=name&sort=name");
  expect(body.items.map(({ name }: { name: string }) => name)).toEqual(["row 2", "row 4"]);
  expect(await piecesOf(crm)).toBe(0);
});

testWithEach("an import ends with the right to it", async (dialect) => {
  await using crm = await Crm.start({ dialect });
  const ada = await crm.user("ada@example.com", EVERYTHING);
  const { db, tables } = crm.app.app.store;
  // Once the first thousand are committed.
  crm.app.app.hooks.on(
    "crm.company.created",
    () => db.delete(tables.userRoles).where(eq(tables.userRoles.user_id, ada.id)),
    { once: true },
  );
  let begun: Posted | undefined;
  await ended(crm, 1, async () => {
    begun = await post(crm, ada, "companies/import?on_error=skip", { body: toCsv(20_000) });
  });
  const status = await read(crm, ada, begun?.body);
  expect(status).toMatchObject({ state: "failed", error: REFUSED });
  const { created } = status.report;
  expect(created).toBeLessThan(20_000);
  expect([created % 1000, await countCompanies(crm, await crm.app.admin())]).toEqual([0, created]);
});

testWithEach("an import that is cancelled writes nothing", async (dialect) => {
  using gate = new Gate();
  await using crm = await Crm.start({ dialect, run: gate.toRun("Company 700") });
  const ada = await crm.user("ada@example.com", EVERYTHING);
  const begun = await post(crm, ada, "companies/import", { body: toCsv(1200) });
  await gate.reached;
  const running = await read(crm, ada, begun.body);
  expect(running).toMatchObject({ state: "running", progress_text: "500 rows", report: null });
  const cancelling = crm.send(ada, "DELETE", begun.headers.get("location") ?? "");
  // SQLite's writes wait for the one that is under way, which ends with its row.
  // oxlint-disable-next-line no-await-in-loop -- until it isn't run any more
  while ((await read(crm, ada, begun.body)).progress_text !== null);
  gate.open();
  expect((await cancelling).status).toBe(204);
  expect(await read(crm, ada, begun.body)).toMatchObject({ state: "cancelled", error: null });
  expect([await countCompanies(crm, ada), await piecesOf(crm)]).toEqual([0, 0]);
  // The next one isn't held up.
  expect((await importAll(crm, ada, "companies/import", "name\nx")).state).toBe("completed");
});

test("a plugin that is reloaded ends the import under way as it was, and does those that wait as it is", async () => {
  using gate = new Gate();
  // Where a row that waits holds no others up.
  await using crm = await Crm.start({ dialect: "postgres", run: gate.toRun("Company 700") });
  const ada = await crm.user("ada@example.com", EVERYTHING);
  const first = await post(crm, ada, "companies/import?on_error=skip", { body: toCsv(1200) });
  await gate.reached;
  const second = await post(crm, ada, "companies/import?on_error=skip", { body: "name\nold\nlonger" });
  const check = 'check: ({ value }) => value.name.length > 3 ? { name: "is too long" } : undefined';
  await crm.app.after("plugin.reloaded", async () =>
    crm.app.writePlugins({ "crm/run.ts": gate.toRun("", check) }),
  );
  await ended(crm, 2, () => gate.open());
  expect(await read(crm, ada, first.body)).toMatchObject({ state: "completed", report: { created: 1200 } });
  const { report } = await read(crm, ada, second.body);
  expect(report).toMatchObject({ created: 1, failed: 1 });
  expect(report.errors[0]).toMatchObject({ path: "/lines/3/name", code: "check" });
});

test("imports that nobody came back for are forgotten after thirty days", async () => {
  await using crm = await Crm.start();
  const ada = await crm.user("ada@example.com", EVERYTHING);
  const { db, tables } = crm.app.app.store;
  const done = await importAll(crm, ada, "companies/import", "name\nx");
  const { ImportStore } = await import("../../../src/resources/import-jobs/store.ts");
  const store = new ImportStore(db, tables);
  await store.purge(new Date(Date.now() - 60_000));
  expect((await read(crm, ada, done)).state).toBe("completed");
  await store.purge(new Date(Date.now() + 60_000));
  expect(await db.$count(tables.resourceImports)).toBe(0);
});

test("somebody has twenty imports that wait at most, also of those that are sent at once", async () => {
  using gate = new Gate();
  await using crm = await startHeld("sqlite", gate);
  const ada = await crm.user("ada@example.com", EVERYTHING);
  const send = (at: number) => post(crm, ada, "companies/import", { body: `name\n${at}` });
  const begun = await Promise.all(Array.from({ length: 25 }, (_, at) => send(at)));
  const refused = begun.filter(({ status }) => status !== 202);
  expect(refused.map(({ status, body }) => [status, body.code])).toEqual(
    Array.from({ length: 5 }, () => [409, "conflict"]),
  );
  const bob = await crm.user("bob@example.com", EVERYTHING);
  expect((await post(crm, bob, "companies/import", { body: "name\nof Bob" })).status).toBe(202);
  await ended(crm, 21, () => gate.open());
  expect(await countCompanies(crm, ada)).toBe(21);
});

test("a plugin's own job can't have the name of one that imports", async () => {
  await using app = await TestApp.start({
    plugins: {
      "chores/plugin.json": { name: "chores", version: "1.0.0" },
      "chores/run.ts":
        'import { createRouter, jobs } from "xcore";\njobs.define("deals.import", () => {});\nexport default createRouter();',
    },
  });
  const { body } = await app.get("/system/plugins/chores");
  expect(JSON.stringify(body)).toContain('names that end with \\".import\\" are those of imports');
});

test("nothing of the queue is loaded before there is an import", async () => {
  await using crm = await Crm.start();
  const ada = await crm.user("ada@example.com", EVERYTHING);
  expect(crm.app.app.jobs.isLoaded).toBe(false);
  await importAll(crm, ada, "companies/import", "name\nx");
  expect(crm.app.app.jobs.isLoaded).toBe(true);
});
