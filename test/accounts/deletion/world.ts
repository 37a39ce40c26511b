import { eq, sql } from "drizzle-orm";
import { CookieJar, PASSWORD, SECURITY } from "../browser/browser.ts";
import { TestApp } from "../../setup.ts";

/** A plugin that keeps notes of people, which go with them, and invoices, some of which the law keeps. */
const BILLING = `import { sql } from "drizzle-orm";
import { createRouter, db, hooks } from "xcore";

export async function setup() {
  await db.execute(sql\`create table billing_notes (id integer primary key, user_id integer not null)\`);
  await db.execute(
    sql\`create table billing_invoices (id integer primary key, user_id integer not null references users(id), kept integer)\`,
  );
}

hooks.on(
  "user.deleting",
  async ({ data, cancel }) => {
    const id = data.user.id;
    const kept = await db.execute(sql\`select id from billing_invoices where kept = 1 and user_id = \${id}\`);
    if (kept.length > 0) cancel("Invoices are kept for ten years");
  },
  { order: "before" },
);

hooks.on("user.deleting", async ({ data }) => {
  if (data.phase === "request") return;
  await db.execute(sql\`delete from billing_notes where user_id = \${data.user.id}\`);
  if (data.user.email.startsWith("broken")) throw new Error("The disk of invoices is away");
});

export default createRouter();
`;

/** Somebody, by what they send. */
interface Headed {
  readonly headers: Readonly<Record<string, string>>;
}

export const ADA = "ada@example.com";

/** An app with that plugin, and people who leave it. */
export async function createWorld(print: (text: string) => void = () => {}) {
  const app = await TestApp.start({
    config: { security: SECURITY, app: { debug: true } },
    plugins: {
      "billing/plugin.json": { name: "billing", version: "1.0.0" },
      "billing/run.ts": BILLING,
    },
    print,
  });
  const { accounts, store } = app.app;
  const { db, tables } = store;
  const send = async (method: string, path: string, body?: object, user: Headed | null = null) => {
    const response = await app.fetch(path, {
      method,
      headers: { "content-type": "application/json", ...user?.headers },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === "" ? null : JSON.parse(text) };
  };
  const logIn = (email = ADA) => send("POST", "/auth/login", { email, password: PASSWORD });
  return {
    app,
    db,
    tables,
    send,
    logIn,
    /** Makes an account with a password, and logs in to it. */
    async join(email = ADA, roles: readonly string[] = []) {
      const id = await new CookieJar(app).register(email, roles);
      const { body } = await logIn(email);
      return { id, headers: { authorization: `Bearer ${body.access_token}` } };
    },
    leave: (user: Headed, email = ADA) =>
      send("POST", "/auth/deletion", { email, current_password: PASSWORD }, user),
    find: async (id: number) => (await db.select().from(tables.users).where(eq(tables.users.id, id)))[0],
    /** Has the time of an account come. */
    age: (id: number) =>
      db
        .update(tables.users)
        .set({ deletion_at: new Date(1000) })
        .where(eq(tables.users.id, id)),
    deleteDue: async () => (await accounts.deletions()).deleteDue(new AbortController().signal),
    count: async (table: "billing_notes" | "billing_invoices") =>
      (await db.execute(sql`select id from ${sql.identifier(table)}`)).length,
    audited: async (action: string) =>
      db.select().from(tables.auditLog).where(eq(tables.auditLog.action, action)),
    mailsTo: async (to: string) =>
      (await db.select().from(tables.mails).where(eq(tables.mails.recipient, to))).map(
        ({ template }) => template,
      ),
    [Symbol.asyncDispose]: () => app[Symbol.asyncDispose](),
  };
}
