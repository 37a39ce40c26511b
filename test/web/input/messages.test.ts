import { expect, test } from "bun:test";
import { TestApp } from "../../setup.ts";

const RUN = `import { t, AppError as _ } from "elysia";
import { AppError, createRouter } from "xcore";
const show = (message) => ({ type: typeof message, message });
export default createRouter()
  .ws("/any", { message(ws, message) { ws.send(show(message)); } })
  .ws("/text", { body: t.String(), message(ws, message) { ws.send(show(message)); } })
  .ws("/number", { body: t.Number(), message(ws, message) { ws.send(show(message)); } })
  .ws("/object", { body: t.Object({ a: t.Integer() }), message(ws, message) { ws.send(show(message)); } })
  .ws("/date", { body: t.Object({ at: t.Date() }), message(ws, { at }) { ws.send({ type: at.constructor.name, message: at }); } })
  .ws("/throws", { message() { throw new AppError("no_such_room", 404, "Cannot join: no such room"); } })
  .ws("/fails", { message() { throw new Error("secret"); } });
`.replace(", AppError as _", "");
const plugins = { "x/plugin.json": { name: "x", version: "1.0.0" }, "x/run.ts": RUN };

/** Sends messages one after another, and returns the answer to each. */
async function talk(app: TestApp, path: string, messages: readonly string[]): Promise<unknown[]> {
  const socket = new WebSocket(`${app.url.replace("http", "ws")}/x${path}`);
  const answers: unknown[] = [];
  await new Promise<void>((resolve) => socket.addEventListener("open", () => resolve()));
  for (const message of messages) {
    const answer = new Promise((resolve) =>
      socket.addEventListener("message", ({ data }) => resolve(data), { once: true }),
    );
    socket.send(message);
    // oxlint-disable-next-line no-await-in-loop -- one after another
    answers.push(JSON.parse(String(await answer)) as unknown);
  }
  socket.close();
  return answers;
}

test("a message is what JSON makes of it, or the text that was sent", async () => {
  await using app = await TestApp.start({ plugins });
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  const texts = ["a", "007", "1e3", "1.50", " 1 ", "12345678901234567890", "{a}", "", deep];
  const asText = texts.map((message) => ({ type: "string", message }));
  expect(await talk(app, "/any", texts)).toEqual(asText);
  expect(await talk(app, "/any", ["1", "-2.5", "true", "null", '{"a":[1]}', '"a"'])).toEqual([
    { type: "number", message: 1 },
    { type: "number", message: -2.5 },
    { type: "boolean", message: true },
    { type: "object", message: null },
    { type: "object", message: { a: [1] } },
    { type: "string", message: "a" },
  ]);
  const alike = ["1", "true", "null", '{"a":1}', "[1]"];
  expect(await talk(app, "/text", alike)).toEqual(alike.map((message) => ({ type: "string", message })));
  expect(await talk(app, "/date", ['{"at":"2026-01-31"}'])).toEqual([
    { type: "Date", message: "2026-01-31T00:00:00.000Z" },
  ]);
});

test("a message that doesn't fit is answered with the reason, and the socket stays open", async () => {
  await using app = await TestApp.start({ plugins });
  const deep = `${'{"a":'.repeat(1000)}1${"}".repeat(1000)}`;
  const [one, two, three, fine] = await talk(app, "/object", ['{"a":"x"}', "a", deep, '{"a":1}']);
  expect(one).toMatchObject({
    status: 422,
    code: "validation_error",
    errors: [{ path: "/message/a", code: "type", message: "Expected integer" }],
  });
  expect(two).toMatchObject({ status: 422, errors: [{ path: "/message", message: "Expected object" }] });
  expect(three).toMatchObject({ status: 422 });
  expect(fine).toEqual({ type: "object", message: { a: 1 } });
  expect(await talk(app, "/number", ["x"])).toMatchObject([{ status: 422, errors: [{ path: "/message" }] }]);
  expect(await talk(app, "/date", ['{"at":"2026-02-30"}'])).toMatchObject([
    { errors: [{ path: "/message/at" }] },
  ]);
  expect(await talk(app, "/throws", ["x"])).toMatchObject([{ status: 404, code: "no_such_room" }]);
  const [failed] = await talk(app, "/fails", ["x"]);
  expect(failed).toMatchObject({ status: 500, code: "internal_error" });
  expect(JSON.stringify(failed)).not.toContain("secret");
});
