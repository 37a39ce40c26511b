/** Runs in the page: what can be used there, by what it leads to or is called, but for the sidebar and what is folded. */
export function toShownControls(): string[] {
  const controls = document.querySelectorAll(
    "a[href], button, input:not([type=hidden]), select, textarea, summary",
  );
  return [...controls]
    .filter(
      (control) =>
        control.checkVisibility() && control.closest(".drawer-side, details > :not(summary)") === null,
    )
    .map((control) => {
      const said = ["href", "name", "aria-label", "id"]
        .map((name) => control.getAttribute(name))
        .find(Boolean);
      return `${control.tagName.toLowerCase()} ${said ?? control.textContent.trim()}`;
    });
}

/**
 * Runs in the page: what keeps somebody with a narrow window from something. That is a page that has to be scrolled
 * sideways, and what stands outside of it with nothing to scroll it there; folded menus are opened for it.
 */
export function toTrouble(): string[] {
  const trouble: string[] = [];
  const width = document.documentElement.clientWidth;
  const isAside = (element: Element): boolean => {
    const { left, right } = element.getBoundingClientRect();
    return right > width + 1 || left < -1;
  };
  const canBeScrolled = (element: Element): boolean => {
    for (let one = element.parentElement; one !== null; one = one.parentElement) {
      const { overflowX, position } = getComputedStyle(one);
      if (["auto", "scroll"].includes(overflowX) && one.scrollWidth > one.clientWidth) return !isAside(one);
      if (position === "fixed") return false;
    }
    return false;
  };
  const look = (where: ParentNode, what: string): void => {
    if (document.documentElement.scrollWidth > width) {
      const widest = [...document.body.querySelectorAll("*")].find(
        (one) => one.checkVisibility() && isAside(one) && !canBeScrolled(one),
      );
      trouble.push(
        `${what} is ${document.documentElement.scrollWidth} wide: ${widest?.outerHTML.slice(0, 200)}`,
      );
    }
    for (const control of where.querySelectorAll(
      "a[href], button, input, select, textarea, summary, label[for]",
    )) {
      const isHidden = !control.checkVisibility({ visibilityProperty: true, opacityProperty: true });
      if (isHidden || control.closest(".drawer-side, .sr-only, .drawer-toggle") !== null) continue;
      if (isAside(control) && !canBeScrolled(control))
        trouble.push(`${what} has outside of it: ${control.outerHTML.slice(0, 200)}`);
    }
  };
  look(document, "the page");
  for (const menu of document.querySelectorAll("details:not([open])")) {
    (menu as HTMLDetailsElement).open = true;
    look(menu, `the menu "${menu.querySelector("summary")?.textContent.trim()}"`);
    (menu as HTMLDetailsElement).open = false;
  }
  return trouble;
}

/** Runs in the page: texts of it that are among these. */
export function toTextsOf(texts: readonly string[]): string[] {
  const known = new Set(texts);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found: string[] = [];
  while (walker.nextNode() !== null) {
    const text = walker.currentNode.textContent?.trim() ?? "";
    if (known.has(text)) found.push(text);
  }
  return found;
}
