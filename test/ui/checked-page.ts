import axe, { type Result, type RunOptions } from "axe-core";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { expect } from "bun:test";
import { CHROMIUM, testWithProgram } from "../programs.ts";
import type { TestApp } from "../setup.ts";

const LOOKS = {
  all: {},
  // The dearest of its rules.
  contrast: { runOnly: { type: "rule", values: ["color-contrast"] } },
  structure: { rules: { "color-contrast": { enabled: false } } },
} satisfies Record<string, RunOptions>;
type Look = keyof typeof LOOKS | "nothing";

/** What axe-core finds that keeps people out. */
const SERIOUS = new Set(["serious", "critical"]);

/** A page in Chromium that has done nothing wrong: `check()` says so, and is called at the end too. */
export class CheckedPage implements AsyncDisposable {
  readonly page: Page;
  readonly #context: BrowserContext;
  /** Errors on the console, violations of the Content-Security-Policy, requests to another host. */
  readonly #faults: string[] = [];

  readonly #origin: string;

  private constructor(context: BrowserContext, page: Page, origin: string) {
    this.#context = context;
    this.#origin = origin;
    this.page = page;
    this.#watch(page);
  }

  #watch(page: Page): void {
    actOnceLoaded(page);
    page.on("console", (message) => {
      if (message.type() === "error") this.#faults.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => this.#faults.push(`uncaught: ${error.message}`));
    page.on("request", (request) => {
      const { origin: to, protocol } = new URL(request.url());
      if (to !== this.#origin && protocol !== "data:") this.#faults.push(`request to ${request.url()}`);
    });
  }

  /** Opens a page of an app; with a user's email, somebody who is signed in. */
  static async open(browser: Browser, app: TestApp, options: OpenOptions = {}): Promise<CheckedPage> {
    const { user, path = "/ui", ...context } = options;
    const opened = await browser.newContext({ baseURL: app.url, locale: "en-GB", ...context });
    if (user !== undefined) {
      const [name = "", value = ""] = user.cookie.split("=");
      await opened.addCookies([{ name, value, url: app.url }]);
    }
    const page = new CheckedPage(opened, await opened.newPage(), new URL(app.url).origin);
    await page.page.goto(path);
    return page;
  }

  /** Opens another tab of the same browser, which has to do nothing wrong either. */
  async openTab(path: string): Promise<Page> {
    const tab = await this.#context.newPage();
    this.#watch(tab);
    await tab.goto(path);
    return tab;
  }

  /**
   * Whether nothing has gone wrong so far, and axe-core finds nothing serious in what is shown now.
   *
   * @param look "contrast" looks only at colours, "structure" at all else, and "nothing" leaves axe-core out. @default all
   */
  async check(look: Look = "all"): Promise<void> {
    const name = new URL(this.page.url()).pathname;
    // What fades in is pale until it has: it is shown as it ends.
    await this.page.evaluate(() => {
      for (const animation of document.getAnimations()) {
        if (Number.isFinite(animation.effect?.getComputedTiming().endTime)) animation.finish();
      }
    });
    const violations = look === "nothing" ? [] : await this.#findViolations(LOOKS[look]);
    const found = violations
      .filter(({ impact }) => SERIOUS.has(impact ?? ""))
      .map(
        ({ id, nodes }) =>
          `${id}: ${nodes.map(({ html, any }) => `${html} ${any[0]?.message ?? ""}`).join("\n  ")}`,
      );
    expect({ name, faults: this.#faults, found }).toEqual({ name, faults: [], found: [] });
  }

  async #findViolations(options: RunOptions): Promise<Result[]> {
    await this.page.evaluate(`${axe.source};0`);
    const { violations } = await this.page.evaluate(
      (asked) => (globalThis as unknown as { axe: typeof axe }).axe.run(document, asked),
      { resultTypes: ["violations" as const], ...options },
    );
    return violations;
  }

  /** Takes faults that a test has asked for. */
  forgive(pattern: RegExp): void {
    const kept = this.#faults.filter((fault) => !pattern.test(fault));
    this.#faults.splice(0, this.#faults.length, ...kept);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#context.close();
  }
}

interface OpenOptions {
  /** Who is signed in, by the header `cookie` of their browser. */
  readonly user?: { readonly cookie: string };
  /** @default "/ui" */
  readonly path?: string;
  readonly viewport?: { readonly width: number; readonly height: number };
  readonly colorScheme?: "light" | "dark";
  readonly javaScriptEnabled?: boolean;
  readonly locale?: string;
}

const ACTS = "check click evaluate fill focus insertText press selectOption setInputFiles type uncheck".split(
  " ",
);

/**
 * Has whatever is done on a page, by its locators and keys too, wait until its scripts and styles are there. What stands
 * on a new page is found before they have run, and they miss what is done until then.
 */
function actOnceLoaded(page: Page): void {
  type Act = (...given: unknown[]) => Promise<unknown>;
  for (const doer of [page.mainFrame(), page.keyboard] as unknown as Record<string, Act>[]) {
    for (const name of ACTS) {
      const act = doer[name];
      if (act === undefined) continue;
      doer[name] = async (...given) => {
        await page.waitForLoadState();
        return act.apply(doer, given);
      };
    }
  }
}

/** Starts Chromium, which may ask no other machine for anything. */
export function launch(executablePath: string): Promise<Browser> {
  const args = ["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"];
  return chromium.launch({ executablePath, args });
}

/** Declares a test in Chromium. It may ask no other machine for anything. */
export function testInBrowser(
  name: string,
  run: (browser: Browser) => Promise<void>,
  timeoutMs = 60_000,
): void {
  testWithProgram(
    CHROMIUM,
    name,
    async (executablePath) => {
      const browser = await launch(executablePath);
      try {
        await run(browser);
      } finally {
        await browser.close();
      }
    },
    timeoutMs,
  );
}
