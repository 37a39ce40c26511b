import { afterAll, beforeAll, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { addMark, isKnownDevice } from "../../../src/accounts/notices/known-devices.ts";
import { toDeviceName } from "../../../src/accounts/notices/device-names.ts";
import { TestApp } from "../../setup.ts";
import { CookieJar, PASSWORD, SECURITY } from "../browser/browser.ts";
import { linkIn, type ReadMail, readMails } from "../mails.ts";

const FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const CHROME =
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
const OTHER_PASSWORD = "another good one";

let host: TestApp;
beforeAll(async () => {
  host = await TestApp.start({ config: { security: SECURITY } });
});
afterAll(() => host[Symbol.asyncDispose]());

/** A browser that calls itself something. */
class Browser extends CookieJar {
  readonly userAgent: string;

  constructor(userAgent = FIREFOX) {
    super(host);
    this.userAgent = userAgent;
  }

  override fetch(path: string, init: NonNullable<Parameters<CookieJar["fetch"]>[1]> = {}): Promise<Response> {
    return super.fetch(path, { ...init, headers: { "user-agent": this.userAgent, ...init.headers } });
  }
}

async function noticesTo(email: string): Promise<ReadMail[]> {
  return (await readMails(host)).filter(({ to, template }) => to === email && template === "account-notice");
}

async function subjectsTo(email: string): Promise<string[]> {
  return (await noticesTo(email)).map(({ subject }) => subject);
}

test("an owner is told of a login from a device that is new to the account, and of no other", async () => {
  const email = "ada@example.com";
  const browser = new Browser();
  const id = await browser.register(email);
  // The first login is of who has made the account, and the second one from the same browser.
  await browser.signIn(email);
  await browser.signIn(email);
  expect(await noticesTo(email)).toEqual([]);
  // It is known after an update too, by what it was given.
  const updated = new Browser(FIREFOX.replaceAll("140.0", "141.0"));
  await updated.signIn(email);
  expect(await subjectsTo(email)).toEqual(["Your account was signed in to from a new device"]);
  const again = new Browser(CHROME);
  await again.signIn(email);
  const [, notice] = await noticesTo(email);
  expect(notice?.text).toContain("Device: Chrome, Windows");
  expect(notice?.text).toContain("Address: 127.0.0.1");
  expect(notice?.text).toContain(email);
  expect(linkIn(notice as ReadMail, "/auth/report")).toBeTruthy();
  const marked = new Browser("Something else/1.0 visit evil.example");
  const cookie = again.given.find((set) => set.startsWith("xcore_devices=")) ?? "";
  expect(cookie).toMatch(/^xcore_devices=[\w-]{22}; Path=\/; Max-Age=34560000; HttpOnly; SameSite=Lax$/);
  const form = new URLSearchParams({ username: email, password: PASSWORD });
  const headers = { cookie: cookie.split(";")[0] ?? "" };
  expect((await marked.get("/auth/login", { method: "POST", body: form, headers })).status).toBe(303);
  expect(await noticesTo(email)).toHaveLength(2);

  // Without it, what it calls itself isn't repeated to the owner.
  await host.fetch("/auth/login", {
    method: "POST",
    headers: { "content-type": "application/json", "user-agent": "Your account is lost: visit evil.example" },
    body: JSON.stringify({ email, password: PASSWORD }),
  });
  const last = (await noticesTo(email)).at(-1);
  expect(last?.text).not.toContain("evil");
  // A refresh is no login.
  expect(await noticesTo(email)).toHaveLength(3);
  const { auditLog } = host.app.store.tables;
  const logins = await host.app.store.db.select().from(auditLog).where(eq(auditLog.actor_id, id));
  expect(logins.filter(({ action }) => action === "user.login")).toHaveLength(6);
});

test("marks of devices are of one account and one password, and a browser has five", async () => {
  const { secretKey, store } = host.app;
  const account = { id: 1, password_hash: "a" };
  const find = (devices: string, owner = account) =>
    isKnownDevice({ store, secretKey }, store.db, owner, {
      ipAddress: "192.0.2.99",
      userAgent: "x",
      devices,
    });
  let marks = addMark(secretKey, "not a mark", account);
  expect(addMark(secretKey, marks, account)).toBe(marks);
  const cases = [
    find(marks),
    find(marks, { id: 2, password_hash: "a" }),
    find(marks, { id: 1, password_hash: "b" }),
  ];
  for (let id = 2; id < 7; id += 1) marks = addMark(secretKey, marks, { id, password_hash: "x" });
  cases.push(find(marks), find(marks, { id: 6, password_hash: "x" }), find("x".repeat(9000)));
  expect(await Promise.all(cases)).toEqual([true, false, false, false, true, false]);
});

test("an owner is told of another password, of factors and of API keys", async () => {
  const email = "bob@example.com";
  const browser = new Browser();
  await browser.register(email);
  await browser.signIn(email);
  const change = { current_password: PASSWORD, new_password: OTHER_PASSWORD };
  expect((await browser.send("PUT", "/auth/password", change)).status).toBe(204);
  const asked = { name: "CI evil.example", permissions: [], current_password: OTHER_PASSWORD };
  const made = (await (await browser.send("POST", "/auth/api_keys", asked)).json()) as {
    id: number;
    key: string;
  };
  await browser.send("DELETE", `/auth/api_keys/${made.id}`, {});
  await browser.send("PUT", "/auth/password", { current_password: OTHER_PASSWORD, new_password: PASSWORD });
  const code = await browser.enrol();
  expect((await browser.send("POST", "/auth/otp/recovery_codes", { code: code(1) })).status).toBe(201);
  const [device] = ((await (await browser.fetch("/auth/otp/devices")).json()) as { items: { id: number }[] })
    .items;
  expect((await browser.send("DELETE", `/auth/otp/devices/${device?.id}`, { code: code(-1) })).status).toBe(
    401,
  );
  expect(await subjectsTo(email)).toEqual([
    "Your password was changed",
    "An API key of your account was made",
    "An API key of your account was revoked",
    "Your password was changed",
    "A second factor was added to your account",
    "New recovery codes of your account were made",
  ]);
  const mails = await noticesTo(email);
  expect(mails.map(({ text }) => text).join("\n")).not.toContain("evil");
  expect(mails.map(({ text, html }) => text + html).join("\n")).not.toContain(made.key);
  expect(mails[4]?.text).toContain("Name: My phone");
});

test("an owner is told of a code that is given a second time from elsewhere", async () => {
  const email = "dora@example.com";
  const browser = new Browser();
  await browser.register(email);
  await browser.signIn(email);
  const code = await browser.enrol();
  const give = async (userAgent: string, given: string) => {
    const post = (path: string, body: object) =>
      host.fetch(path, {
        method: "POST",
        headers: { "content-type": "application/json", "user-agent": userAgent },
        body: JSON.stringify(body),
      });
    const first = (await (await post("/auth/login", { email, password: PASSWORD })).json()) as object;
    return (await post("/auth/login/otp", { ...first, code: given })).status;
  };
  const given = code(1);
  expect(await give(FIREFOX, given)).toBe(200);
  const before = await subjectsTo(email);
  // A form may be sent twice, and a wrong code be mistyped.
  expect(await give(FIREFOX, given)).toBe(401);
  expect(await give(CHROME, given === "000000" ? "000001" : "000000")).toBe(401);
  expect(await subjectsTo(email)).toEqual(before);
  expect(await give(CHROME, given)).toBe(401);
  expect((await subjectsTo(email)).slice(before.length)).toEqual([
    "Somebody who knows your password has given a code that was used already",
  ]);
});

test("an owner is told what administrators do, at the address from before too", async () => {
  const email = "carol@example.com";
  const browser = new Browser();
  const id = await browser.register(email);
  await browser.signIn(email);
  await browser.enrol();
  const { headers } = await host.admin();
  const administer = (method: string, path: string, body: object = {}) =>
    host.fetch(`/admin/users/${id}${path}`, {
      method,
      headers: { ...headers, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  expect((await administer("DELETE", "/otp")).status).toBe(204);
  expect((await administer("POST", "/password", { password: OTHER_PASSWORD })).status).toBe(204);
  expect((await administer("PUT", "", { email: "carol@new.example", full_name: "Carol" })).status).toBe(200);
  expect((await administer("PUT", "", { full_name: "C." })).status).toBe(200);
  const mails = await noticesTo(email);
  expect(mails.map(({ subject }) => subject)).toEqual([
    "A second factor was added to your account",
    "The second factors of your account were taken away",
    "Your password was changed",
    "The email of your account was changed",
  ]);
  for (const { text } of mails.slice(1)) expect(text).toContain("by an administrator");
  // The account may be somebody else's now: who had it can't take it back.
  expect(mails.map(({ text, html }) => (text + html).includes("/auth/report"))).toEqual([
    true,
    true,
    true,
    false,
  ]);
  expect(await noticesTo("carol@new.example")).toEqual([]);
  expect((await host.getAsAdmin(`/admin/audit?action=user.otp_removed`)).body.items[0]).toMatchObject({
    target_id: String(id),
  });
});

test("a notice that can't be made keeps nobody from what they do, and is in the log", async () => {
  await using other = await TestApp.start({
    config: { security: SECURITY },
    files: { "templates/mail/account-notice.html": "{{ broken" },
  });
  const jar = new CookieJar(other);
  await jar.register("ada@example.com");
  await jar.signIn("ada@example.com");
  const change = { current_password: PASSWORD, new_password: OTHER_PASSWORD };
  expect((await jar.send("PUT", "/auth/password", change)).status).toBe(204);
  const elsewhere = await other.fetch("/auth/login", {
    method: "POST",
    headers: { "content-type": "application/json", "user-agent": CHROME },
    body: JSON.stringify({ email: "ada@example.com", password: OTHER_PASSWORD }),
  });
  expect(elsewhere.status).toBe(200);
  expect(await readMails(other)).toEqual([]);
  expect((await other.log("app")).match(/can't be told of a change/g)).toHaveLength(2);
});

test("nobody is told where notices are off", async () => {
  await using other = await TestApp.start({ config: { security: { ...SECURITY, notices: false } } });
  const jar = new CookieJar(other);
  await jar.register("ada@example.com");
  await jar.signIn("ada@example.com");
  const change = { current_password: PASSWORD, new_password: OTHER_PASSWORD };
  expect((await jar.send("PUT", "/auth/password", change)).status).toBe(204);
  expect(await readMails(other)).toEqual([]);
  expect(jar.given.join()).not.toContain("xcore_devices");
});

test("toDeviceName() knows the usual browsers, and repeats nothing", () => {
  const mac = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)";
  expect(
    [
      FIREFOX,
      CHROME,
      `${mac} Version/18.0 Safari/605.1.15`,
      `${CHROME} Edg/140.0.0.0`,
      "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1",
      "curl/8.5.0",
      "Firefox at evil.example",
      "",
    ].map(toDeviceName),
  ).toEqual([
    "Firefox, Linux",
    "Chrome, Windows",
    "Safari, macOS",
    "Edge, Windows",
    "Safari, iPhone",
    "curl",
    null,
    null,
  ]);
});
