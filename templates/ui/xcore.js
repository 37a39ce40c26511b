// What the pages of the administration do beside htmx. Without it they work too, by forms and links.
(() => {
  "use strict";

  const confirmed = new WeakSet();

  /** Asks in a dialog before a form with data-confirm is sent; without scripts, the server asks. */
  function askFirst(event) {
    const form = event.target;
    const question = form.dataset.confirm;
    if (question === undefined || confirmed.has(form)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const dialog = document.getElementById("confirm");
    dialog.querySelector("h2").textContent = question;
    dialog.querySelector("p").textContent = form.dataset.confirmDetail ?? "";
    const button = dialog.querySelector("[value=confirm]");
    button.textContent = form.dataset.confirmButton ?? "OK";
    const close = () => {
      if (dialog.returnValue !== "confirm") return;
      const field = Object.assign(document.createElement("input"), { type: "hidden", name: "confirmed", value: "yes" });
      form.append(field);
      confirmed.add(form);
      form.requestSubmit(event.submitter);
      confirmed.delete(form);
    };
    dialog.returnValue = "";
    dialog.addEventListener("close", close, { once: true });
    dialog.showModal();
  }

  function closeDialog({ target }) {
    const dialog = target.closest("dialog");
    if (dialog === null) return;
    const button = target.closest("button[value]");
    if (button !== null) dialog.close(button.value);
    else if (target === dialog) dialog.close();
  }

  /** Buttons with data-copy copy what is in the field that they name. */
  async function copy({ target }) {
    const button = target.closest("[data-copy]");
    if (button === null) return;
    const field = document.getElementById(button.dataset.copy);
    field.select();
    // Without a safe connection a page may not write to the clipboard: what is selected is copied by hand.
    const isCopied = await navigator.clipboard?.writeText(field.value).then(
      () => true,
      () => false,
    );
    if (isCopied) button.textContent = button.dataset.copied;
  }

  /** Menus that are open close when something else is clicked, and by Escape. */
  function closeMenus(except) {
    for (const menu of document.querySelectorAll("details[data-menu][open]")) {
      if (!menu.contains(except)) menu.open = false;
    }
  }

  function submitChoice({ target }) {
    if (target.form?.matches("form[data-autosubmit]")) target.form.requestSubmit();
  }

  /** Times are in UTC until their reader's browser says where it is. Days are the same everywhere. */
  function localize(root) {
    const { lang } = document.documentElement;
    const locale = navigator.languages.find((one) => one.startsWith(lang)) ?? lang;
    const format = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
    for (const time of root.querySelectorAll('time[datetime*="T"]:not([title])')) {
      time.title = time.textContent;
      time.textContent = format.format(new Date(time.dateTime));
    }
  }

  localize(document);
  document.addEventListener("htmx:after:swap", () => localize(document));
  document.addEventListener("change", submitChoice);
  for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;
  document.addEventListener("submit", askFirst, true);
  document.addEventListener("click", (event) => {
    closeDialog(event);
    void copy(event);
    closeMenus(event.target);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const open = document.activeElement?.closest("details[data-menu][open]");
    closeMenus(null);
    open?.querySelector("summary").focus();
  });
})();
