import { expect, test } from "bun:test";
import { Writable } from "node:stream";
import { ConsoleSink } from "../../src/log/console-sink.ts";

/** A reader that takes nothing until it is told to. */
class Stalled extends Writable {
  text = "";
  #waiting: (() => void)[] = [];

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    this.#waiting.push(done);
  }

  async goOn(): Promise<void> {
    while (this.#waiting.length > 0) {
      for (const done of this.#waiting.splice(0)) done();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

test("write() drops lines and says how many when the reader stalls", async () => {
  const stream = new Stalled();
  const lost: number[] = [];
  const sink = new ConsoleSink(stream, { onCatchUp: (lostLines) => lost.push(lostLines), limit: 10 });
  sink.write(Buffer.from("0123456789\n"));
  sink.write(Buffer.from("a\nb\n"));
  sink.write(Buffer.from("c\n"));
  await stream.goOn();
  expect(lost).toEqual([3]);
  sink.write(Buffer.from("d\n"));
  await stream.goOn();
  expect(stream.text).toBe("0123456789\nd\n");
  expect(lost).toEqual([3]);
});

test("drained() waits for the reader, and no longer than it is told", async () => {
  const stream = new Stalled();
  const sink = new ConsoleSink(stream, { onCatchUp: () => undefined });
  await sink.drained();
  sink.write(Buffer.from("a\n"));
  await sink.drained(1);
  let isDrained = false;
  const drained = sink.drained(60_000).then(() => (isDrained = true));
  await new Promise((resolve) => setImmediate(resolve));
  expect(isDrained).toBe(false);
  await stream.goOn();
  await drained;
});

test("write() ends the console quietly when the stream is destroyed or throws", async () => {
  const stream = new Stalled();
  const sink = new ConsoleSink(stream, { onCatchUp: () => undefined });
  stream.destroy(Object.assign(new Error("gone"), { code: "EPIPE" }));
  await new Promise((resolve) => setImmediate(resolve));
  sink.write(Buffer.from("a\n"));
  await sink.drained();
  expect(stream.text).toBe("");

  const broken = new Stalled();
  broken.write = () => {
    throw new Error("hostile");
  };
  new ConsoleSink(broken, { onCatchUp: () => undefined }).write(Buffer.from("a\n"));
});

test("close() lets go of the stream and of those who wait", async () => {
  const stream = new Stalled();
  const sink = new ConsoleSink(stream, { onCatchUp: () => undefined });
  sink.write(Buffer.from("a\n"));
  const drained = sink.drained(60_000);
  sink.close();
  await drained;
  sink.write(Buffer.from("b\n"));
  await stream.goOn();
  expect(stream.text).toBe("a\n");
  expect(stream.listenerCount("error")).toBe(0);
  expect(stream.writableEnded).toBe(false);
});
