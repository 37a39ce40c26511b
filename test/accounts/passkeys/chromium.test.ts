import { expect } from "bun:test";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { CHROMIUM, testWithProgram } from "../../programs.ts";
import { TestApp } from "../../setup.ts";
import { CookieJar, PASSWORD, SECURITY } from "../browser/browser.ts";

const EMAIL = "ada@example.com";
const FACTORS = "/ui/account/second-factor";

/** An app with an account, and Chromium with an authenticator that needs nobody's finger. */
async function start(path: string) {
  const app = await TestApp.start({ config: { security: SECURITY } });
  await new CookieJar(app).register(EMAIL);
  const browser = await chromium.launch({ executablePath: path, args: ["--no-sandbox"] });
  // Browsers make no passkeys for addresses.
  const url = app.url.replace("127.0.0.1", "localhost");
  const problems: string[] = [];
  const open = async (): Promise<[BrowserContext, Page]> => {
    const context = await browser.newContext({ baseURL: url });
    const page = await context.newPage();
    page.on("console", (message) => {
      if (message.type() === "error") problems.push(message.text());
    });
    return [context, page];
  };
  return {
    app,
    open,
    problems,
    async [Symbol.asyncDispose]() {
      await browser.close();
      await app[Symbol.asyncDispose]();
    },
  };
}

/** Gives a page a device with passkeys; returns what is done with it. */
async function addAuthenticator(context: BrowserContext, page: Page) {
  const devtools = await context.newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  const options = {
    protocol: "ctap2",
    transport: "internal",
    hasResidentKey: true,
    hasUserVerification: true,
    isUserVerified: true,
    automaticPresenceSimulation: true,
  } as const;
  const { authenticatorId } = await devtools.send("WebAuthn.addVirtualAuthenticator", { options });
  return {
    /** Whether its owner shows that it is them when they are asked. */
    verify: (isUserVerified: boolean) =>
      devtools.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified }),
    /** Whether somebody touches it when they are asked. */
    touch: (enabled: boolean) =>
      devtools.send("WebAuthn.setAutomaticPresenceSimulation", { authenticatorId, enabled }),
    credentials: async () =>
      (await devtools.send("WebAuthn.getCredentials", { authenticatorId })).credentials,
  };
}

async function signIn(page: Page, next = FACTORS): Promise<void> {
  await page.goto(`/auth/login?next=${next}`);
  await page.fill("#field-username", EMAIL);
  await page.fill("#field-password", PASSWORD);
  await page.click("button[type=submit]");
}

async function addPasskey(page: Page, name: string): Promise<void> {
  await page.fill("#passkey-name", name);
  await page.click("button:text-is('Add a passkey')");
  await page.click("[data-passkey] button");
}

const signOut = async (context: BrowserContext): Promise<void> => context.clearCookies();

testWithProgram(
  CHROMIUM,
  "somebody adds a passkey, signs in with it by the button, as the second step and by the field, and removes it",
  async (path) => {
    await using world = await start(path);
    const [context, page] = await world.open();
    const device = await addAuthenticator(context, page);
    // Without a touch, the field for the email offers it and nothing follows.
    await device.touch(false);
    await signIn(page);
    await page.waitForURL(({ pathname }) => pathname === FACTORS);
    await device.touch(true);
    await addPasskey(page, "Ada's laptop");
    const codes = await page.inputValue("#made-codes");
    expect(codes.split("\n")).toHaveLength(10);
    expect(await device.credentials()).toMatchObject([{ rpId: "localhost", isResidentCredential: true }]);
    // It is there already: the browser says so.
    await page.goto(FACTORS);
    await addPasskey(page, "Again");
    await page.waitForSelector("[data-passkey-problem]:not([hidden])");
    expect(await page.textContent("[data-passkey-problem]")).toBe(
      "There is a passkey of this device already.",
    );

    await device.touch(false);
    await signOut(context);
    await page.goto(`/auth/login?next=${FACTORS}`);
    await page.waitForSelector("[data-passkey]:not([hidden])");
    await device.touch(true);
    await page.click("[data-passkey] button");
    await page.waitForURL(({ pathname }) => pathname === FACTORS);

    await device.touch(false);
    await signOut(context);
    await signIn(page);
    await page.waitForSelector("text=second factor as well");
    await device.touch(true);
    await page.click("[data-passkey] button");
    await page.waitForURL(({ pathname }) => pathname === FACTORS);

    // The browser offers it where the email is typed.
    await signOut(context);
    await page.goto(`/auth/login?next=${FACTORS}`, { waitUntil: "commit" });
    await page.waitForURL(({ pathname }) => pathname === FACTORS);

    await page.click("[data-passkey] button");
    await page.waitForSelector("#made-codes");
    expect(await page.inputValue("#made-codes")).not.toBe(codes);
    await page.goto(FACTORS);
    await page.fill('input[aria-label="Name"]', "Old laptop");
    await page.click("button:text-is('Rename')");
    await page.waitForSelector("text=The passkey has another name.");
    await page.click('[aria-label="Remove Old laptop"]');
    await page.waitForSelector("text=The passkey is removed.");
    expect(world.problems).toEqual([]);
  },
);

testWithProgram(CHROMIUM, "who isn't shown to be the owner isn't let in, and pages say why", async (path) => {
  await using world = await start(path);
  const [context, page] = await world.open();
  const device = await addAuthenticator(context, page);
  await device.touch(false);
  await signIn(page);
  await page.waitForURL(({ pathname }) => pathname === FACTORS);
  await device.touch(true);
  await addPasskey(page, "Laptop");
  await page.waitForSelector("#made-codes");
  // What asks for a fresh code takes a passkey too.
  const { db, tables } = world.app.app.store;
  await db.update(tables.sessions).set({ otp_at: new Date(0) });
  await page.goto(FACTORS);
  await page.click('[aria-label="Remove Laptop"]');
  await page.waitForURL("**/auth/verify**");
  await page.click("[data-passkey] button");
  await page.waitForURL(({ pathname }) => pathname === FACTORS);

  await device.verify(false);
  await device.touch(false);
  await signOut(context);
  await page.goto("/auth/login");
  await page.waitForSelector("[data-passkey]:not([hidden])");
  await device.touch(true);
  await page.click("[data-passkey] button");
  await page.waitForSelector("[data-passkey-problem]:not([hidden])");
  expect(await page.textContent("[data-passkey-problem]")).toContain("The browser has given no passkey");

  // While the browser hasn't said whether it offers them, a request by the button couldn't withdraw that of the offer.
  const slow = await context.newPage();
  await slow.addInitScript(() => {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    Object.assign(globalThis, { tell: resolve });
    PublicKeyCredential.isConditionalMediationAvailable = () => promise;
  });
  await slow.goto("/auth/login");
  expect(await slow.isVisible("[data-passkey] button")).toBe(false);
  await slow.evaluate("tell(false)");
  await slow.waitForSelector("[data-passkey] button");
  await slow.close();

  // Of an address there are none; of the server's own, none here.
  await page.goto(`${world.app.url}/auth/login`);
  expect(await page.locator("[data-passkey]").count()).toBe(0);
  await world.app.folder.write({ "config.json": { server: { public_url: "http://localhost:1" } } });
  await world.app.reloadConfig();
  await page.goto(`${world.app.url}/auth/login`);
  await page.click("[data-passkey] button");
  await page.waitForSelector("[data-passkey-problem]:not([hidden])");
  expect(await page.textContent("[data-passkey-problem]")).toContain("don't work at this address");
});
