import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const WAIT_MS = 100_000;

/** Runs in the page: resolves with what `find` finds, looking again whenever the page has changed. */
const WAIT = `(find) => new Promise((resolve, reject) => {
  const look = () => { const found = find(); if (found) { observer.disconnect(); clearTimeout(timer); resolve(found); } };
  const observer = new MutationObserver(look);
  observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  const timer = setTimeout(() => reject(new Error("not there: " + find)), ${WAIT_MS});
  look();
})`;

/** Runs in the page: resolves once its load is over. */
const BLANK = `document.readyState === "complete" || new Promise((resolve) => addEventListener("load", () => setTimeout(resolve)))`;

type Reply = {
  id?: number;
  method?: string;
  result?: { result?: { value?: unknown }; exceptionDetails?: object };
  error?: object;
};

/** A page in Chromium, driven by its DevTools protocol. */
export class BrowserPage implements AsyncDisposable {
  readonly #process: Bun.Subprocess;
  readonly #socket: WebSocket;
  readonly #profile: string;
  /** By the id of a call, or the name of an event. */
  readonly #waiting = new Map<number | string, (reply: Reply) => void>();
  #calls = 0;

  private constructor(process: Bun.Subprocess, socket: WebSocket, profile: string) {
    this.#process = process;
    this.#socket = socket;
    this.#profile = profile;
    socket.addEventListener("message", ({ data }) => {
      const reply = JSON.parse(String(data)) as Reply;
      this.#waiting.get(reply.id ?? reply.method ?? "")?.(reply);
    });
  }

  static async open(chromium: string, url: string): Promise<BrowserPage> {
    const profile = await mkdtemp(join(tmpdir(), "xcore-chromium-"));
    const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"];
    const child = Bun.spawn(
      [
        chromium,
        ...flags,
        "--disable-background-networking",
        "--disable-component-update",
        `--user-data-dir=${profile}`,
        "--remote-debugging-port=0",
        "about:blank",
      ],
      { stdout: "ignore", stderr: "pipe" },
    );
    const address = await findAddress(child.stderr);
    const socket = new WebSocket(await openPage(address));
    await new Promise((opened, failed) => {
      socket.addEventListener("open", opened, { once: true });
      socket.addEventListener("error", failed, { once: true });
    });
    const page = new BrowserPage(child, socket, profile);
    await page.#call("Page.enable", {});
    await page.evaluate(BLANK); // its own event would be taken for that of the page
    const loaded = page.#event("Page.loadEventFired");
    await page.#call("Page.navigate", { url });
    await loaded;
    return page;
  }

  /** The value of an expression in the page. */
  async evaluate(expression: string): Promise<unknown> {
    const { result, error } = await this.#call("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
      userGesture: true,
    });
    if (error !== undefined || result?.exceptionDetails !== undefined) {
      throw new Error(`Cannot evaluate ${expression}: ${JSON.stringify(error ?? result?.exceptionDetails)}`);
    }
    return result?.result?.value;
  }

  /** Waits until the page has an element; returns its text. */
  async text(selector: string, pattern = /(?:)/): Promise<string> {
    const find = `() => [...document.querySelectorAll(${JSON.stringify(selector)})].find((one) => ${String(pattern)}.test(one.textContent))`;
    return String(await this.evaluate(`(${WAIT})(${find}).then((one) => one.textContent)`));
  }

  /** Clicks on an element once it is there. */
  async click(selector: string): Promise<void> {
    await this.evaluate(
      `(${WAIT})(() => document.querySelector(${JSON.stringify(selector)})).then((one) => one.click())`,
    );
  }

  /** Types a text into a field once it is there. */
  async type(selector: string, text: string): Promise<void> {
    await this.evaluate(
      `(${WAIT})(() => document.querySelector(${JSON.stringify(selector)})).then((one) => { one.focus(); one.select(); })`,
    );
    await this.#call("Input.insertText", { text });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    this.#process.kill();
    await this.#process.exited;
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }

  #event(method: string): Promise<Reply> {
    const { promise, resolve } = Promise.withResolvers<Reply>();
    this.#waiting.set(method, resolve);
    return promise;
  }

  #call(method: string, params: object): Promise<Reply> {
    const id = (this.#calls += 1);
    const { promise, resolve } = Promise.withResolvers<Reply>();
    this.#waiting.set(id, resolve);
    this.#socket.send(JSON.stringify({ id, method, params }));
    return promise;
  }
}

/** Reads where Chromium listens from what it says when it starts; what it says later is thrown away. */
async function findAddress(stderr: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  const reader = stderr.getReader();
  for (let text = ""; ;) {
    // oxlint-disable-next-line no-await-in-loop -- one piece after another
    const { done, value } = await reader.read();
    if (done) throw new Error(`Chromium ended: ${text}`);
    text += decoder.decode(value, { stream: true });
    const found = /DevTools listening on ws:\/\/([^/]+)\//.exec(text)?.[1];
    if (found === undefined) continue;
    reader.releaseLock();
    void stderr.pipeTo(new WritableStream());
    return found;
  }
}

/** Opens a page; the one that Chromium opens by itself may not be there yet. */
async function openPage(address: string): Promise<string> {
  const response = await fetch(`http://${address}/json/new?about:blank`, { method: "PUT" });
  const page = (await response.json()) as { readonly webSocketDebuggerUrl: string };
  return page.webSocketDebuggerUrl;
}
