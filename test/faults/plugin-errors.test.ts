import { expect, test } from "bun:test";
import { XcoreServer } from "../cli/xcore-process.ts";
import { TestFolder } from "../setup.ts";

/** What a handler does before it answers "done", and where nobody catches what it throws. */
const THROWING: Readonly<Record<string, string>> = {
  rejection: `void Promise.reject(new Error("lost rejection"))`,
  listeners: `process.removeAllListeners(); process.removeAllListeners("unhandledRejection"); void Promise.reject(new Error("lost listeners"))`,
  prototype: `EventEmitter.prototype.removeAllListeners.call(process); Object.getPrototypeOf(process).removeAllListeners?.call(process, "unhandledRejection"); void Promise.reject(new Error("lost prototype"))`,
  microtask: `queueMicrotask(() => { throw new Error("lost microtask"); })`,
  timer: `setTimeout(() => { throw new Error("lost timer"); })`,
  emitter: `setImmediate(() => new EventEmitter().emit("error", new Error("lost emitter")))`,
  hook: `void hooks.emit("loud.event", {})`,
  generator: `return (async function* () { yield "a"; throw new Error("lost generator"); })()`,
  stream: `return new ReadableStream({ async pull(c) { if (sent++ > 0) throw new Error("lost stream"); c.enqueue("a"); } })`,
  response: `return new Response(new ReadableStream({ async pull(c) { if (sent++ > 0) throw new Error("lost response"); c.enqueue("a"); } }))`,
};

const PLUGIN = {
  "plugins/loud/plugin.json": { name: "loud", version: "1.0.0" },
  "plugins/loud/run.ts": `import { EventEmitter } from "node:events";
import { createRouter, hooks } from "xcore";
hooks.on("loud.event", () => { throw new Error("lost hook"); });
export default createRouter()
${Object.entries(THROWING)
  .map(([path, code]) => `  .get("/${path}", () => { let sent = 0; ${code}; return "done"; })`)
  .join("\n")}
  .ws("/socket", { message() { throw new Error("lost socket"); } })
  .get("/", () => "hello");
`,
};

for (const kind of [...Object.keys(THROWING), "socket"]) {
  test(`what nobody catches leaves one line with the plugin, and ends nothing: ${kind}`, async () => {
    await using folder = await TestFolder.create(PLUGIN);
    await using server = await XcoreServer.start(folder);
    await server.after(
      async () => {
        if (kind === "socket")
          new WebSocket(`${server.url.replace("http", "ws")}/loud/socket`).addEventListener("open", (event) =>
            (event.target as WebSocket).send("x"),
          );
        else
          await server
            .fetch(`/loud/${kind}`)
            .then((response) => response.text())
            .catch(() => {});
      },
      new RegExp(`"err":[^\\n]*lost ${kind}`),
    );
    expect(await (await server.fetch("/loud")).text()).toBe("hello");
    server.kill("SIGTERM");
    expect(await server.exited).toBe(0);
    const lines = server.output.split("\n").filter((line) => line.includes(`lost ${kind}`));
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ level: "error", plugin: "loud" }]);
  });
}
