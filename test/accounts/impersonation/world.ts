import { eq } from "drizzle-orm";
import { grantRole } from "../../../src/accounts/rights/builtin-roles.ts";
import { noteAccessChange } from "../../../src/accounts/people/store.ts";
import type { TestApp } from "../../setup.ts";
import { CookieJar } from "../browser/browser.ts";

/** Somebody with a browser that is signed in. */
export interface Person {
  readonly id: number;
  readonly email: string;
  readonly jar: CookieJar;
}

/** Who is viewed as by whom, each with an account of their own. */
export interface Pair {
  readonly viewer: Person;
  readonly user: Person;
}

/** Makes people, and looks at what becomes of them. */
export class World {
  readonly app: TestApp;
  #made = 0;

  constructor(app: TestApp) {
    this.app = app;
  }

  /** Makes somebody who is signed in and holds these permissions, by a role of their own, and these roles. */
  async join(permissions: readonly string[], roles: readonly string[] = []): Promise<Person> {
    const jar = new CookieJar(this.app);
    const email = `person-${++this.#made}@example.com`;
    const id = await jar.register(email, roles);
    await this.give(id, permissions);
    await jar.signIn(email);
    return { id, email, jar };
  }

  /** Makes a role of these permissions and gives it to somebody; returns its id. */
  async give(userId: number, permissions: readonly string[], name = `role-${++this.#made}`): Promise<number> {
    const { db, tables } = this.app.app.store;
    const [role] = await db.insert(tables.roles).values({ name }).returning();
    const role_id = role?.id ?? 0;
    const rows = permissions.map((permission) => ({ role_id, permission }));
    if (rows.length > 0) await db.insert(tables.rolePermissions).values(rows);
    await db.transaction((tx) => grantRole(tx, tables, userId, name));
    return role_id;
  }

  /** Makes somebody who supports others, and one of those. */
  async pair(permissions: readonly string[] = ["shop:see"]): Promise<Pair> {
    const viewer = await this.join([...new Set(["users:impersonate", "users:read", ...permissions])]);
    return { viewer, user: await this.join(permissions) };
  }

  /** Lets one view as the other; returns what was answered. */
  async view({ viewer, user }: Pair): Promise<Response> {
    return viewer.jar.send("POST", `/admin/users/${user.id}/impersonate`, {});
  }

  /** As `pair`, with the view begun. */
  async viewing(permissions?: readonly string[]): Promise<Pair> {
    const pair = await this.pair(permissions);
    const answer = await this.view(pair);
    if (answer.status !== 200) throw new Error(await answer.text());
    return pair;
  }

  /** Sends as an administrator. */
  async act(method: string, path: string, body: unknown = {}): Promise<void> {
    const { headers } = await this.app.admin();
    const answer = await this.app.fetch(path, {
      method,
      headers: { ...headers, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(await answer.text());
  }

  /** Lets the time of what is viewed as somebody be over. */
  async expire({ user }: Pair): Promise<void> {
    const { db, tables } = this.app.app.store;
    const { sessions } = tables;
    await db.transaction(async (tx) => {
      const own = eq(sessions.user_id, user.id);
      await tx
        .update(sessions)
        .set({ expires_at: new Date(Date.now() - 1000) })
        .where(own);
      await noteAccessChange(tx, tables, user.id);
    });
  }

  /** Entries of the audit log about what somebody did or what was done to them, the oldest first. */
  async audit(query: string): Promise<Record<string, unknown>[]> {
    const { body } = await this.app.getAsAdmin(`/admin/audit?sort=id&per_page=100&${query}`);
    return body.items;
  }
}

/** Who is known by the cookie of a browser: their email, or the status of the refusal. */
export async function whoIs(jar: CookieJar): Promise<string | number> {
  const answer = await jar.fetch("/auth/me");
  return answer.ok ? ((await answer.json()) as { email: string }).email : answer.status;
}

export async function codeOf(answer: Response): Promise<unknown> {
  return [answer.status, ((await answer.json()) as { code?: string }).code];
}
