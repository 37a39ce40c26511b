import { expect, test } from "bun:test";
import { CookieJar, SECURITY } from "../../accounts/browser/browser.ts";
import { plugin, TestApp } from "../../setup.ts";
import { CheckedPage, testInBrowser } from "../checked-page.ts";

const SCRIPT = "<script>alert(1)</script>";
const PLUGINS = {
  ...plugin("mail", '.get("/", () => "mail")'),
  "mail/run.ts": `import { t } from "elysia";
import { createRouter, jobs } from "xcore";
jobs.define("send", ({ payload }) => {
  throw new Error("Cannot send to " + payload.to);
}, { payload: t.Object({ to: t.String() }), attempts: 1 });
jobs.define("slow", async ({ progress }) => {
  progress(0.5, "${SCRIPT}");
  await new Promise((resolve) => (globalThis.finishSlow = resolve));
});
jobs.cron("cleanup", "0 3 * * *", () => {});
export default createRouter()
  .post("/send", () => jobs.enqueue("send", { to: "${SCRIPT}" }))
  .post("/slow", () => jobs.enqueue("slow", {}));
`,
};

async function start() {
  const app = await TestApp.start({ plugins: PLUGINS, config: { security: SECURITY } });
  const jar = new CookieJar(app);
  await jar.register("ada@example.com", ["admin"]);
  await jar.signIn("ada@example.com");
  return { app, jar, [Symbol.asyncDispose]: () => app[Symbol.asyncDispose]() };
}

const textOf = async (answer: Promise<Response>): Promise<string> => (await answer).text();

test("a dead job is found, shown with its error and payload as text, retried and deleted", async () => {
  await using started = await start();
  const { app, jar } = started;
  await app.after("job.failed", () => app.fetch("/mail/send", { method: "POST" }));
  const list = await textOf(jar.get("/ui/jobs?state=dead&plugin=&name="));
  expect(list).toContain("mail:send");
  expect(list).not.toContain(SCRIPT);
  const french = await textOf(jar.get("/ui/jobs?state=dead", { headers: { "accept-language": "fr" } }));
  expect(french).toContain('<option value="dead" selected>abandonn');
  expect(french).not.toMatch(/>\s*(dead|waiting)\s*</);
  const [, id = ""] = /\/ui\/jobs\/([\w-]{36})/.exec(list) ?? /jobs\/([\w-]{36})/.exec(list) ?? [];
  const page = `/ui/jobs/${id}`;
  const html = await textOf(jar.get(page));
  expect(html).toContain("Cannot send to &lt;script&gt;");
  expect(html).not.toContain(SCRIPT);
  expect(html).not.toContain("data-live");
  await app.after("job.failed", () => jar.post(`${page}/retry`, { csrf_token: "" }));
  expect(await textOf(jar.post(`${page}/cancel`, { csrf_token: "" }))).toContain(
    "Cancel or delete this job?",
  );
  await jar.post(`${page}/cancel`, { confirmed: "yes" });
  expect((await jar.get(page)).status).toBe(404);
  expect((await jar.get("/ui/jobs/nothing")).status).toBe(422);
  const { body } = await app.getAsAdmin("/admin/audit?action=job.*&actor=ada@example.com");
  expect(body.items.map(({ action }: { action: string }) => action)).toEqual(["job.deleted", "job.retried"]);
});

test("a task is run, paused and resumed", async () => {
  await using started = await start();
  const { app, jar } = started;
  const list = await textOf(jar.get("/ui/tasks"));
  expect(list).toContain("0 3 * * *");
  await jar.post("/ui/tasks/mail:cleanup/pause", { csrf_token: "" });
  expect(await textOf(jar.get("/ui/tasks"))).toContain("mail:cleanup is paused on all instances.");
  await jar.post("/ui/tasks/mail:cleanup/resume", { csrf_token: "" });
  await jar.post("/ui/tasks/mail:cleanup/run", { csrf_token: "" });
  const { body } = await app.getAsAdmin("/admin/audit?action=task.*");
  expect(body.items.map(({ action }: { action: string }) => action)).toEqual([
    "task.run",
    "task.resumed",
    "task.paused",
  ]);
  await jar.post(`/ui/tasks/${encodeURIComponent(SCRIPT)}/run`, { csrf_token: "" });
  expect(await textOf(jar.get("/ui/tasks"))).not.toContain(SCRIPT);
});

testInBrowser("a job is watched until it has ended, and cancelled from the keyboard", async (browser) => {
  await using started = await start();
  const { app, jar } = started;
  await app.fetch("/mail/slow", { method: "POST" });
  await using checked = await CheckedPage.open(browser, app, { user: jar, path: "/ui/jobs" });
  const { page } = checked;
  await page.locator(".badge", { hasText: "running" }).waitFor();
  await checked.check();
  await page.getByRole("link", { name: "mail:slow" }).press("Enter");
  await page.getByText("50 %").waitFor();
  await checked.check();
  (globalThis as unknown as { finishSlow: (value: null) => void }).finishSlow(null);
  await page.locator(".badge", { hasText: "completed" }).waitFor();
  expect(await page.locator("#live[data-live]").count()).toBe(0);
  await checked.check();
  await page.goto("/ui/tasks");
  await page.getByRole("button", { name: "Pause cleanup" }).press("Enter");
  await page.getByText("mail:cleanup is paused on all instances.").waitFor();
  await checked.check();
});
