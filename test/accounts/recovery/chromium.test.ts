import { expect } from "bun:test";
import { MailServer } from "../../mail/mail-server.ts";
import { TestApp } from "../../setup.ts";
import { CheckedPage, testInBrowser } from "../../ui/checked-page.ts";
import { CookieJar, PASSWORD, SECURITY } from "../browser/browser.ts";
import { linkIn } from "../mails.ts";

const EMAIL = "ada@example.com";
const NEW_PASSWORD = "another good one";
const PHONE = { width: 390, height: 844 } as const;

testInBrowser(
  "an account is locked and got back in a browser without scripts, over a real mail server",
  async (browser) => {
    await using server = await MailServer.start();
    const mail = { url: `smtp://127.0.0.1:${server.port}`, from: "noreply@example.com" };
    await using app = await TestApp.start({ config: { security: SECURITY, mail } });
    const owner = new CookieJar(app);
    await owner.register(EMAIL);
    await owner.signIn(EMAIL);
    /** The link of a mail, by how many came until then. */
    const linkOf = async (count: number, path: string): Promise<string> =>
      linkIn({ text: (await server.taken(count)).at(-1)?.parsed.text ?? "" }, path);

    // Somebody else knows the password.
    await app.fetch("/auth/login", {
      method: "POST",
      headers: { "content-type": "application/json", "user-agent": "curl/8.5.0" },
      body: JSON.stringify({ email: EMAIL, password: PASSWORD }),
    });
    const path = await linkOf(1, "/auth/report");
    const look = { viewport: PHONE, javaScriptEnabled: false, locale: "fr-FR" };
    await using checked = await CheckedPage.open(browser, app, { ...look, path });
    const { page } = checked;
    const lookAt = async (title: string): Promise<void> => {
      await page.getByRole("heading", { name: title, exact: true }).waitFor();
      await checked.check("nothing");
    };
    /** Fills the field that has the keyboard as the page opens, and sends its form. */
    const answer = async (text: string): Promise<void> => {
      await page.locator("input:focus").waitFor();
      await page.keyboard.type(text);
      await page.keyboard.press("Enter");
    };
    await lookAt("Ce n'était pas vous ?");
    await page.getByRole("button", { name: /^Ce n'était pas moi/ }).click();
    await lookAt("Le compte est verrouillé");
    expect((await owner.fetch("/auth/me")).status).toBe(401);

    await page.goto(await linkOf(2, "/auth/password/reset"));
    await lookAt("Définir un nouveau mot de passe");
    await answer(NEW_PASSWORD);
    await lookAt("Votre nouveau mot de passe est défini");
    await server.taken(3);

    await page.locator('a[href$="auth/login"]').click();
    await page.getByRole("link", { name: "Mot de passe oublié ?" }).click();
    await lookAt("Mot de passe oublié ?");
    await answer(EMAIL);
    await lookAt("Regardez votre courrier");
    await page.goto(await linkOf(4, "/auth/password/reset"));
    await lookAt("Définir un nouveau mot de passe");
    // One that was used already.
    await page.goto(path);
    checked.forgive(/410/);
    await lookAt("Ce lien n’est plus valable");
  },
  120_000,
);
