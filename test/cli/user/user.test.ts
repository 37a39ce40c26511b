import { eq } from "drizzle-orm";
import { expect, setDefaultTimeout, test } from "bun:test";
import { openCoreStore } from "../../../src/accounts/people/store.ts";
import { createPasswords } from "../../../src/accounts/login/passwords.ts";
import { parseDatabaseUrl } from "../../../src/db/contract/database-url.ts";
import { openDatabase } from "../../../src/db/open.ts";
import { openStore, readAccessChanges, readAudit, silent } from "../../accounts/factor-accounts.ts";
import { testOnEachDialect } from "../../database-servers.ts";
import { XCORE } from "../xcore-command.ts";
import { TestFolder } from "../../setup.ts";
import { XcoreServer } from "../xcore-process.ts";

setDefaultTimeout(120_000);

const CONFIG = { "config.json": { security: { bcrypt_cost: 4 } } };

/** Runs `xcore user …`, with a text on standard input. */
async function user(folder: TestFolder, args: readonly string[], { input = "", url = "" } = {}) {
  const { PATH = "", HOME = "" } = process.env;
  const child = Bun.spawn([...XCORE, "user", ...args], {
    cwd: folder.path,
    env: { PATH, HOME, ...(url !== "" && { DATABASE_URL: url }) },
    stdin: Buffer.from(input),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [code, stdout, stderr] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code, stdout, stderr };
}

test("user invite prints the link where no mail is sent, and writes the mail down", async () => {
  await using folder = await TestFolder.create(CONFIG);
  const { code, stdout } = await user(folder, ["invite", "Ada@Example.com", "--expires-in", "12h"]);
  expect([code, stdout]).toEqual([
    0,
    expect.stringMatching(
      /^Invited ada@example\.com with role user, until [^ ]+Z\nmail\.url isn't set[^\n]+\nhttp:\/\/127\.0\.0\.1:8000\/auth\/invitation\?token=[\w-]{43}\n$/,
    ),
  ]);
  const json = await user(folder, [
    "invite",
    "bob@example.com",
    "--role",
    "admin",
    "--role",
    "user",
    "--json",
  ]);
  expect(JSON.parse(json.stdout)).toMatchObject({
    email: "bob@example.com",
    roles: [{ name: "admin" }, { name: "user" }],
    invited_by: null,
    is_mailed: false,
  });
  const wrong = await Promise.all(
    [
      ["invite", "no address"],
      ["invite", "eve@example.com", "--role", "nobody"],
      ["invite", "eve@example.com", "--expires-in", "1y"],
    ].map((args) => user(folder, args)),
  );
  expect(wrong.map((one) => one.code)).toEqual([1, 1, 2]);
  const url = parseDatabaseUrl("sqlite:data/app.db", folder.path);
  const driver = await openDatabase({ url, poolSize: 1, echo: false, log: silent });
  const { db, tables } = openCoreStore(driver);
  const mails = await db.select().from(tables.mails);
  await driver.close();
  expect(mails.map(({ recipient, template, state }) => [recipient, template, state])).toEqual([
    ["ada@example.com", "invitation", "waiting"],
    ["bob@example.com", "invitation", "waiting"],
  ]);
});

testOnEachDialect(
  "user makes, lists and changes accounts, each change audited",
  async ({ driver, url }) => {
    await using folder = await TestFolder.create(CONFIG);
    const run = async (args: string[], input = ""): Promise<string> => {
      const { code, stdout, stderr } = await user(folder, args, { input, url });
      if (code !== 0) throw new Error(`xcore user ${args.join(" ")} ended with ${code}: ${stderr}`);
      return stdout;
    };
    expect(await run(["create", "Ada@Example.com", "--admin", "--password-stdin"], "correct horse\n")).toBe(
      "Created user ada@example.com with role admin\n",
    );
    const bob = await run(
      ["create", "bob@example.com", "--full-name", "Bob", "--password-stdin", "--json"],
      "correct horse",
    );
    expect(JSON.parse(bob)).toMatchObject({
      email: "bob@example.com",
      full_name: "Bob",
      roles: [{ name: "user" }],
    });
    expect(await run(["list"])).toMatch(/^ada@example\.com +- +admin +active +no +-$/m);
    expect(JSON.parse(await run(["list", "BO", "--json"]))).toMatchObject([{ email: "bob@example.com" }]);
    expect(await run(["grant", "bob@example.com", "admin"])).toBe("bob@example.com holds admin, user now\n");
    expect(await run(["revoke", "bob@example.com", "user"])).toBe("bob@example.com holds admin now\n");
    const store = openCoreStore(driver);
    const { db, tables } = store;
    await db
      .update(tables.users)
      .set({ locked_at: new Date() })
      .where(eq(tables.users.email, "ada@example.com"));
    expect(await run(["list"])).toMatch(/^ada@example\.com +- +admin +locked /m);
    expect(await run(["unlock", "ada@example.com"])).toBe("ada@example.com isn't locked now\n");
    expect(await run(["list"])).toMatch(/^ada@example\.com +- +admin +active /m);
    expect(await run(["disable", "ada@example.com"])).toBe("ada@example.com is disabled now\n");
    expect(await run(["enable", "ada@example.com"])).toBe("ada@example.com is enabled now\n");
    expect(await run(["passwd", "bob@example.com", "--password-stdin"], "battery staple\r\n")).toContain(
      "bob@example.com",
    );

    const { entries, text } = await readAudit(store);
    expect(entries.map(({ action, actor, target_id }) => `${action} ${actor}${target_id}`)).toEqual([
      "user.created 1",
      "user.created 2",
      "role.assigned 2",
      "role.removed 2",
      "user.unlocked 1",
      "user.deactivated 1",
      "user.activated 1",
      "user.password_set 2",
    ]);
    expect(text).not.toMatch(/correct horse|battery staple|\$2/);
    expect((await readAccessChanges(store)).slice(-6)).toEqual([2, 2, 1, 1, 1, 2]);
    const rows = await store.db.select().from(store.tables.users);
    const passwords = createPasswords({ algorithm: "bcrypt", bcryptCost: 4 });
    const hash = rows.find(({ id }) => id === 2)?.password_hash ?? "";
    expect(await passwords.verify("battery staple", hash)).toEqual({ isValid: true, isRehashDue: false });
    // Its owner is told, as of a change with a browser: by the next server that runs.
    const mails = await store.db.select().from(store.tables.mails);
    expect(mails.map(({ recipient, template, state }) => [recipient, template, state])).toEqual([
      ["bob@example.com", "account-notice", "waiting"],
    ]);
  },
  120_000,
);

test("user says what is wrong, and changes nothing", async () => {
  await using folder = await TestFolder.create(CONFIG);
  const create = (...args: string[]) => user(folder, ["create", ...args], { input: "correct horse" });
  expect((await create("ada@example.com", "--admin", "--password-stdin")).code).toBe(0);
  const failures: [string[], number, RegExp, string?][] = [
    [["create", "ada@example.com", "--password-stdin"], 1, /there is one already/],
    [["create", "ada", "--password-stdin"], 1, /Expected an email/],
    [["create", "eve@example.com"], 1, /--password-stdin/],
    [["create", "eve@example.com", "--password-stdin"], 1, /fewer than 8/, "short"],
    [["create"], 2, /missing required argument/],
    [
      ["passwd", "eve@example.com", "--password-stdin"],
      1,
      /Cannot find user "eve@example\.com": .* `xcore user list`/,
    ],
    [["grant", "ada@example.com", "boss"], 1, /Cannot find role "boss": there are "admin", "user"/],
    [["grant", "ada@example.com", "admn"], 1, /Cannot find role "admn": did you mean "admin"\?/],
    [
      ["grant", "ada@example.com", "hello:read"],
      1,
      /"hello:read": that is a permission, which is given to a role/,
    ],
    [
      ["revoke", "ada@example.com", "admin"],
      1,
      /take role "admin" from user "ada@example.com": no active administrator/,
    ],
    [["disable", "ada@example.com"], 1, /deactivate user "ada@example.com": no active administrator/],
  ];
  for (const [args, code, message, input = "correct horse"] of failures) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const ended = await user(folder, args, { input });
    expect(ended).toMatchObject({ code, stdout: "" });
    expect(ended.stderr).toMatch(message);
    expect(ended.stderr).not.toContain("    at ");
  }
  expect(JSON.parse((await user(folder, ["list", "--json"])).stdout)).toHaveLength(1);
});

test("user names the command that brings the database up to date when it may not itself", async () => {
  await using folder = await TestFolder.create({ "config.json": { database: { auto_migrate: false } } });
  const { code, stderr } = await user(folder, ["list"]);
  expect(code).toBe(1);
  expect(stderr).toContain("xcore db migrate");
});

/** The request that a form with these fields sends. */
function form(fields: Record<string, string>): RequestInit {
  return { method: "POST", body: new URLSearchParams(fields) };
}

test("a running server follows what user changes, from the next request on", async () => {
  await using folder = await TestFolder.create(CONFIG);
  await using server = await XcoreServer.start(folder);
  const [, token = ""] = await server.waitFor(/\/auth\/setup\?token=(\S+)/);
  const password = "correct horse";
  const page = await server.fetch("/auth/setup", form({ token, email: "ada@example.com", password }));
  expect([page.status, await page.text()]).toEqual([201, expect.stringContaining("ada@example.com")]);
  const run = async (args: string[], input = "") => {
    const { code, stderr } = await user(folder, args, { input });
    expect([args[0], code, stderr]).toEqual([args[0], 0, ""]);
  };
  const login = async (given = password) => {
    const response = await server.fetch(
      "/auth/login",
      form({ username: "bob@example.com", password: given }),
    );
    const { access_token = "" } = (await response.json()) as { access_token?: string };
    return { status: response.status, headers: { authorization: `Bearer ${access_token}` } };
  };
  const ask = async (headers: Record<string, string>) => {
    const paths = ["/auth/me", "/admin/users"];
    const answers = await Promise.all(paths.map((path) => server.fetch(path, { headers })));
    return answers.map(({ status }) => status);
  };
  await run(["create", "bob@example.com", "--password-stdin"], password);
  let { headers } = await login();
  expect(await ask(headers)).toEqual([200, 403]);
  await run(["grant", "bob@example.com", "admin"]);
  expect(await ask(headers)).toEqual([200, 200]);
  await run(["revoke", "bob@example.com", "admin"]);
  expect(await ask(headers)).toEqual([200, 403]);
  await run(["disable", "bob@example.com"]);
  expect(await ask(headers)).toEqual([401, 401]);
  expect((await login()).status).toBe(401);
  await run(["enable", "bob@example.com"]);
  expect(await ask(headers)).toEqual([401, 401]); // its sessions ended
  ({ headers } = await login());
  expect(await ask(headers)).toEqual([200, 403]);
  await run(["passwd", "bob@example.com", "--password-stdin"], "battery staple");
  expect(await ask(headers)).toEqual([401, 401]);
  expect((await login("battery staple")).status).toBe(200);
});

/** Runs `xcore user create` in a terminal, and answers each question in its turn. */
async function createInTerminal(folder: TestFolder, answers: readonly string[]) {
  const { PATH = "", HOME = "" } = process.env;
  let screen = "";
  const ended = Promise.withResolvers<void>();
  const left = [...answers];
  const terminal = new Bun.Terminal({
    data(one, bytes) {
      screen += new TextDecoder().decode(bytes);
      if (screen.includes("the end")) ended.resolve();
      const asked = [...screen.matchAll(/(New password|The same again): /g)].length;
      while (left.length > 0 && answers.length - left.length < asked) one.write(left.shift() ?? "");
    },
  });
  const child = Bun.spawn(
    [
      "sh",
      "-c",
      `"$@"; echo "ended with $?"; stty -a; echo "the end"`,
      "sh",
      ...XCORE,
      "user",
      "create",
      "ada@example.com",
      "--admin",
    ],
    {
      cwd: folder.path,
      env: { PATH, HOME, TERM: "xterm" },
      terminal,
    },
  );
  await Promise.all([child.exited, ended.promise]);
  terminal.close();
  return screen;
}

test("user create asks for the password on a terminal, hides it, and gives the terminal back", async () => {
  await using folder = await TestFolder.create(CONFIG);
  const screen = await createInTerminal(folder, ["correct hors\u007fse\r", "correct horse\r"]);
  expect(screen).toContain("Created user ada@example.com with role admin");
  expect(screen).toContain("ended with 0");
  expect(screen).not.toContain("horse");
  expect(screen).toMatch(/ icanon.* echo /s);
  const url = parseDatabaseUrl("sqlite:data/app.db", folder.path);
  const driver = await openDatabase({ url, poolSize: 1, echo: false, log: silent });
  try {
    const { db, tables } = await openStore(driver);
    const [ada] = await db.select().from(tables.users);
    const passwords = createPasswords({ algorithm: "bcrypt", bcryptCost: 4 });
    expect((await passwords.verify("correct horse", ada?.password_hash ?? "")).isValid).toBe(true);
  } finally {
    await driver.close();
  }
});

test("user create makes nothing when it is cancelled on the terminal, which it gives back", async () => {
  await using folder = await TestFolder.create(CONFIG);
  const screen = await createInTerminal(folder, ["correct horse\r", "cor\u0003"]);
  expect(screen).toContain("Cancelled");
  expect(screen).toContain("ended with 1");
  expect(screen).toMatch(/ icanon.* echo /s);
  expect(JSON.parse((await user(folder, ["list", "--json"])).stdout)).toEqual([]);
});

testOnEachDialect(
  "user list lists all accounts, more than pages by number reach",
  async ({ driver, url }) => {
    await using folder = await TestFolder.create(CONFIG);
    const { db, tables } = await openStore(driver);
    const emails = Array.from({ length: 10_050 }, (_, n) => `u${n}@example.com`);
    await db.transaction(async (tx) => {
      for (let from = 0; from < emails.length; from += 500) {
        const rows = emails.slice(from, from + 500).map((email) => ({ email }));
        // oxlint-disable-next-line no-await-in-loop -- a few statements
        await tx.insert(tables.users).values(rows);
      }
    });
    const { code, stdout, stderr } = await user(folder, ["list", "--json"], { url });
    expect([code, stderr]).toEqual([0, ""]);
    expect((JSON.parse(stdout) as { email: string }[]).map(({ email }) => email)).toEqual(emails);
  },
);
