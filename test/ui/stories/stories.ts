import { afterAll } from "bun:test";
import type { Browser } from "playwright-core";
import { CHROMIUM, testWithProgram } from "../../programs.ts";
import { type CheckedPage, launch } from "../checked-page.ts";
import { type Hand, HANDS } from "./hands.ts";

/** Where a story happens: what is shared by all stories of a file. */
export interface Told<Stage> {
  readonly hand: Hand;
  readonly browser: Browser;
  readonly stage: Stage;
  /** Whether nothing has gone wrong on a page; how it looks is looked at for the first hand, for it is the same for all. */
  readonly check: (page: CheckedPage) => Promise<void>;
  /** Makes a name that no other telling uses: `toName("clerk")` is "clerk_mouse". */
  readonly toName: (word: string) => string;
}

const TIMEOUT_MS = 180_000; // bounds a hang

/** Declares stories that Chromium shows, each done by every hand, on one server and in one browser for all of them. */
export function tellStories<Stage extends AsyncDisposable>(
  open: () => Promise<Stage>,
  stories: Readonly<Record<string, (told: Told<Stage>) => Promise<void>>>,
): void {
  const opened = new AsyncDisposableStack();
  let ready: Promise<{ browser: Browser; stage: Stage }> | null = null;
  const start = async (executablePath: string) => {
    const [browser, stage] = await Promise.all([launch(executablePath), open()]);
    opened.use(stage);
    opened.defer(() => browser.close());
    return { browser, stage };
  };
  for (const [name, tell] of Object.entries(stories)) {
    for (const hand of HANDS) {
      const suffix = hand.name.split(" ")[1] ?? "";
      testWithProgram(
        CHROMIUM,
        `${name}, with ${hand.name}`,
        async (path) => {
          const { browser, stage } = await (ready ??= start(path));
          await tell({
            hand,
            browser,
            stage,
            toName: (word) => `${word}_${suffix}`,
            check: (page) => page.check(hand === HANDS[0] ? "all" : "nothing"),
          });
        },
        TIMEOUT_MS,
      );
    }
  }
  afterAll(() => opened.disposeAsync());
}
