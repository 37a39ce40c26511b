// What the pages of records do beside htmx: keys, and what guards a form. Without it they work too, by forms and links.
(() => {
  "use strict";

  const dirty = new WeakSet();

  function byKey(key) {
    return document.querySelector(`[data-key="${key}"]`);
  }

  /** Says before a page is left whose form has changes. */
  function guard(event) {
    const form = document.querySelector("form[data-guard]");
    if (form !== null && dirty.has(form)) event.preventDefault();
  }

  function note({ target }) {
    // Of several rows, what somebody fills in is meant to be set.
    const box = target.closest("[data-sets]")?.querySelector("[data-set]");
    if (box !== undefined && box !== target && target.dataset.unguarded === undefined) box.checked = true;
    if (target.form?.dataset.guard !== undefined && target.dataset.unguarded === undefined) dirty.add(target.form);
  }

  /** Says so before a file is sent that is too large to be taken. */
  function checkSize({ target }) {
    const { maxSize, tooLarge } = target.dataset;
    if (maxSize === undefined) return;
    const isTooLarge = [...target.files].some((file) => file.size > Number(maxSize));
    target.setCustomValidity(isTooLarge ? tooLarge : "");
    if (isTooLarge) target.reportValidity();
  }

  /** Shows the fields that depend on others where these have the values for it; what is hidden isn't sent. */
  function showFields(form) {
    const parts = [...form.querySelectorAll("[data-when]")];
    // One may depend on another one.
    for (const _ of parts) {
      for (const part of parts) {
        const typed = new FormData(form);
        const conditions = Object.entries(JSON.parse(part.dataset.when));
        part.hidden = !conditions.every(([name, values]) => values.includes(typed.getAll(name).at(-1) ?? ""));
        for (const field of part.querySelectorAll("input, select, textarea, button")) field.disabled = part.hidden;
      }
    }
  }

  function showAllFields() {
    for (const form of document.querySelectorAll("form:has([data-when])")) showFields(form);
  }

  function chooseAll({ target }) {
    const { chooseAll: form } = target.dataset;
    if (form === undefined) return;
    for (const box of document.querySelectorAll(`input[type=checkbox][form="${form}"]`)) box.checked = target.checked;
  }

  /** Goes to the next row, or the one before. */
  function move(by) {
    const rows = [...document.querySelectorAll("[data-row]")];
    const at = rows.indexOf(document.activeElement);
    rows[at === -1 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + by, 0), rows.length - 1)]?.focus();
  }

  function press(event) {
    const { key, ctrlKey, metaKey, altKey, target } = event;
    const isSave = (ctrlKey || metaKey) && key === "s";
    if (isSave) {
      const button = byKey("ctrl+s");
      if (button === null) return;
      event.preventDefault();
      button.click();
      return;
    }
    if (ctrlKey || metaKey || altKey || target.closest("input, textarea, select, dialog[open]") !== null) return;
    const act = {
      "/": () => byKey("/")?.focus(),
      j: () => move(1),
      k: () => move(-1),
      n: () => byKey("n")?.click(),
      e: () => (target.matches("[data-row]") ? target : document.querySelector("form[data-guard] .input, form[data-guard] .select"))?.[
        target.matches("[data-row]") ? "click" : "focus"
      ](),
    }[key];
    if (act === undefined || (byKey("/") === null && document.querySelector("[data-rows], form[data-guard]") === null)) return;
    event.preventDefault();
    act();
  }

  /** A cell that is changed gets the keyboard, and gives it back with Escape. */
  function settle() {
    document.querySelector("form[data-cell] .input, form[data-cell] .select, form[data-cell] .textarea")?.focus();
  }

  /** Shows the form of a row that a field is to refer to, and has the field refer to it once it is made. */
  function relate() {
    const dialog = document.getElementById("related");
    const made = dialog?.querySelector("[data-made]");
    if (made) {
      const field = document.getElementById(made.dataset.made);
      const option = new Option(made.textContent, made.dataset.value, true, true);
      field.prepend(option);
      dialog.close();
      field.dispatchEvent(new Event("input", { bubbles: true }));
      field.dispatchEvent(new Event("change", { bubbles: true }));
      field.focus();
    } else if (dialog?.querySelector("form") && !dialog.open) {
      dialog.showModal();
    }
  }

  /** Where the keyboard goes on once more rows are there that it has asked for. */
  let goOnAt = null;

  function noteMore({ target, detail }) {
    // A press of a key is a click that nobody counts.
    if (target.closest("[data-more]") !== null && detail === 0) goOnAt = document.querySelectorAll("[data-row]").length;
  }

  function goOn() {
    if (goOnAt === null) return;
    document.querySelectorAll("[data-row]")[goOnAt]?.focus();
    goOnAt = null;
  }

  function openModals() {
    for (const dialog of document.querySelectorAll("dialog[data-modal][open]:not(:modal)")) {
      dialog.close();
      dialog.showModal();
      // It is shown for what has been typed, and isn't saved.
      dirty.add(dialog.closest("form") ?? dialog);
    }
  }

  addEventListener("beforeunload", guard);
  document.addEventListener("input", note);
  document.addEventListener("change", chooseAll);
  document.addEventListener("change", showAllFields);
  document.addEventListener("htmx:after:swap", showAllFields);
  showAllFields();
  document.addEventListener("change", checkSize);
  document.addEventListener("submit", ({ target }) => dirty.delete(target));
  document.addEventListener("click", ({ target }) => {
    if (target.closest("a[data-unguarded]") !== null) dirty.delete(target.closest("form"));
  });
  document.addEventListener("keydown", press);
  document.addEventListener("click", noteMore);
  document.addEventListener("htmx:after:swap", settle);
  document.addEventListener("htmx:after:swap", relate);
  document.getElementById("related")?.addEventListener("close", ({ target }) => target.firstElementChild.replaceChildren());
  for (const form of document.querySelectorAll("form[data-dirty]")) dirty.add(form);
  document.addEventListener("htmx:after:swap", goOn);
  openModals();
})();
