import { expect } from "bun:test";
import { chromium } from "playwright-core";
import { CHROMIUM, testWithProgram } from "../../programs.ts";
import { PASSWORD } from "../browser/browser.ts";
import { World } from "./world.ts";

const ADA = { sub: "ada-1", email: "ada@example.com", email_verified: true };

testWithProgram(
  CHROMIUM,
  "a browser signs in by a provider, links its account and signs out of both, in French too",
  async (path) => {
    await using world = await World.start({ title: "Acme" });
    const { app, issuer } = world;
    await world.browser().register(ADA.email);
    issuer.person = ADA;
    const browser = await chromium.launch({ executablePath: path, args: ["--no-sandbox"] });
    try {
      const context = await browser.newContext({ baseURL: app.url, locale: "fr-FR" });
      const page = await context.newPage();
      const problems: string[] = [];
      page.on("console", (message) => {
        if (message.type() === "error" && message.location().url.startsWith(app.url))
          problems.push(message.text());
      });
      await page.goto("/auth/login?next=/auth/logout%3Fx=1");
      await page.getByRole("link", { name: "Continuer avec Acme" }).click();
      await page.getByRole("heading", { name: "Il y a déjà un compte" }).waitFor();
      await page.getByRole("link", { name: "Se connecter" }).click();
      await page.getByLabel("E-mail").fill(ADA.email);
      await page.getByLabel("Mot de passe").fill(PASSWORD);
      await page.getByRole("button", { name: "Se connecter", exact: true }).click();
      await page.getByRole("heading", { name: "Lier Acme" }).waitFor();
      await page.getByRole("button", { name: "Lier" }).click();
      await page.waitForURL(`${app.url}/`);

      await context.clearCookies({ name: "xcore_session" });
      await page.goto("/auth/login?next=/ui/account/second-factor");
      await page.getByRole("link", { name: "Continuer avec Acme" }).click();
      await page.waitForURL(`${app.url}/ui/account/second-factor`);
      await page.goto("/auth/logout");
      await page.getByRole("button", { name: "Se déconnecter" }).click();
      await page.getByRole("link", { name: "Se déconnecter de Acme" }).click();
      await page.waitForURL((url) => url.href.startsWith(issuer.url));
      expect(page.url()).toContain("/session/end?");
      expect(problems).toEqual([]);
    } finally {
      await browser.close();
    }
  },
);
