import { expect } from "bun:test";
import { generateOtpCode } from "../../../src/accounts/two-factor/codes.ts";
import { PASSWORD, SECURITY } from "../../accounts/browser/browser.ts";
import { TestApp } from "../../setup.ts";
import { CheckedPage } from "../checked-page.ts";
import { tellStories } from "./stories.ts";

const NOTHING = { [Symbol.asyncDispose]: async () => {} };

tellStories(async () => NOTHING, {
  "the first administrator adds a second factor, and theirs is the language and theme wherever they sign in":
    async ({ hand, browser, check }) => {
      // The page works once.
      await using app = await TestApp.start({ config: { security: SECURITY } });
      const token = crypto.randomUUID().replaceAll("-", "").padEnd(43, "x");
      await app.app.accounts.setup.announce("http://x", { token, ageMs: 0, isShown: false });
      const path = `/auth/setup?token=${token}`;
      await using checked = await CheckedPage.open(browser, app, { path });
      const { page } = checked;
      await check(checked);
      await hand.write(page.getByLabel("Email"), "ada@example.com");
      await hand.write(page.getByLabel("Name"), "Ada Lovelace");
      await hand.write(page.getByLabel("Password"), PASSWORD);
      await hand.press(page.getByRole("button", { name: "Make the account" }));
      await page.getByText("is its first administrator").waitFor();
      await check(checked);
      await hand.press(page.getByRole("link", { name: "Administration" }));
      await page.getByRole("heading", { level: 1, name: "Dashboard" }).waitFor();

      const menu = page.getByTitle("ada@example.com");
      await hand.press(menu);
      await hand.press(page.getByRole("link", { name: "Your account" }));
      await hand.press(page.getByRole("link", { name: "Second factor" }));
      await hand.press(page.getByRole("button", { name: "Add the device" }));
      const secret = await page.getByLabel("Key", { exact: true }).inputValue();
      const codeAt = (steps: number) => generateOtpCode(secret, Date.now() + steps * 30_000);
      await hand.write(page.getByRole("textbox", { name: "Code" }), codeAt(0));
      await hand.press(page.getByRole("button", { name: "Confirm" }));
      await hand.press(page.getByRole("link", { name: "I have them" }));
      await page.getByText("Gives codes", { exact: true }).waitFor();

      await hand.press(menu);
      await hand.choose(page.getByLabel("Theme"), "dark");
      await page.locator('html[data-theme="dark"]').waitFor();
      await hand.press(menu);
      await hand.choose(page.getByLabel("Language"), "Français");
      await page.locator('html[lang="fr"]').waitFor();
      await hand.press(menu);
      await hand.press(page.getByRole("link", { name: "Se déconnecter" }));
      await hand.press(page.getByRole("button", { name: "Se déconnecter" }));
      await page.waitForURL("**/auth/login");
      await check(checked);

      await using elsewhere = await CheckedPage.open(browser, app);
      const other = elsewhere.page;
      await hand.write(other.getByLabel("Email"), "ada@example.com");
      await hand.write(other.getByLabel("Password"), PASSWORD);
      await hand.press(other.getByRole("button", { name: "Sign in" }));
      await other.getByText("Your account asks for a second factor as well.").waitFor();
      await check(elsewhere);
      await hand.write(other.getByLabel("Code"), codeAt(1));
      await hand.press(other.getByRole("button", { name: "Sign in" }));
      await other.locator('html[data-theme="dark"][lang="fr"]').waitFor();
      expect(new URL(other.url()).pathname).toBe("/ui");
      await check(elsewhere);
    },
});
