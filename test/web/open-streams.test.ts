import { expect, spyOn, test } from "bun:test";
import { OpenStreams, type StreamKeeper, toEndable } from "../../src/web/open-streams.ts";

const REQUEST = new Request("http://localhost/");
const INIT = { headers: { "content-type": "application/json" } };
const TEXT = "text ".repeat(100);

/** As of a route with a guard: no type of an answer is believed. */
const keeper: StreamKeeper = { streams: new OpenStreams(), follow: () => () => {}, isOfEvents: false };

function pull(): ReadableStream {
  return new ReadableStream({ pull: (controller) => controller.enqueue(TEXT) });
}

const streams: Record<string, (upstream: URL) => BodyInit | Promise<BodyInit | null>> = {
  "a ReadableStream": pull,
  "one of bytes": () =>
    new ReadableStream({ type: "bytes", pull: (controller) => controller.enqueue(Buffer.from(TEXT)) }),
  "one of Bun's own": () =>
    new ReadableStream({
      type: "direct",
      pull: (controller: { write: (text: string) => unknown }) => void controller.write(TEXT),
    } as unknown as UnderlyingDefaultSource),
  "a generator": () =>
    (async function* () {
      yield TEXT;
    })() as unknown as BodyInit,
  "what another server sends": async (upstream) => (await fetch(upstream)).body,
  "the bytes of a Blob": () => new Blob([TEXT]).stream(),
  "a file that is read": () => Bun.file(import.meta.path).stream(),
  "what is compressed on the way": () => pull().pipeThrough(new CompressionStream("gzip") as never),
  "a copy of a stream": () => new Response(pull()).clone().body ?? expect.unreachable(),
};

for (const [what, toBody] of Object.entries(streams)) {
  test(`toEndable() finds the stream of a Response with ${what}`, async () => {
    using upstream = Bun.serve({ port: 0, fetch: () => new Response(pull()) });
    for (const init of [INIT, {}]) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      const answer = new Response(await toBody(upstream.url), init);
      expect(toEndable(answer, REQUEST, keeper)).toBeInstanceOf(Response);
    }
  });
}

test("toEndable() finds the stream of an answer of another server, and of a copy of it", async () => {
  using upstream = Bun.serve({ port: 0, fetch: () => new Response(TEXT, INIT) });
  const answer = await fetch(upstream.url);
  const copy = answer.clone();
  for (const one of [answer, copy]) expect(toEndable(one, REQUEST, keeper)).toBeInstanceOf(Response);
});

test("toEndable() doesn't look closer at a Response whose bytes are there", () => {
  using inspect = spyOn(Bun, "inspect");
  for (const answer of [
    Response.json({ a: 1 }),
    new Response(TEXT),
    new Response("é€"),
    new Response(Buffer.from(TEXT)),
    new Response(TEXT, { status: 404, headers: { "content-type": "text/event-stream" } }),
    new Response(TEXT).clone(),
  ]) {
    expect(toEndable(answer, REQUEST, keeper)).toBeUndefined();
  }
  expect(inspect).not.toHaveBeenCalled();
});

test("toEndable() lets a Response be that has neither bytes nor a stream", () => {
  for (const body of [null, "", new Blob([TEXT]), Bun.file(import.meta.path), new URLSearchParams("a=1")]) {
    expect(toEndable(new Response(body), REQUEST, keeper)).toBeUndefined();
  }
});
