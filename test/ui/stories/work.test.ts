import { expect } from "bun:test";
import { CookieJar, SECURITY } from "../../accounts/browser/browser.ts";
import { TestApp } from "../../setup.ts";
import { CheckedPage } from "../checked-page.ts";
import { download } from "./hands.ts";
import { tellStories } from "./stories.ts";

/** A page of a plugin that prints posters in the background, and takes their pictures. */
const PRINTER = {
  "printer/plugin.json": {
    name: "printer",
    version: "1.0.0",
    menu: [{ title: "Posters", path: "/", icon: "file" }],
  },
  "printer/run.ts": `import { t } from "elysia";
import { createRouter, jobs, storage, templates } from "xcore";
const waiting = (globalThis.posters ??= new Map());
jobs.define("print", async ({ payload, progress }) => {
  for (const done of [0.25, 0.75]) {
    progress(done, "Sheet " + done * 4);
    await new Promise((resolve) => waiting.set(payload.who, resolve));
  }
}, { payload: t.Object({ who: t.String() }) });
export default createRouter()
  .get("/", () => templates.render("posters.html"), { auth: true })
  .post("/print", async ({ body, redirect }) => {
    await jobs.enqueue("print", { who: body.who });
    return redirect("/printer?begun=yes", 303);
  }, { auth: true, body: t.Object({ who: t.String(), csrf_token: t.String() }) })
  .post("/pictures", async ({ body }) => {
    const kept = await storage.put(body.picture, { types: ["text/plain"] });
    return templates.render("posters.html", { kept });
  }, { auth: true, body: t.Object({ picture: t.File(), csrf_token: t.String() }) })
  .get("/pictures/:id", ({ params, request }) => storage.serve({ id: params.id }, request, { download: true }), { auth: true });
`,
  "printer/templates/posters.html": `{% extends "xcore/ui/shell.html" %}
{% block title %}Posters{% endblock %}
{% block page %}
<form method="post" action="{{ url_for("/printer/print") }}">
  <input type="hidden" name="csrf_token" value="{{ csrf_token }}" />
  {% component "input" with name="who", label="For whom", required=true %}
  <button class="btn btn-primary btn-sm">Print</button>
</form>
{% if kept is defined %}
<p role="status">{{ kept.name }} is kept, {{ kept.size | bytes }}.</p>
<p><a class="link" href="{{ url_for("/printer/pictures/:id", id=kept.id) }}" download>Get it back</a></p>
{% endif %}
<form method="post" action="{{ url_for("/printer/pictures") }}" enctype="multipart/form-data">
  <input type="hidden" name="csrf_token" value="{{ csrf_token }}" />
  <label class="text-sm">Picture <input type="file" name="picture" required class="file-input block" /></label>
  <button class="btn btn-primary btn-sm">Keep it</button>
</form>
{% endblock %}
`,
};

async function open() {
  const app = await TestApp.start({ plugins: PRINTER, config: { security: SECURITY } });
  const jar = new CookieJar(app);
  await jar.register("ada@example.com", ["admin"]);
  await jar.signIn("ada@example.com");
  return { app, jar, [Symbol.asyncDispose]: () => app[Symbol.asyncDispose]() };
}

/** Lets the job of somebody go on. */
function goOn(who: string): void {
  const { posters } = globalThis as unknown as { posters: Map<string, () => void> };
  posters.get(who)?.();
}

tellStories(open, {
  "a job is begun and watched until it has ended": async ({
    hand,
    browser,
    stage: { app, jar },
    toName,
    check,
  }) => {
    const who = toName("Eve");
    await using checked = await CheckedPage.open(browser, app, { user: jar });
    const { page } = checked;
    await hand.goTo(page, "Posters");
    await hand.write(page.getByRole("textbox", { name: "For whom" }), who);
    await hand.press(page.getByRole("button", { name: "Print" }));
    await page.waitForURL("**/printer?begun=yes");
    await hand.goTo(page, "Jobs");
    await page.getByText("Sheet 1").waitFor();
    await hand.press(page.getByRole("link", { name: "printer:print" }).first());
    await page.getByText(/25 %/).waitFor();
    await check(checked);
    goOn(who);
    await page.getByText(/75 %/).waitFor();
    goOn(who);
    await page.locator(".badge").getByText("completed").waitFor();
    await check(checked);
  },

  "a file is given to a form, and got back as it was": async ({
    hand,
    browser,
    stage: { app, jar },
    toName,
    check,
  }) => {
    const text = `The poster of ${toName("Flo")}`;
    await using checked = await CheckedPage.open(browser, app, { user: jar });
    const { page } = checked;
    await hand.goTo(page, "Posters");
    await hand.give(page.getByLabel("Picture"), {
      name: "poster.txt",
      mimeType: "text/plain",
      buffer: Buffer.from(text),
    });
    await hand.press(page.getByRole("button", { name: "Keep it" }));
    await page.getByText("poster.txt is kept").waitFor();
    await check(checked);
    const file = await download(page, () => hand.press(page.getByRole("link", { name: "Get it back" })));
    expect(file).toEqual({ name: "poster.txt", text });
  },
});
