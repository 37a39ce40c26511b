import { expect } from "bun:test";
import type { Download, Locator, Page } from "playwright-core";
import { toShownStyle } from "./focus.ts";

/** A file that somebody has on their disk. */
export interface OwnFile {
  readonly name: string;
  readonly mimeType: string;
  readonly buffer: Buffer;
}

/** What somebody who reads a page does with it. A story is told once, and done by each of the hands. */
export interface Hand {
  readonly name: string;
  /** Goes to a page of the menu by its name. */
  goTo(page: Page, name: string): Promise<void>;
  /** Follows a link, presses a button, opens what is folded. */
  press(target: Locator): Promise<void>;
  /** Writes a text into a field, in the place of what is in it. */
  write(field: Locator, text: string): Promise<void>;
  /** Chooses one of a list by what it is called, and says that it is meant where choosing alone does something. */
  choose(list: Locator, label: string): Promise<void>;
  /** Ticks a box, or chooses one of several. */
  tick(box: Locator): Promise<void>;
  /** Gives a file to a field. */
  give(field: Locator, file: OwnFile): Promise<void>;
  /** Saves the form that is open. */
  save(page: Page): Promise<void>;
}

/** Points at things, and clicks. */
class Mouse implements Hand {
  readonly name = "the mouse";

  async goTo(page: Page, name: string): Promise<void> {
    const link = page.getByRole("navigation", { name: "Main" }).getByRole("link", { name, exact: true });
    await leave(page, () => link.click());
    await page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
  }

  press(target: Locator): Promise<void> {
    return target.click();
  }

  async write(field: Locator, text: string): Promise<void> {
    await field.click({ clickCount: 3 });
    await field.page().keyboard.insertText(text);
  }

  async choose(list: Locator, label: string): Promise<void> {
    await list.click();
    await list.selectOption({ label });
  }

  async tick(box: Locator): Promise<void> {
    await box.click();
  }

  async give(field: Locator, file: OwnFile): Promise<void> {
    await chooseFile(field.page(), file, () => field.click());
  }

  save(page: Page): Promise<void> {
    return page.getByRole("button", { name: "Save", exact: true }).click();
  }
}

const MAX_STEPS = 300;

/** Has no mouse: gets to things by Tab and arrows, and has to see where it is. */
class Keyboard implements Hand {
  readonly name = "the keyboard alone";

  async goTo(page: Page, name: string): Promise<void> {
    await page.keyboard.press("Control+k");
    const field = page.getByRole("dialog").getByRole("combobox");
    await expectFocus(field);
    await page.keyboard.type(name);
    await page
      .getByRole("option", { name: new RegExp(`^${name}\\b`), selected: true })
      .first()
      .waitFor();
    await leave(page, () => page.keyboard.press("Enter"));
    await page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
  }

  async press(target: Locator): Promise<void> {
    await this.#reach(target);
    await target.page().keyboard.press("Enter");
  }

  async write(field: Locator, text: string): Promise<void> {
    await this.#reach(field);
    const { keyboard } = field.page();
    await keyboard.press("Control+a");
    await keyboard.insertText(text);
  }

  async choose(list: Locator, label: string): Promise<void> {
    await this.#reach(list);
    const { keyboard } = list.page();
    const steps = await list.evaluate((element, text) => {
      const select = element as HTMLSelectElement;
      const at = Array.from(select.options).findIndex((option) => option.label.trim() === text);
      return at === -1 ? null : at - select.selectedIndex;
    }, label);
    if (steps === null) throw new Error(`There is no "${label}" to choose`);
    await keyboard.press("Space");
    for (let step = 0; step < Math.abs(steps); step++)
      await keyboard.press(steps > 0 ? "ArrowDown" : "ArrowUp");
    await keyboard.press("Enter");
    expect(
      await list.evaluate((select) => (select as HTMLSelectElement).selectedOptions[0]?.label.trim()),
    ).toBe(label);
    const isMeant = await list.evaluate((select) =>
      (select as HTMLSelectElement).form?.matches("[data-autosubmit]"),
    );
    if (isMeant === true) await this.press(list.locator("xpath=ancestor::form//button"));
  }

  async tick(box: Locator): Promise<void> {
    const { keyboard } = box.page();
    if ((await box.getAttribute("type")) !== "radio") {
      await this.#reach(box);
      await keyboard.press("Space");
      return;
    }
    const group = await box.getAttribute("name");
    for (let step = 0; step < MAX_STEPS && !(await box.evaluate(isInGroup, group)); step++)
      await keyboard.press("Tab");
    for (let step = 0; step < MAX_STEPS && !(await box.isChecked()); step++)
      await keyboard.press("ArrowRight");
    await expectFocus(box);
  }

  async give(field: Locator, file: OwnFile): Promise<void> {
    await chooseFile(field.page(), file, async () => {
      await this.#reach(field);
      await field.page().keyboard.press("Space");
    });
  }

  save(page: Page): Promise<void> {
    return page.keyboard.press("Control+s");
  }

  /** Gets to something by Tab, or by Shift and Tab where it stands before. */
  async #reach(target: Locator): Promise<void> {
    await target.waitFor();
    const before = await target.evaluate(toShownStyle);
    const isBefore = await target.evaluate((element) => {
      const at = document.activeElement;
      return (
        at !== null &&
        at !== document.body &&
        (at.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_PRECEDING) !== 0
      );
    });
    const { keyboard } = target.page();
    const wasThere = await target.evaluate((element) => element === document.activeElement);
    for (let step = 0; step < MAX_STEPS; step++) {
      if (await target.evaluate((element) => element === document.activeElement)) {
        await expectFocus(target, wasThere ? null : before);
        return;
      }
      await keyboard.press(isBefore ? "Shift+Tab" : "Tab");
    }
    throw new Error(`The keyboard doesn't reach ${String(target)}`);
  }
}

/** Runs in the page: whether one of several that are chosen from has the keyboard. */
function isInGroup(_element: Element, name: string | null): boolean {
  return document.activeElement instanceof HTMLInputElement && document.activeElement.name === name;
}

/** Whether something has the keyboard, isn't covered, and looks other than without it. */
async function expectFocus(target: Locator, before: string | null = null): Promise<void> {
  const seen = await target.evaluate((element) => {
    const { x, y, width, height } = element.getBoundingClientRect();
    const above = document.elementFromPoint(x + width / 2, y + height / 2);
    return {
      hasKeyboard: element === document.activeElement,
      isCovered: above !== null && !above.contains(element) && !element.contains(above),
      isOutside: above === null,
    };
  });
  expect({ at: String(target), ...seen }).toEqual({
    at: String(target),
    hasKeyboard: true,
    isCovered: false,
    isOutside: false,
  });
  const after = await target.evaluate(toShownStyle);
  if (before === after) throw new Error(`Nothing shows that ${String(target)} has the keyboard: ${after}`);
}

/** Chooses a file in the dialog that something opens. It is taken from the browser before that begins: asked for as a key is pressed, it may come too late. */
async function chooseFile(page: Page, file: OwnFile, act: () => Promise<void>): Promise<void> {
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), act()]);
  await chooser.setFiles(file);
}

/** Does what leads to another page, and waits for that: what is looked for there may stand on the one before too. */
async function leave(page: Page, act: () => Promise<void>): Promise<void> {
  await Promise.all([page.waitForEvent("domcontentloaded"), act()]);
}

/** All hands that a story is done by. */
export const HANDS: readonly Hand[] = [new Mouse(), new Keyboard()];

/** Does what downloads a file, and returns it. */
export async function download(
  page: Page,
  act: () => Promise<void>,
): Promise<{ name: string; text: string }> {
  const [file]: [Download, void] = await Promise.all([page.waitForEvent("download"), act()]);
  return { name: file.suggestedFilename(), text: await Bun.file(await file.path()).text() };
}
