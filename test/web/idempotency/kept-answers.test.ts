import { expect } from "bun:test";
import { sql } from "drizzle-orm";
import { type Dialect, DIALECTS } from "../../../src/db/contract/driver.ts";
import { createTestDatabase, testWithServer } from "../../database-servers.ts";
import { TestApp } from "../../setup.ts";

const NOTES = {
  "notes/plugin.json": { name: "notes", version: "1.0.0" },
  "notes/run.ts": `import { t } from "elysia";
import { AppError, createRouter, db } from "xcore";
import { sql } from "drizzle-orm";
const insert = (note: string) => db.execute(sql\`insert into notes (note) values (\${note})\`);
let gate = Promise.withResolvers<void>();
let entered = Promise.withResolvers<void>();
export default createRouter()
  .get("/entered", async () => (await entered.promise, "entered"))
  .post("/open", () => (gate.resolve(), "opened"))
  .post("/notes", async ({ body, status, set }) => {
    await insert(body.note);
    set.headers["location"] = "/notes/notes/1";
    set.headers["etag"] = '"1"';
    return status(201, { note: body.note, at: performance.now() });
  }, { idempotent: true, body: t.Object({ note: t.String({ maxLength: 20 }) }) })
  .post("/mine", async ({ user }) => {
    await insert("mine");
    return { user: user.id, at: performance.now() };
  }, { auth: true, idempotent: true })
  .post("/required", async () => (await insert("required"), "done"), { idempotent: { required: true } })
  .post("/raw", async ({ request }) => {
    const text = await request.text();
    await insert(text);
    return new Response("raw " + text, { headers: { "content-type": "text/x-own", "set-cookie": "a=b" } });
  }, { idempotent: true, parse: "none" })
  .post("/nested", async () => {
    await insert("first");
    const seen = await db.execute(sql\`select note from notes\`);
    await db.transaction(async (tx) => {
      await tx.execute(sql\`insert into notes (note) values ('second')\`);
    });
    await db.transaction(async (tx) => {
      await tx.execute(sql\`insert into notes (note) values ('undone')\`);
      throw new Error("undone");
    }).catch(() => {});
    return { seen };
  }, { idempotent: true })
  .post("/fails", async () => {
    await insert("failed");
    throw new Error("no");
  }, { idempotent: true })
  .post("/refuses", async () => {
    await insert("refused");
    throw new AppError("out_of_stock", 409, "Cannot order: none is left");
  }, { idempotent: true })
  .post("/slow", async () => {
    await insert("slow");
    entered.resolve();
    await gate.promise;
    return "slow";
  }, { idempotent: true })
  .post("/large", async ({ query }) => {
    await insert("large");
    return "x".repeat(3_000_000);
  }, { idempotent: true })
  .post("/strict", async () => {
    await db.transaction(async (tx) => tx.execute(sql\`insert into notes (note) values ('strict')\`), {
      isolation: "serializable",
    });
    return "strict";
  }, { idempotent: { isolation: "serializable" } })
  .post("/stricter", async () => {
    await db.transaction(async () => {}, { isolation: "serializable" });
    return "stricter";
  }, { idempotent: true })
  .post("/generated", async function* () {
    await insert("generated");
    yield "one, ";
    yield "two";
  }, { idempotent: true })
  .post("/form", async ({ body }) => {
    await insert("form");
    return body.name + await body.file.text();
  }, { idempotent: true, body: t.Object({ name: t.String(), file: t.File() }) })
  .post("/plain", async () => (await insert("plain"), "plain"));
`,
};

/** Of all processes: what is kept is encrypted. */
const SECRET_KEY = crypto.randomUUID() + crypto.randomUUID();

async function start(dialect: Dialect) {
  const disposals = new AsyncDisposableStack();
  const database = disposals.use(await createTestDatabase(dialect));
  const app = await TestApp.start({
    plugins: NOTES,
    config: { database: { url: database.url }, security: { jwt_secret_key: SECRET_KEY } },
  });
  disposals.use(app);
  await app.app.database.migrate((connection) => connection.run("create table notes (note varchar(20))"));
  const send = (path: string, key: string | null, body?: object, headers: Record<string, string> = {}) =>
    app.fetch(`/notes${path}`, {
      method: "POST",
      headers: {
        ...(key !== null && { "idempotency-key": key }),
        ...(body && { "content-type": "application/json" }),
        ...headers,
      },
      ...(body && { body: JSON.stringify(body) }),
    });
  const notes = async (): Promise<string[]> => {
    const rows = await app.app.database
      .toDatabase({})
      .execute<{ note: string }>(sql`select note from notes order by note`);
    return rows.map(({ note }) => note);
  };
  return { app, url: database.url, send, notes, [Symbol.asyncDispose]: () => disposals.disposeAsync() };
}

type Started = Awaited<ReturnType<typeof start>>;

for (const dialect of DIALECTS) {
  const test = (name: string, run: (started: Started) => Promise<void>): void =>
    testWithServer(dialect, `${name} (${dialect})`, 120_000, async () => {
      await using started = await start(dialect);
      await run(started);
    });

  test("a request that is sent again gets its first answer, and writes nothing", async ({ send, notes }) => {
    const first = await send("/notes", "a", { note: "one" });
    expect(first.status).toBe(201);
    expect(first.headers.get("idempotent-replayed")).toBeNull();
    const text = await first.text();
    const again = await send("/notes", '"a"', { note: "one" });
    expect(again.status).toBe(201);
    expect(await again.text()).toBe(text);
    expect(Object.fromEntries(again.headers)).toMatchObject({
      "content-type": first.headers.get("content-type"),
      location: "/notes/notes/1",
      etag: '"1"',
      "idempotent-replayed": "true",
    });
    expect(again.headers.get("x-request-id")).not.toBe(first.headers.get("x-request-id"));
    expect(await notes()).toEqual(["one"]);
    expect((await send("/notes", "b", { note: "one" })).status).toBe(201);
    expect((await send("/notes", null, { note: "one" })).status).toBe(201);
    expect(await notes()).toEqual(["one", "one", "one"]);
  });

  test("a key with another request is refused", async ({ send, notes }) => {
    await send("/notes", "a", { note: "one" });
    const others = [
      await send("/notes", "a", { note: "two" }),
      await send("/notes?x=1", "a", { note: "one" }),
      await send("/required", "a"),
    ];
    for (const other of others) {
      expect(other.status).toBe(422);
      expect(await other.json()).toMatchObject({ code: "idempotency_key_reused" });
    }
    expect(await notes()).toEqual(["one"]);
  });

  test("what a handler does is one transaction, with savepoints", async ({ send, notes }) => {
    const answer = await send("/nested", "a");
    expect(await answer.json()).toEqual({ seen: [{ note: "first" }] });
    expect(await notes()).toEqual(["first", "second"]);
  });

  test("what fails is undone and not kept; what refuses is kept", async ({ send, notes }) => {
    for (const _ of [1, 2]) {
      const failed = await send("/fails", "a");
      expect(failed.status).toBe(500);
      expect(failed.headers.get("idempotent-replayed")).toBeNull();
    }
    expect(await notes()).toEqual([]);
    expect((await send("/refuses", "b")).headers.get("idempotent-replayed")).toBeNull();
    const refused = await send("/refuses", "b");
    expect(refused.headers.get("idempotent-replayed")).toBe("true");
    expect(await refused.json()).toMatchObject({ code: "out_of_stock", status: 409 });
    expect(await notes()).toEqual(["refused"]);
    expect((await send("/notes", "c", { note: "x".repeat(21) })).status).toBe(422);
  });

  test("while a request is under way its key is in use", async ({ app, send, notes }) => {
    const first = send("/slow", "a");
    await app.fetch("/notes/entered");
    const second = await send("/slow", "a");
    expect(second.status).toBe(409);
    expect(second.headers.get("retry-after")).toBe("1");
    expect(await second.json()).toMatchObject({ code: "idempotency_key_in_use" });
    await send("/open", null);
    expect(await (await first).text()).toBe("slow");
    expect((await send("/slow", "a")).headers.get("idempotent-replayed")).toBe("true");
    expect(await notes()).toEqual(["slow"]);
  });

  test("keys belong to who asked", async ({ app, send }) => {
    const [ann, bob] = [await app.createUser("ann@example.com"), await app.createUser("bob@example.com")];
    const first = await (await send("/mine", "a", undefined, ann.headers)).json();
    expect(await (await send("/mine", "a", undefined, bob.headers)).json()).not.toEqual(first);
    expect(await (await send("/mine", "a", undefined, ann.headers)).json()).toEqual(first);
    expect((await send("/mine", "a")).status).toBe(401);
  });

  test("a route may ask for a key, and a wrong one is refused", async ({ send, notes }) => {
    for (const key of [null, "", "x".repeat(256), "a b"]) {
      const refused = await send("/required", key);
      expect(refused.status).toBe(400);
      expect(await refused.json()).toMatchObject({ code: "idempotency_key_invalid" });
    }
    expect(await notes()).toEqual([]);
    expect((await send("/required", "x".repeat(255))).status).toBe(200);
  });

  test("a body that its handler reads itself is part of the request", async ({ app, send, notes }) => {
    const raw = (body: string) =>
      app.fetch("/notes/raw", { method: "POST", headers: { "idempotency-key": "r" }, body });
    expect(await (await raw("one")).text()).toBe("raw one");
    const again = await raw("one");
    expect([await again.text(), again.headers.get("content-type"), again.headers.get("set-cookie")]).toEqual([
      "raw one",
      "text/x-own",
      null,
    ]);
    expect((await raw("two")).status).toBe(422);
    expect(await notes()).toEqual(["one"]);
    expect((await send("/plain", "a")).status).toBe(200);
  });

  test("an answer that is made piece by piece is kept whole", async ({ send, notes }) => {
    for (const replayed of [null, "true"]) {
      const answer = await send("/generated", "g");
      expect([answer.status, answer.headers.get("idempotent-replayed")]).toEqual([200, replayed]);
      expect(await answer.text()).toBe("one, two");
    }
    expect(await notes()).toEqual(["generated"]);
  });

  test("a form is the same whatever its boundary is", async ({ app, notes }) => {
    const sendForm = (name: string) => {
      const body = new FormData();
      body.set("name", name);
      body.set("file", new File(["content"], "a.txt"));
      return app.fetch("/notes/form", { method: "POST", headers: { "idempotency-key": "f" }, body });
    };
    expect(await (await sendForm("one")).text()).toBe("onecontent");
    const again = await sendForm("one");
    expect([await again.text(), again.headers.get("idempotent-replayed")]).toEqual(["onecontent", "true"]);
    expect((await sendForm("two")).status).toBe(422);
    expect(await notes()).toEqual(["form"]);
  });

  test("an answer that is too large is sent, and not a second time", async ({ send, notes }) => {
    expect((await (await send("/large", "a")).text()).length).toBe(3_000_000);
    const again = await send("/large", "a");
    expect([again.status, ((await again.json()) as { code: string }).code]).toEqual([
      409,
      "idempotency_answer_lost",
    ]);
    expect(await notes()).toEqual(["large"]);
  });

  test("a transaction is as isolated as it asks for", async ({ send, notes }) => {
    expect((await send("/strict", "a")).status).toBe(200);
    expect(await notes()).toEqual(["strict"]);
    expect((await send("/stricter", "b")).status).toBe(dialect === "sqlite" ? 200 : 500);
  });

  test("another process waits for the first answer", async ({ app, url, send, notes }) => {
    await using other = await TestApp.start({
      plugins: NOTES,
      config: { database: { url }, security: { jwt_secret_key: SECRET_KEY } },
    });
    const first = send("/slow", "a");
    await app.fetch("/notes/entered");
    const second = other.fetch("/notes/slow", { method: "POST", headers: { "idempotency-key": "a" } });
    await send("/open", null);
    expect(await (await first).text()).toBe("slow");
    const replayed = await second;
    expect([await replayed.text(), replayed.headers.get("idempotent-replayed")]).toEqual(["slow", "true"]);
    expect(await notes()).toEqual(["slow"]);
  });

  test("a role and a user are made once, and refusals stay in the audit log", async ({ app }) => {
    const post = async (path: string, key: string, body: object, headers: Record<string, string>) => {
      const response = await app.fetch(path, {
        method: "POST",
        headers: { ...headers, "idempotency-key": key, "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      return { status: response.status, replayed: response.headers.has("idempotent-replayed") };
    };
    const { headers } = await app.admin();
    const role = { name: "clerk", permissions: ["users:read", "roles:write"] };
    const user = { email: "clerk@example.com" };
    expect(await post("/admin/roles", "r", role, headers)).toEqual({ status: 201, replayed: false });
    expect(await post("/admin/roles", "r", role, headers)).toEqual({ status: 201, replayed: true });
    expect(await post("/admin/users", "u", user, headers)).toEqual({ status: 201, replayed: false });
    expect(await post("/admin/users", "u", user, headers)).toEqual({ status: 201, replayed: true });
    // The same again, with a key of its own.
    expect(await post("/admin/roles", "r2", role, headers)).toEqual({ status: 409, replayed: false });
    const clerk = await app.createUser("other@example.com", ["clerk"]);
    const beyond = { name: "boss", permissions: ["users:write"] };
    const refused = await post("/admin/roles", "b", beyond, clerk.headers);
    expect(refused).toEqual({ status: 403, replayed: false });
    expect(await post("/admin/roles", "b", beyond, clerk.headers)).toEqual(refused);
    const { body } = await app.getAsAdmin("/admin/audit?per_page=100");
    const entries = (body.items as { action: string; result: string }[]).map(
      ({ action, result }) => `${action} ${result}`,
    );
    expect(entries.filter((entry) => entry === "role.created done")).toHaveLength(1);
    expect(entries.filter((entry) => entry === "user.created done")).toHaveLength(1);
    expect(entries.filter((entry) => entry === "role.created refused")).toHaveLength(3);
  });

  test("a key is free again after 24 hours, and its row goes", async ({ app, send, notes }) => {
    await send("/notes", "a", { note: "one" });
    const db = app.app.database.toDatabase({});
    const { idempotencyKeys } = app.app.store.tables;
    await db.update(idempotencyKeys).set({ expires_at: new Date(Date.now() - 1) });
    expect((await send("/notes", "a", { note: "two" })).status).toBe(201);
    expect(await notes()).toEqual(["one", "two"]);
    await db.update(idempotencyKeys).set({ expires_at: new Date(Date.now() - 1) });
    await (await app.app.accounts.keptAnswers()).purge();
    expect(await db.$count(idempotencyKeys)).toBe(0);
  });
}

testWithServer(
  "sqlite",
  "the API documentation has the header, and a plain Elysia is refused",
  120_000,
  async () => {
    await using database = await createTestDatabase("sqlite");
    const plain = `import { Elysia } from "elysia";
export default new Elysia().post("/", () => "made", { idempotent: true } as object);
`;
    await using app = await TestApp.start({
      plugins: {
        ...NOTES,
        "plain/plugin.json": { name: "plain", version: "1.0.0" },
        "plain/run.ts": plain,
      },
      config: { database: { url: database.url } },
    });
    const { body } = await app.get("/openapi.json");
    const parameterOf = (path: string, method = "post") =>
      (
        body.paths[path][method].parameters as { name: string; in: string; required: boolean }[] | undefined
      )?.find(({ name }) => name === "Idempotency-Key");
    expect(parameterOf("/notes/notes")).toMatchObject({ in: "header", required: false });
    expect(parameterOf("/notes/required")).toMatchObject({ in: "header", required: true });
    expect(parameterOf("/notes/plain")).toBeUndefined();
    expect(parameterOf("/admin/roles")).toMatchObject({ in: "header", required: false });
    expect(parameterOf("/admin/roles", "get")).toBeUndefined();
    const failed = app.events.find(({ name }) => name === "plugin.failed");
    expect(JSON.stringify(failed?.data)).toContain("would be carried out again");
  },
);
