/** A form of a page, as a browser sends it that runs no scripts. */
export interface SentForm {
  readonly method: string;
  /** Path with its query. */
  readonly action: string;
  readonly isMultipart: boolean;
  readonly fields: readonly (readonly [string, string])[];
}

/** Runs in the page: its forms, once for each button that sends one; and what can't be used without scripts. */
export function toForms(): { forms: SentForm[]; dead: string[] } {
  for (const menu of document.querySelectorAll("details")) menu.open = true;
  const forms: SentForm[] = [];
  const dead: string[] = [];
  for (const form of document.forms) {
    const buttons = [...form.elements].filter(
      (one): one is HTMLButtonElement =>
        one instanceof HTMLButtonElement && one.type === "submit" && one.checkVisibility(),
    );
    if (buttons.length === 0) dead.push(form.outerHTML.slice(0, 200));
    for (const button of buttons) {
      const data = new FormData(form, button);
      const to = new URL(button.formAction === "" ? form.action : button.formAction, location.href);
      const action = button.hasAttribute("formaction")
        ? to
        : new URL(form.getAttribute("action") ?? "", document.baseURI);
      forms.push({
        method: form.method,
        action: action.pathname + action.search,
        isMultipart: form.enctype === "multipart/form-data",
        fields: [...data].map(([name, value]) => [name, typeof value === "string" ? value : ""] as const),
      });
    }
  }
  for (const button of document.querySelectorAll("button")) {
    const isShown = button.checkVisibility({ visibilityProperty: true });
    if (
      isShown &&
      !button.hasAttribute("popovertarget") &&
      (button.type !== "submit" || button.form === null)
    )
      dead.push(button.outerHTML.slice(0, 200));
  }
  return { forms, dead };
}
