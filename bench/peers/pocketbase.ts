import { Database } from "bun:sqlite";
import { ACCOUNTS, BCRYPT_COST, emailOf, PASSWORD, type Peer, ROWS } from "./peer.ts";
import { type AsAdmin, makePocketBase } from "./pocketbase-program.ts";

const RECORDS = "/api/collections/articles/records";

/** Makes a PocketBase with the same rows and accounts. */
export async function createPocketBase(): Promise<Peer> {
  const { file, start, remove } = await makePocketBase(prepare);
  fill(file);
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
    remove,
  };
}

/** Makes the collection, open to everybody, and the accounts; each login sends no mail. */
async function prepare(asAdmin: AsAdmin): Promise<void> {
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
