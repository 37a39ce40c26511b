import { eq } from "drizzle-orm";
import type { NewLink } from "../../src/accounts/links/links.ts";
import { CookieJar, SECURITY } from "../accounts/browser/browser.ts";
import { TestApp } from "../setup.ts";
import { CheckedPage, testInBrowser } from "./checked-page.ts";

const SIZES = [
  { width: 1280, height: 800 },
  { width: 390, height: 844 },
] as const;
const PLUGIN = {
  "shop/plugin.json": { name: "shop", version: "1.0.0", description: "Sells" },
  "shop/run.ts": 'import { createRouter } from "xcore"; export default createRouter().get("/", () => "x");',
};

testInBrowser(
  "pages of before and after signing in keep nobody out, on a desktop and a phone, light and dark",
  async (browser) => {
    for (const theme of ["light", "dark"]) {
      // oxlint-disable-next-line no-await-in-loop -- one app after the other
      await using app = await TestApp.start({
        plugins: PLUGIN,
        config: { security: SECURITY, templates: { theme } },
      });
      const jar = new CookieJar(app);
      // oxlint-disable-next-line no-await-in-loop
      const userId = await jar.register("ada@example.com", ["admin"]);
      // oxlint-disable-next-line no-await-in-loop
      await jar.signIn("ada@example.com");
      const { accounts, store } = app.app;
      const issue = (link: Pick<NewLink, "purpose" | "boundTo" | "data">) =>
        store.db.transaction((tx) => accounts.links.issue(tx, { userId, lifetimeMs: 600_000, ...link }));
      const { users } = store.tables;
      // oxlint-disable-next-line no-await-in-loop
      const [ada] = await store.db.select().from(users).where(eq(users.id, userId));
      const boundTo = `ada@example.com ${ada?.password_hash}`;
      // oxlint-disable-next-line no-await-in-loop
      const reset = await issue({ purpose: "reset_password", boundTo });
      // oxlint-disable-next-line no-await-in-loop
      const report = await issue({ purpose: "report_change", data: { email: "ada@example.com" } });
      const [, phone] = SIZES;
      // The slowest: all components are on it.
      // oxlint-disable-next-line no-await-in-loop
      await using gallery = await CheckedPage.open(browser, app, {
        user: jar,
        path: "/ui/components",
        viewport: phone,
      });
      // oxlint-disable-next-line no-await-in-loop
      await gallery.check();
      for (const viewport of SIZES) {
        const look = { viewport, colorScheme: theme as "light" | "dark" };
        for (const [path, user] of [
          ["/", undefined],
          ["/auth/login?next=/ui", undefined],
          ["/auth/password/forgot", undefined],
          [`/auth/password/reset?token=${reset}`, undefined],
          [`/auth/report?token=${report}`, undefined],
          ["/", jar],
          ["/auth/logout", jar],
          ["/auth/verify", jar],
        ] as const) {
          // oxlint-disable-next-line no-await-in-loop
          await using checked = await CheckedPage.open(browser, app, {
            ...look,
            path,
            ...(user && { user }),
          });
          // oxlint-disable-next-line no-await-in-loop
          await checked.check();
        }
      }
    }
  },
  180_000,
);
