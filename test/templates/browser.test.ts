import { expect } from "bun:test";
import { BrowserPage } from "../browser.ts";
import { CHROMIUM, testWithProgram } from "../programs.ts";
import { TestApp } from "../setup.ts";

/** All components as they are used, on a page that notes what the policy refuses. */
const ALL = `{% extends "xcore/layout.html" %}
{% block head %}<script nonce="{{ csp_nonce }}">
  window.refused = [];
  document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => refused.push(violatedDirective + " " + blockedURI));
</script>{% endblock %}
{% block content %}{% for name in names %}{% include "xcore/examples/" ~ name %}{% endfor %}<p id="danger">{{ danger }}</p>{% endblock %}`;
const RUN = `import { createRouter, templates } from "xcore";
export default createRouter().get("/", ({ query }) => templates.render("all.html", {
  names: query.names.split(","), title: "All", danger: "<img src=x onerror='refused.push(1)'>",
}));`;

testWithProgram(
  CHROMIUM,
  "pages of components keep to their policy, and the theme that is chosen stays",
  async (chromium) => {
    await using app = await TestApp.start({
      plugins: {
        "show/plugin.json": { name: "show", version: "1.0.0" },
        "show/run.ts": RUN,
        "show/templates/all.html": ALL,
      },
    });
    const { core } = await app.app.templates.stock();
    const names = core.sources.flatMap(({ name }) => (name.startsWith("examples/") ? [name.slice(9)] : []));
    const url = `${app.url}/show?names=${names.join(",")}`;
    await using page = await BrowserPage.open(chromium, url);
    expect(await page.text("#danger")).toBe("<img src=x onerror='refused.push(1)'>");
    expect(await page.evaluate("getComputedStyle(document.querySelector('.card')).display")).toBe("flex");
    expect(
      await page.evaluate("document.querySelectorAll('.card,.alert,.badge,.stats,.table').length"),
    ).toBeGreaterThan(5);
    // What is opened without a script.
    await page.click("[popovertarget=example-modal]");
    expect(await page.evaluate("document.querySelector('#example-modal').matches(':popover-open')")).toBe(
      true,
    );
    await page.evaluate(
      `(() => { const select = document.querySelector("[data-theme-choice]"); select.value = "dracula"; select.dispatchEvent(new Event("change", { bubbles: true })); })()`,
    );
    expect(await page.evaluate("document.documentElement.dataset.theme")).toBe("dracula");
    // Trusted Types: text becomes no markup by itself, nor do attributes run.
    expect(
      await page.evaluate(
        "(() => { try { document.body.innerHTML = 'x'; return 'set'; } catch (error) { return error.name; } })()",
      ),
    ).toBe("TypeError");
    // The page is told of it in a turn of its own.
    const told = `new Promise((resolve) => { const look = () => (refused.length > 0 ? resolve(refused) : setTimeout(look)); look(); })`;
    expect(await page.evaluate(told)).toEqual(["require-trusted-types-for trusted-types-sink"]);
    const again = String(await page.evaluate("fetch(location.href).then((response) => response.text())"));
    expect(again).toContain('data-theme="dracula"');
    expect(again).toContain('<option value="dracula" selected>');
    const hosts =
      "[...new Set(performance.getEntriesByType('resource').map(({ name }) => new URL(name).host))]";
    expect(await page.evaluate(hosts)).toEqual([new URL(app.url).host]);
  },
);
