import { CookieJar, SECURITY } from "../../accounts/browser/browser.ts";
import { plugin, TestApp } from "../../setup.ts";
import { CheckedPage, testInBrowser } from "../checked-page.ts";

testInBrowser("pages are gone to by the keyboard alone", async (browser) => {
  await using app = await TestApp.start({
    plugins: plugin("shop", '.get("/", () => 1)'),
    config: { security: SECURITY },
  });
  const jar = new CookieJar(app);
  await jar.register("ada@example.com", ["admin"]);
  await jar.signIn("ada@example.com");
  await using checked = await CheckedPage.open(browser, app, { user: jar, path: "/ui/plugins" });
  const { page } = checked;
  const palette = page.locator("#palette");
  await page.keyboard.press("Control+k");
  await palette.getByRole("combobox").waitFor();
  await checked.check();
  await page.keyboard.type("nowhere");
  await page.getByText("Nothing goes by that name.").waitFor();
  await page.keyboard.press("Escape");
  await palette.waitFor({ state: "hidden" });

  await page.keyboard.press("/");
  await page.keyboard.type("use");
  await palette.locator('[aria-selected="true"]', { hasText: "Users" }).waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/ui/users");

  await page.keyboard.press("Control+k");
  await page.keyboard.type("new ro");
  await palette.locator('[aria-selected="true"]', { hasText: "New role" }).waitFor();
  await page.keyboard.press("Enter");
  await page.waitForURL("**/ui/roles/new");

  await page.locator("body").press("Escape");
  await page.locator("body").press("?");
  await page.getByRole("dialog", { name: "Keyboard" }).waitFor();
  await checked.check();
  await page.keyboard.press("Enter");
  await page.locator("#help").waitFor({ state: "hidden" });
  await page.getByRole("button", { name: "Go to" }).click();
  await page.keyboard.type("keyboard");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog", { name: "Keyboard" }).waitFor();
});
