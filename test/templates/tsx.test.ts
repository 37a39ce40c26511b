import { expect, test } from "bun:test";
import { TestApp } from "../setup.ts";

const RUN = `import { html } from "@elysiajs/html";
import { createRouter, templates } from "xcore";
const Hello = ({ name }: { name: string }) => <p class="text-teal-700">Hello <b safe>{name}</b></p>;
export default createRouter()
  .use(html())
  .get("/scripted", ({ request }) => <html><body><script nonce={templates.nonce(request)}>1</script></body></html>)
  .get("/own", ({ set }) => { set.headers["content-security-policy"] = "default-src 'none'"; return <html><body>own</body></html>; })
  .get("/text", () => new Response("<p>mine</p>", { headers: { "content-type": "text/html; charset=utf-8" } }))
  .get("/plain", () => <html><body><Hello name="<Ada>" /></body></html>)
  .get("/framed", () => templates.render("xcore/page.html", { title: "Framed", content: <Hello name="<Ada>" /> }));`;

test("an entry run.tsx is found without being named, and its elements are pages by themselves and in the layout", async () => {
  await using app = await TestApp.start({
    plugins: { "tsx/plugin.json": { name: "tsx", version: "1.0.0" }, "tsx/run.tsx": RUN },
  });
  const plain = await app.fetch("/tsx/plain");
  expect(plain.headers.get("content-type")).toStartWith("text/html");
  expect(await plain.text()).toContain('<p class="text-teal-700">Hello <b>&lt;Ada&gt;</b></p>');
  expect(policyOf(plain)).toMatch(
    /^default-src 'self'; script-src 'nonce-[^']+';[^]*require-trusted-types-for 'script'$/,
  );
  expect(policyOf(plain)).not.toBe(policyOf(await app.fetch("/tsx/plain")));
  const scripted = await app.fetch("/tsx/scripted");
  const [, nonce = ""] = /script-src 'nonce-([^']+)'/.exec(policyOf(scripted) ?? "") ?? [];
  expect(await scripted.text()).toContain(`<script nonce="${nonce}">`);
  // What a plugin says of its own answers stays.
  expect(policyOf(await app.fetch("/tsx/own"))).toBe("default-src 'none'");
  expect(policyOf(await app.fetch("/tsx/text"))).toBeNull();
  const framed = await app.fetch("/tsx/framed");
  expect(framed.headers.get("content-security-policy")).toContain("script-src 'nonce-");
  expect(await framed.text()).toMatch(
    /<title>Framed<\/title>[^]*<main[^]*Hello <b>&lt;Ada&gt;<\/b>[^]*<\/main>/,
  );
  // Where both are there, the first is the entry.
  await app.folder.write({
    "plugins/tsx/run.ts":
      'import { createRouter } from "xcore"; export default createRouter().get("/plain", () => "ts");',
  });
  await app.app.plugins.refresh(null);
  expect(await (await app.fetch("/tsx/plain")).text()).toBe("ts");
});

function policyOf(response: Response): string | null {
  return response.headers.get("content-security-policy");
}
