// What forms with data-passkey do: they ask the browser for a passkey, or for a new one, and send what it answers.
(() => {
  "use strict";

  /** What a form beside them says of why nothing came of it. */
  const REASONS = { NotAllowedError: "cancelled", SecurityError: "elsewhere", InvalidStateError: "known", Busy: "busy" };
  /** Challenges are good for ten minutes. */
  const RENEWED_MS = 9 * 60_000;
  const isSupported = typeof window.PublicKeyCredential?.parseRequestOptionsFromJSON === "function";

  async function ask(form) {
    const fields = Object.fromEntries([...new FormData(form)].filter(([name]) => name === "otp_token"));
    const response = await fetch(form.dataset.options, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(fields),
    });
    const answer = await response.json();
    if (!response.ok) throw Object.assign(new Error(answer.detail), { name: response.status === 429 ? "Busy" : "Refused" });
    return answer;
  }

  async function get(form, how = {}) {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(await ask(form));
    return navigator.credentials.get({ publicKey, ...how });
  }

  function create(form) {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(JSON.parse(form.dataset.creation));
    return navigator.credentials.create({ publicKey });
  }

  function send(form, credential) {
    form.elements.namedItem("credential").value = JSON.stringify(credential);
    form.submit();
  }

  function explain(form, error) {
    const alert = form.querySelector("[data-passkey-problem]");
    alert.textContent = form.dataset[REASONS[error.name]] ?? form.dataset.failed;
    alert.hidden = false;
  }

  /** Offers passkeys where the browser fills the email in, for as long as nobody has asked for one by the button. */
  async function offer(form) {
    const isOffered = await PublicKeyCredential.isConditionalMediationAvailable?.();
    if (!isOffered) return null;
    let aborted = new AbortController();
    let timer;
    const begin = () => {
      aborted = new AbortController();
      const { signal } = aborted;
      get(form, { mediation: "conditional", signal }).then(
        (credential) => send(form, credential),
        // Of what nobody has asked for, nobody is told.
        () => {},
      );
      timer = setTimeout(() => {
        aborted.abort();
        begin();
      }, RENEWED_MS);
    };
    begin();
    return () => {
      clearTimeout(timer);
      aborted.abort();
    };
  }

  async function prepare(form) {
    const isNew = form.dataset.creation !== undefined;
    let withdraw = null;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      withdraw?.();
      form.querySelector("[data-passkey-problem]").hidden = true;
      try {
        send(form, await (isNew ? create(form) : get(form)));
      } catch (error) {
        explain(form, error);
      }
    });
    if (form.dataset.own !== undefined) {
      const { allowCredentials } = await ask(form);
      if (allowCredentials.length === 0) return;
    }
    // Browsers take one request at a time: the button is there once it can withdraw that of the offer.
    if (form.dataset.offered !== undefined) withdraw = await offer(form);
    form.hidden = false;
  }

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    if (isSupported) prepare(form).catch(() => {});
    else document.querySelector("[data-passkey-missing]")?.removeAttribute("hidden");
  }
})();
