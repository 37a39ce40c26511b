import { expect, test } from "bun:test";
import { LineBuffer, MAX_LINE } from "../../src/log/line-buffer.ts";

function createSink(): { chunks: string[]; next(): Promise<string>; write(lines: Buffer): void } {
  const chunks: string[] = [];
  let waiting = Promise.withResolvers<string>();
  return {
    chunks,
    next: () => waiting.promise,
    write(bytes) {
      const lines = bytes.toString();
      chunks.push(lines);
      waiting.resolve(lines);
      waiting = Promise.withResolvers();
    },
  };
}

function writeLine(bytes: Buffer, start: number, value: string): number {
  return start + bytes.write(`${value}\n`, start);
}

test("write() keeps lines in order when some are deferred", () => {
  const sink = createSink();
  const buffer = new LineBuffer<string>([sink], { writeLine });
  buffer.write("1\n", false);
  buffer.defer("2");
  buffer.write("3\n", false);
  expect(sink.chunks).toEqual([]);
  buffer.flush();
  buffer.flush();
  expect(sink.chunks).toEqual(["1\n2\n3\n"]);
});

test("defer() hands over when there are many lines, and after the delay", async () => {
  const sink = createSink();
  const buffer = new LineBuffer<string>([sink], { writeLine, limit: 182, delayMs: 1 });
  const values = Array.from({ length: 64 }, (_, index) => String(index));
  for (const value of values) buffer.defer(value);
  expect(sink.chunks).toEqual([`${values.join("\n")}\n`]);
  buffer.defer("last");
  expect(await sink.next()).toBe("last\n");
});

test("write() keeps what is longer than the buffer whole and in order", () => {
  const sink = createSink();
  const buffer = new LineBuffer<string>([sink], { writeLine, limit: 100 });
  const lines = ["é".repeat(500_000), "1", "é".repeat(MAX_LINE / 3), "€".repeat(MAX_LINE / 3), "2"];
  for (const line of lines) {
    buffer.defer(line.slice(0, 10));
    buffer.write(`${line}\n`, false);
  }
  buffer.flush();
  expect(sink.chunks.join("")).toBe(lines.map((line) => `${line.slice(0, 10)}\n${line}\n`).join(""));
});

test("write() hands over at once when a line is urgent or the buffer is full", () => {
  const sinks = [createSink(), createSink()];
  const buffer = new LineBuffer(sinks, { limit: 10 });
  buffer.write("1\n", false);
  buffer.write("2\n", true);
  buffer.write("123456789\n", false);
  for (const sink of sinks) expect(sink.chunks).toEqual(["1\n2\n", "123456789\n"]);
});

test("write() hands over after the delay when no other line follows", async () => {
  const sink = createSink();
  const buffer = new LineBuffer([sink], { delayMs: 1 });
  buffer.write("1\n", false);
  expect(await sink.next()).toBe("1\n");
  buffer.write("2\n", false);
  expect(await sink.next()).toBe("2\n");
  expect(sink.chunks).toEqual(["1\n", "2\n"]);
});
