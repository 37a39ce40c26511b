import { join } from "node:path";
import { createTestDatabase, type TestDatabase, testWithServer } from "../database-servers.ts";
import { type Dialect, DIALECTS } from "../../src/db/contract/driver.ts";
import type { ConfigOverrides } from "../../src/config/schema.ts";
import { ADMIN_ROLE } from "../../src/accounts/rights/builtin-roles.ts";
import { type Files, TestApp, type TestUser } from "../setup.ts";

const CRM = join(import.meta.dir, "../../plugins/crm");
/** Its resources in a plain form: each test adds what it is about. */
const RUN = `import { eq } from "drizzle-orm";
import { createRouter, resource } from "xcore";
import { companies, contacts, deals } from "./schema.ts";

export default createRouter()
  .use(
    resource(companies, {
      search: ["name", "city"],
      relations: { contacts: contacts.company_id },
      expand: ["contacts"],
    }),
  )
  .use(resource(contacts, { search: ["name", "email", "company.name"], expand: ["company"] }))
  .use(
    resource(deals, {
      search: ["title", "company.name"],
      expand: ["company", "contact", "owner"],
      rows: ({ user, can }) => (can("deals:all") ? undefined : eq(deals.owner_id, user.id)),
      fields: { margin: { read: "deals:all", write: "deals:all" }, created_at: { write: false } },
      create: { owner_id: ({ user }) => user.id },
      check: ({ value: { starts_on: starts, close_on: closes } }) =>
        starts && closes && closes < starts ? { close_on: "must not be before the start" } : undefined,
    }),
  );
`;

/** The tables of plugins/crm, with a run.ts of a test's own. */
export async function crmPlugin(run = RUN): Promise<Files> {
  const names = [...new Bun.Glob("**/*.{ts,json,sql}").scanSync(CRM)].filter(
    (name) => !name.endsWith(".test.ts"),
  );
  const files = await Promise.all(
    names.map(async (name) => [`crm/${name}`, await Bun.file(join(CRM, name)).text()] as const),
  );
  return { ...Object.fromEntries(files), "crm/run.ts": run };
}

interface CrmOptions {
  readonly dialect?: Dialect;
  readonly run?: string;
  /** In the place of plugins/crm. */
  readonly plugins?: Files;
  readonly config?: ConfigOverrides;
}

/** An answer, with its body read. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // oxlint-disable-next-line typescript/no-explicit-any -- a test reads what it knows to be there
  readonly body: any;
}

/** A server with plugins/crm, two companies, a contact, and who works with them. */
export class Crm implements AsyncDisposable {
  readonly app: TestApp;
  readonly #database: TestDatabase;

  private constructor(app: TestApp, database: TestDatabase) {
    this.app = app;
    this.#database = database;
  }

  static async start({ dialect = "sqlite", run, plugins, config = {} }: CrmOptions = {}): Promise<Crm> {
    const database = await createTestDatabase(dialect, { hasCoreTables: true });
    const app = await TestApp.start({
      plugins: plugins ?? (await crmPlugin(run)),
      config: { ...config, database: { ...config.database, url: database.url } },
    });
    return new Crm(app, database);
  }

  /** Somebody with these permissions; an administrator by "*". */
  async user(email: string, permissions: readonly string[]): Promise<TestUser> {
    if (permissions.includes("*")) return this.app.createUser(email, [ADMIN_ROLE]);
    const role = email.replace(/\W/g, "_");
    const made = await this.send(await this.app.admin(), "POST", "/admin/roles", { name: role });
    await this.send(await this.app.admin(), "PUT", `/admin/roles/${made.body.id}/permissions`, {
      permissions,
    });
    return this.app.createUser(email, [role]);
  }

  async send(
    user: TestUser | null,
    method: string,
    path: string,
    body?: unknown,
    headers: object = {},
  ): Promise<Answer> {
    const response = await this.app.fetch(path.replaceAll(" ", "%20"), {
      method,
      headers: {
        ...user?.headers,
        ...headers,
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.includes("json") === true;
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.app[Symbol.asyncDispose]();
    await this.#database[Symbol.asyncDispose]();
  }
}

/** What somebody needs for all of it, but for the deals of others. */
export const EVERYTHING = ["companies", "contacts", "deals"].flatMap((name) => [
  `${name}:read`,
  `${name}:write`,
  `${name}:delete`,
]);

/** Declares a test for SQLite, PostgreSQL and MySQL, each with plugins/crm on a database of its own. */
export function testCrm(name: string, run: (crm: Crm) => Promise<void>, code?: string): void {
  for (const dialect of DIALECTS) {
    testWithServer(dialect, `${name} (${dialect})`, 120_000, async () => {
      await using crm = await Crm.start({ dialect, ...(code !== undefined && { run: code }) });
      await run(crm);
    });
  }
}

/** Types of columns by the dialect that takes them: a key that is counted up, and a moment. */
const TYPES = [
  ["integer primary key autoincrement", "integer"],
  ["bigint auto_increment primary key", "datetime(3)"],
  ["bigserial primary key", "timestamp(3) with time zone"],
] as const;

/** A `setup()` that creates tables of a test's own, of which plugins/crm has no migration, on whichever dialect it is. */
export function setupTables(statements: readonly ((key: string, moment: string) => string)[]): string {
  const byDialect = TYPES.map(([key, moment]) => statements.map((write) => write(key, moment)));
  return `
  export async function setup() {
    for (const statements of ${JSON.stringify(byDialect)}) {
      try {
        for (const statement of statements) await db.execute(sql.raw(statement));
        return;
      } catch {}
    }
  }`;
}
