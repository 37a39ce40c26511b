import { Database as SqliteFile } from "bun:sqlite";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import pino from "pino";
import type { CoreStore } from "../../../src/accounts/people/store.ts";
import { parseDatabaseUrl } from "../../../src/db/contract/database-url.ts";
import { openDatabase } from "../../../src/db/open.ts";
import { listUsers, type UserQuery } from "../../../src/accounts/admin/user-list.ts";
import { openStore } from "../factor-accounts.ts";
import { TestFolder } from "../../setup.ts";

const USERS = 100_000;

/** Adds users "user000001@example.com" named "Name 1" and so on; one in a thousand holds "few", all hold "many". */
async function fill({ db }: CoreStore): Promise<void> {
  await db.execute(sql`insert into users (email, full_name, name_key)
    with recursive n(i) as (select 1 union all select i + 1 from n where i < ${USERS})
    select 'user' || printf('%06d', i) || '@example.com', 'Name ' || i, 'name ' || i from n`);
  await db.execute(sql`insert into roles (id, name) values (1, 'few'), (2, 'many')`);
  await db.execute(sql`insert into user_roles (user_id, role_id) select id, 2 from users`);
  await db.execute(
    sql`insert into user_roles (user_id, role_id) select id, 1 from users where id % 1000 = 0`,
  );
}

test("listUsers() reads no table from end to end, however it is asked", async () => {
  await using folder = await TestFolder.create();
  const file = join(folder.path, "app.db");
  const statements: string[] = [];
  const log = pino(
    { level: "debug" },
    { write: (line) => void statements.push((JSON.parse(line) as { sql?: string }).sql ?? "") },
  );
  const driver = await openDatabase({
    url: parseDatabaseUrl(`sqlite:${file}`, folder.path),
    poolSize: 1,
    echo: true,
    log,
  });
  using client = new SqliteFile(file);
  try {
    const store = await openStore(driver);
    await fill(store);
    const asked: [UserQuery, number | null, string[]][] = [
      [{ q: "user00012" }, 10, ["user000120", "user000121"]],
      [{ q: "NAME 4242" }, 11, ["user004242", "user042420"]],
      [{ q: "user", total: false }, null, ["user000001", "user000002"]],
      [{ q: "user", sort: "-email" }, 1000, []],
      [{ q: "user0", role: "few" }, 99, ["user001000", "user002000"]],
      [{ role: "few", sort: "-id" }, 100, ["user100000", "user099000"]],
      [{ role: "many", total: false, sort: "full_name" }, null, ["user000001", "user000010"]],
      [{ total: false, sort: "-email" }, null, ["user100000", "user099999"]],
      [{ is_active: true, total: false, sort: "-created_at" }, null, ["user100000", "user099999"]],
    ];
    for (const [query, total, first] of asked) {
      statements.length = 0;
      // oxlint-disable-next-line no-await-in-loop -- one after another
      const found = await listUsers(store, query);
      expect({ query, total: found.total }).toEqual({ query, total });
      expect(found.items.slice(0, first.length).map(({ email }) => email.slice(0, 10))).toEqual(first);
      const queries = statements.filter((one) => one.startsWith("select"));
      expect(queries.length).toBeGreaterThan(2);
      for (const statement of queries) {
        const plan = client.query(`explain query plan ${statement}`).all() as { detail: string }[];
        const steps = plan.map(({ detail }) => detail);
        expect(steps.filter((step) => /^SCAN (user_roles|roles|otp_devices)/.test(step))).toEqual([]);
        // Looked through in the order asked for, up to the end of the page.
        if (steps.some((step) => step.startsWith("SCAN users"))) {
          expect(statement).toContain("limit");
          expect(steps.join()).not.toContain("TEMP B-TREE FOR ORDER BY");
        }
      }
    }
  } finally {
    await driver.close();
  }
}, 120_000);
