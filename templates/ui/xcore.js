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

  let isRefreshing = false;

  /** Keeps what has data-live as it is at the server, every so many milliseconds, while somebody can see it. */
  async function refresh() {
    const live = document.querySelector("#live[data-live]");
    if (live === null) return;
    const isBusy = isRefreshing || document.querySelector("dialog[open]") !== null;
    if (document.visibilityState === "visible" && !isBusy) {
      isRefreshing = true;
      try {
        await htmx.ajax("GET", location.pathname + location.search, {
          target: "#live",
          select: "#live",
          swap: "outerMorph",
        });
      } catch {
        // The server is away: it is asked again.
      } finally {
        isRefreshing = false;
      }
    }
    setTimeout(refresh, Number(live.dataset.live));
  }

  const LEVELS = { info: "badge-info", warn: "badge-warning", error: "badge-error", fatal: "badge-error" };
  const MAX_LINES = 500;

  /** Shows the lines of a log as they are written, while somebody can see them and wants to. */
  function followLog(list) {
    const label = document.querySelector("[data-tail-switch]");
    const wanted = label.querySelector("input");
    const blank = document.getElementById("log-line").content;
    let stream = null;
    const show = ({ data }) => {
      const line = JSON.parse(data);
      const row = blank.cloneNode(true);
      for (const cell of row.querySelectorAll("[data-field]")) {
        const value = line[cell.dataset.field] ?? "";
        cell.textContent = typeof value === "string" ? value : JSON.stringify(value, null, 2);
      }
      const level = row.querySelector("[data-field=level]");
      level.className = `badge badge-sm ${LEVELS[line.level] ?? "badge-neutral"}`;
      list.prepend(row);
      while (list.rows.length > MAX_LINES) list.lastElementChild.remove();
    };
    const update = () => {
      const isOn = wanted.checked && document.visibilityState === "visible";
      if (isOn && stream === null) {
        stream = new EventSource(list.dataset.tail);
        stream.addEventListener("line", show);
        stream.addEventListener("begin", () => (list.dataset.following = "yes"));
      } else if (!isOn && stream !== null) {
        stream.close();
        stream = null;
        delete list.dataset.following;
      }
    };
    label.hidden = false;
    wanted.addEventListener("change", update);
    document.addEventListener("visibilitychange", update);
  }

  let isByKeys = false;

  /** A choice is sent at once, but for one by keys: arrows go through all that lies between, and a button says which is meant. */
  function submitChoice({ target }) {
    if (!target.form?.matches("form[data-autosubmit]")) return;
    if (isByKeys) target.form.querySelector("button").hidden = false;
    else target.form.requestSubmit();
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

  function showDialog(id) {
    for (const other of document.querySelectorAll("dialog[open]")) other.close();
    document.getElementById(id)?.showModal();
  }

  /** Without accents and capitals, which nobody has to write. */
  function plain(text) {
    return text.normalize("NFD").replaceAll(/\p{M}/gu, "").toLowerCase();
  }

  function isWriting({ target }) {
    return target.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable]") !== null;
  }

  /** What the palette finds: nothing of what was written before is waited for any more, at the server either. */
  async function ask(address, signal) {
    try {
      const answer = await fetch(address, { signal });
      return answer.ok ? (await answer.json()).items : [];
    } catch {
      return [];
    }
  }

  /** The list of all that can be gone to: what is written narrows it, arrows choose, Enter goes there. */
  function preparePalette(palette) {
    const input = palette.querySelector("input");
    const list = palette.querySelector("ul");
    const none = palette.querySelector("[data-none]");
    const shown = () => [...list.querySelectorAll("li:not([hidden]) > a")];
    let asked = new AbortController();
    /** Whether arrows have gone to one since something was written. */
    let isGoneTo = false;

    function choose(link) {
      for (const one of list.querySelectorAll("a")) one.setAttribute("aria-selected", String(one === link));
      none.hidden = link !== undefined;
      input.setAttribute("aria-activedescendant", link?.id ?? "");
      link?.scrollIntoView({ block: "nearest" });
    }

    function narrow() {
      const words = plain(input.value).split(/\s+/);
      for (const link of list.querySelectorAll("a:not([data-found])")) {
        const text = plain(link.textContent);
        link.parentElement.hidden = !words.every((word) => text.includes(word));
      }
      isGoneTo = false;
      choose(shown()[0]);
      void find();
    }

    /** Records by what they are called, from the server. */
    async function find() {
      const { find: address } = input.dataset;
      asked.abort();
      const { signal } = (asked = new AbortController());
      const q = input.value.trim();
      if (address === undefined) return;
      await new Promise((resolve) => setTimeout(resolve, 150));
      if (signal.aborted) return;
      const found = q.length < 2 ? [] : await ask(`${address}?${new URLSearchParams({ q })}`, signal);
      if (signal.aborted) return;
      const chosen = isGoneTo ? list.querySelector('[aria-selected="true"]') : null;
      for (const old of list.querySelectorAll("[data-found]")) old.parentElement.remove();
      for (const [index, { label, hint, path }] of found.entries()) {
        const link = Object.assign(document.createElement("a"), { href: path, id: `palette-found-${index}`, tabIndex: -1 });
        link.setAttribute("role", "option");
        link.dataset.found = "";
        const name = Object.assign(document.createElement("span"), { className: "flex-1 truncate", textContent: label });
        link.append(name, Object.assign(document.createElement("span"), { className: "text-xs opacity-75", textContent: hint }));
        const item = document.createElement("li");
        item.setAttribute("role", "none");
        item.append(link);
        list.append(item);
      }
      // What somebody has gone to meanwhile stays chosen, found anew too.
      choose(shown().find(({ href }) => href === chosen?.href) ?? shown()[0]);
    }

    palette.addEventListener("keydown", (event) => {
      const links = shown();
      const at = links.findIndex((link) => link.ariaSelected === "true");
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step !== undefined) {
        isGoneTo = true;
        choose(links.at((at + step) % links.length));
      } else if (event.key === "Enter") links[at]?.click();
      // A field for searches would only be emptied by it.
      else if (event.key === "Escape") palette.close();
      else return;
      event.preventDefault();
    });
    input.addEventListener("input", narrow);
    return () => {
      input.value = "";
      showDialog("palette");
      narrow();
    };
  }

  const palette = document.getElementById("palette");
  const openPalette = palette === null ? () => {} : preparePalette(palette);

  /** Keys that hold on every page; those of lists and forms are in records.js. */
  function pressKey(event) {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      openPalette();
    } else if (event.key === "?" && !isWriting(event) && document.querySelector("dialog[open]") === null) {
      event.preventDefault();
      showDialog("help");
    } else if (event.key === "/" && !isWriting(event) && document.querySelector("dialog[open]") === null) {
      event.preventDefault();
      const search = document.querySelector('main input[type="search"]');
      if (search === null) openPalette();
      else search.focus();
    }
  }

  function openDialog(event) {
    const opener = event.target.closest("[data-open]");
    if (opener === null) return;
    event.preventDefault();
    if (opener.dataset.open === "palette") openPalette();
    else showDialog(opener.dataset.open);
  }

  for (const opener of document.querySelectorAll("[data-open]")) opener.hidden = false;
  document.addEventListener("keydown", pressKey);
  document.addEventListener("click", openDialog);

  localize(document);
  document.addEventListener("htmx:after:swap", () => localize(document));
  const live = document.querySelector("#live[data-live]");
  if (live !== null) setTimeout(refresh, Number(live.dataset.live));
  const tail = document.querySelector("[data-tail]");
  if (tail !== null) followLog(tail);
  for (const button of document.querySelectorAll("form[data-autosubmit] button")) button.hidden = true;
  document.addEventListener("keydown", () => (isByKeys = true), true);
  document.addEventListener("pointerdown", () => (isByKeys = false), true);
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
