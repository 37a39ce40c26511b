import { expect } from "bun:test";
import { testOnDialect, testWithCoreTables } from "../../database-servers.ts";
import { createIdentity, type Identity, PASSWORD } from "../identity.ts";

const EMAIL = "admin@example.com";
const gone = { status: 404, body: { code: "not_found" } };

function tokenIn({ printed }: Identity): string {
  return /\/auth\/setup\?token=([\w-]{43})\n/.exec(printed.at(-1) ?? "")?.[1] ?? "";
}

testWithCoreTables("SetupLink makes the first administrator, once", async ({ driver }) => {
  const identity = await createIdentity(driver);
  const { setup, send, printed } = identity;
  await setup.announce("https://erp.example.com/base/");
  expect(printed).toHaveLength(1);
  expect(printed[0]).toContain("https://erp.example.com/base/auth/setup?token=");
  const token = tokenIn(identity);
  expect((await send("GET", `/auth/setup?token=${token}`)).status).toBe(200);
  const user = { token, email: EMAIL, password: PASSWORD, roles: [], is_active: false };
  const all = await Promise.all(Array.from({ length: 4 }, () => send("POST", "/auth/setup", user)));
  expect(all.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 404, 404, 404]);
  const { body } = await identity.logIn(EMAIL);
  const me = await send("GET", "/auth/me", undefined, { token: body.access_token });
  expect(me.body).toMatchObject({ email: EMAIL, roles: ["admin"], permissions: ["*"] });
  expect(await send("GET", `/auth/setup?token=${token}`)).toMatchObject(gone);
  expect(await send("POST", "/auth/setup", user)).toMatchObject(gone);
  await setup.announce("https://erp.example.com");
  expect(printed).toHaveLength(1);
  const { entries, text } = await identity.audit();
  expect(entries[0]).toMatchObject({ action: "user.first_administrator", actor: EMAIL });
  expect(text).not.toContain(token);
});

testOnDialect(
  "sqlite",
  "SetupLink refuses any other token, an old one, and the one before a new link",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    const { setup, send, clock } = identity;
    const open = (token: string) => send("GET", `/auth/setup?token=${encodeURIComponent(token)}`);
    expect(await setup.isNeeded()).toBe(true);
    expect(await open("")).toMatchObject(gone);
    await setup.announce("http://localhost:8000");
    const first = tokenIn(identity);
    for (const token of ["", "x", `${first}x`, first.slice(1), "x".repeat(43)]) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      expect(await open(token)).toMatchObject(gone);
      // oxlint-disable-next-line no-await-in-loop
      expect(await send("POST", "/auth/setup", { token, email: EMAIL, password: PASSWORD })).toMatchObject(
        gone,
      );
    }
    expect(await send("GET", "/auth/setup")).toMatchObject(gone);
    await setup.announce("http://localhost:8000");
    expect(await open(first)).toMatchObject(gone);
    const second = tokenIn(identity);
    clock.ms += 30 * 60_000 - 1;
    expect((await open(second)).status).toBe(200);
    clock.ms += 1;
    expect(await open(second)).toMatchObject(gone);
  },
);

testOnDialect(
  "sqlite",
  "SetupLink is gone as soon as there is an administrator, however they came",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    const { setup, send, store, registration } = identity;
    await setup.announce("http://localhost:8000");
    const token = tokenIn(identity);
    const id = await identity.register("other@example.com");
    expect(await setup.isNeeded()).toBe(true);
    const [admin] = await store.db.select().from(store.tables.roles);
    await store.db.insert(store.tables.userRoles).values({ user_id: id, role_id: admin?.id ?? 0 });
    expect(await setup.isNeeded()).toBe(false);
    expect(await send("GET", `/auth/setup?token=${token}`)).toMatchObject(gone);
    expect(await send("POST", "/auth/setup", { token, email: EMAIL, password: PASSWORD })).toMatchObject(
      gone,
    );
    expect(registration.isOpen).toBe(true);
  },
);

testOnDialect("sqlite", "GET /auth/setup is a page that tells nobody its address", async ({ driver }) => {
  const identity = await createIdentity(driver);
  await identity.setup.announce("http://localhost:8000");
  const token = tokenIn(identity);
  const { text, headers } = await identity.send("GET", `/auth/setup?token=${token}`);
  expect(headers.get("referrer-policy")).toBe("no-referrer");
  expect(headers.get("cache-control")).toBe("no-store");
  expect(headers.get("x-frame-options")).toBe("DENY");
  expect(text).not.toMatch(/https?:\/\/| style="|\son\w+=/);
  expect(text).toContain("Acme &lt;ERP&gt;");
  expect(text).toContain(`name="token" value="${token}"`);
  expect(text).toMatch(/minlength="12"[^]*12 characters or more/);
});

testOnDialect(
  "sqlite",
  "POST /auth/setup shows the form again, filled and escaped, and then the end",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    await identity.setup.announce("http://localhost:8000");
    const token = tokenIn(identity);
    const post = (fields: Record<string, string>) =>
      identity.send("POST", "/auth/setup", new URLSearchParams({ token, full_name: "", ...fields }), {
        headers: { accept: "text/html" },
      });
    const short = await post({ email: '"><script>alert(1)</script>', password: "secret" });
    expect(short.status).toBe(422);
    expect(short.text).toContain("Expected an email");
    expect(short.text).toContain("&quot;&gt;&lt;script&gt;");
    expect(short.text).not.toContain("<script>");
    const weak = await post({ email: EMAIL, password: "secret1" });
    expect(weak.text).toContain("fewer than 8 characters");
    expect(weak.text).not.toContain("secret1");
    const middling = await post({ email: EMAIL, password: "mid secret" });
    expect(middling.text).toContain("fewer than 12 characters");
    await identity.register("taken@example.com");
    expect((await post({ email: "taken@example.com", password: PASSWORD })).status).toBe(409);
    for (const fields of [{}, { email: EMAIL }, { email: EMAIL, password: "x".repeat(1025) }]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const lacking = await post(fields);
      expect([lacking.status, lacking.headers.get("content-type")]).toEqual([
        422,
        expect.stringMatching(/^text\/html/),
      ]);
      expect(lacking.text).toContain("Give an email and a password");
      expect(lacking.text).toContain(`name="token" value="${token}"`);
      expect(lacking.text).not.toContain("x".repeat(1025));
    }
    const done = await post({ email: EMAIL, password: PASSWORD });
    expect(done.status).toBe(201);
    expect(done.text).toContain("Acme &lt;ERP&gt; is ready");
    expect(done.headers.get("content-type")).toStartWith("text/html");
    expect(done.text).toContain(EMAIL);
    expect(done.text).not.toContain(PASSWORD);
    // A browser is told what helps, in the words of its user.
    const headers = { accept: "text/html", "accept-language": "fr" };
    const dead = await identity.send("GET", `/auth/setup?token=${token}`, undefined, { headers });
    expect(dead.status).toBe(404);
    expect(dead.text).toContain("Ce lien n\u2019est plus valable");
    expect(dead.text).toContain('href="../auth/login"');
    const late = await post({ email: EMAIL, password: PASSWORD });
    expect(late.status).toBe(404);
    expect(late.text).toContain("This link isn&#x27;t valid any more");
  },
);

testWithCoreTables("two servers on one empty database make one first administrator", async ({ driver }) => {
  const first = await createIdentity(driver);
  const servers = [first, await createIdentity(driver)];
  for (const { setup } of servers) {
    // oxlint-disable-next-line no-await-in-loop -- both print a link
    await setup.announce("http://localhost:8000");
  }
  const answers = await Promise.all(
    servers.map((server, index) =>
      server.send("POST", "/auth/setup", {
        token: tokenIn(server),
        email: `admin${index}@example.com`,
        password: PASSWORD,
      }),
    ),
  );
  expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 404]);
  const { db, tables } = first.store;
  expect(await db.select().from(tables.users)).toHaveLength(1);
  expect(await db.select().from(tables.userRoles)).toHaveLength(1);
});

testOnDialect("sqlite", "SetupLink asks an administrator's password of its user", async ({ driver }) => {
  const identity = await createIdentity(driver);
  await identity.setup.announce("http://localhost:8000");
  const made = (password: string) =>
    identity.send("POST", "/auth/setup", { token: tokenIn(identity), email: EMAIL, password });
  expect(await made("x7#kQ2!v")).toMatchObject({ status: 422, body: { code: "validation_error" } });
  expect((await made("x7#kQ2!vB9zp")).status).toBe(201);
});
