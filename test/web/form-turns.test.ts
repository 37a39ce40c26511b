import { expect, test } from "bun:test";
import { FormTurns } from "../../src/web/form-turns.ts";
import { TestApp } from "../setup.ts";

const LIMIT = 100; // bytes
const wait = () => new Promise((resolve) => setImmediate(resolve));

/** A form that comes as a test says. */
function begin(turns: FormTurns) {
  let source: ReadableStreamDefaultController<Uint8Array> | null = null;
  let pulled = 0;
  const body = new ReadableStream<Uint8Array>(
    {
      start: (controller) => void (source = controller),
      pull: () => void (pulled += 1),
    },
    { highWaterMark: 0 },
  );
  const request = turns.take(new Request("http://localhost/", { method: "POST" }), body, LIMIT);
  const reader = request.body!.getReader();
  const read = () =>
    reader.read().then(
      ({ done, value }) => (done ? "end" : value.byteLength),
      (error: { code: string }) => error.code,
    );
  return {
    read,
    send: (bytes: number) => source!.enqueue(new Uint8Array(bytes)),
    end: () => source!.close(),
    answer: () => turns.leave(request),
    pulled: () => pulled,
  };
}

test("FormTurns holds a form until it is answered, and lets only the first go on where there is no room", async () => {
  const turns = new FormTurns({ room: 50 });
  const [first, second, third] = [begin(turns), begin(turns), begin(turns)];
  first.send(30);
  second.send(30);
  expect([await first.read(), await second.read()]).toEqual([30, 30]);
  third.send(1);
  let isRead = false;
  const waiting = third.read().finally(() => (isRead = true));
  await wait();
  expect([isRead, third.pulled()]).toEqual([false, 0]); // nothing is taken of it
  first.send(10);
  expect(await first.read()).toBe(10);
  first.end();
  expect([await first.read(), turns.held]).toEqual(["end", 70]); // it is in the hands of its handler
  await wait();
  expect(isRead).toBe(false);
  first.answer();
  expect([await waiting, turns.held]).toEqual([1, 31]);
  second.answer();
  third.answer();
  expect([turns.held, turns.size]).toEqual([0, 0]);
});

test("FormTurns refuses a form that is too large, and one that has waited too long", async () => {
  const turns = new FormTurns({ room: 50, patienceMs: 1 });
  const large = begin(turns);
  large.send(101);
  expect(await large.read()).toBe("payload_too_large");
  large.answer();
  const first = begin(turns);
  first.send(60);
  expect(await first.read()).toBe(60);
  const late = begin(turns);
  expect(await late.read()).toBe("bodies_too_slow");
  late.answer();
  expect(turns.held).toBe(60);
  first.answer();
  expect(turns.held).toBe(0);
});

test("FormTurns ends a form that comes too slowly, where it is the only one that may go on", async () => {
  let now = 0;
  const turns = new FormTurns({ room: 50, now: () => now });
  const slow = begin(turns);
  slow.send(60);
  expect(await slow.read()).toBe(60);
  const next = begin(turns);
  next.send(7);
  const [ended, came] = [slow.read(), next.read()];
  now = 9999;
  turns.makeWay();
  await wait();
  expect(Bun.peek.status(ended)).toBe("pending");
  now = 10_000;
  turns.makeWay();
  expect(await ended).toBe("bodies_too_slow");
  slow.answer();
  expect(await came).toBe(7);
  next.answer();
});

test("FormTurns has nothing to do with what is read once a request is answered", async () => {
  const turns = new FormTurns({ room: 50 });
  const form = begin(turns);
  form.answer();
  form.send(60);
  expect([await form.read(), turns.held]).toEqual([60, 0]);
});

const RUN = `import { createRouter } from "xcore";
  const held = [];
  export default createRouter()
    .post("/held", async ({ body }) => { await new Promise((go) => held.push(go)); return body.file.size; })
    .post("/raw", async ({ request }) => { let n = 0; for await (const c of request.body) n += c.length; return n; }, { parse: "none" })
    .get("/count", () => held.length)
    .get("/release", () => held.shift()?.())`;

test("large forms beyond 100 MB wait until others are answered, and are taken then", async () => {
  const plugins = { "x/run.ts": RUN, "x/plugin.json": { name: "x", version: "1.0.0" } };
  await using app = await TestApp.start({ plugins, config: { server: { body_limit: "40mb" } } });
  const bytes = new Uint8Array(36_000_000);
  const send = async () => {
    const body = new FormData();
    body.set("file", new File([bytes], "a.bin"));
    const answer = await app.fetch("/x/held", { method: "POST", body });
    return [answer.status, await answer.json()];
  };
  const count = async () => Number((await app.get("/x/count")).body);
  // oxlint-disable no-await-in-loop -- one after another
  const answers: Promise<unknown>[] = [];
  for (const expected of [1, 2]) {
    answers.push(send());
    while ((await count()) < expected);
  }
  answers.push(send());
  const headers = { "content-type": "application/octet-stream" };
  for (let sent = 0; sent < 2; sent += 1) {
    const raw = await app.fetch("/x/raw", { method: "POST", body: bytes, headers });
    expect(await raw.json()).toBe(36_000_000); // it isn't held
  }
  expect(await count()).toBe(2);
  await app.get("/x/release");
  while ((await count()) < 2);
  // oxlint-enable no-await-in-loop
  await app.get("/x/release");
  await app.get("/x/release");
  expect(await Promise.all(answers)).toEqual(answers.map(() => [200, 36_000_000]));
});
