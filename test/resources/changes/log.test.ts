import { expect, test } from "bun:test";
import { ChangeLog, readPosition } from "../../../src/resources/changes/log.ts";
import { Subscriber } from "../../../src/resources/changes/subscriber.ts";

const notices = (...keys: number[]) => keys.map((key) => ({ key, before: null }));

function keysSince(log: ChangeLog, id: string): unknown {
  const position = readPosition(id);
  return position === null ? null : (log.since(position)?.map(({ key }) => key) ?? null);
}

test("ChangeLog tells what each process has noted since an id, and nothing where it doesn't know", () => {
  const log = new ChangeLog("a", 7);
  const start = log.end;
  expect(start).toBe("a:7");
  expect(log.add("a", 8, notices(1, 2))).toBe(true);
  const middle = log.end;
  expect(log.add("b", 41, notices(3))).toBe(true);
  expect(log.add("a", 10, notices(4))).toBe(true);
  expect(keysSince(log, middle)).toBeNull(); // of b, whatever was before 41 isn't known
  expect(keysSince(log, "a:9,b:40")).toEqual([3, 4]);
  expect(keysSince(log, log.end)).toEqual([]);
  expect(keysSince(log, "a:6,b:40")).toBeNull();
  expect(keysSince(log, "a:9,b:40,c:1")).toBeNull();
  for (const id of ["", "a", "a:-1", "a:1,", "a b:1", `a:${"9".repeat(16)}`])
    expect(readPosition(id)).toBeNull();
});

test("ChangeLog notices that something is missing", () => {
  const log = new ChangeLog("a", 0);
  log.meet("b", 5);
  const before = log.end;
  expect(log.add("b", 7, notices(1))).toBe(false);
  expect(log.meet("b", 7)).toBe(false);
  log.jump("b", 7);
  log.clear();
  expect(keysSince(log, before)).toBeNull();
  const after = log.end;
  expect(log.add("b", 8, notices(2))).toBe(true);
  expect(keysSince(log, after)).toEqual([2]);
  log.clear();
  expect(keysSince(log, after)).toBeNull();
});

test("ChangeLog keeps the latest 5,000", () => {
  const log = new ChangeLog("a", 0);
  log.add("a", 1, notices(...Array.from({ length: 5002 }, (_, key) => key)));
  expect(keysSince(log, "a:1")).toBeNull();
  expect(keysSince(log, "a:2")).toHaveLength(5000);
});

test("Subscriber ends for whoever doesn't read, and keeps nothing for them", async () => {
  let ends = 0;
  const subscriber = new Subscriber(() => (ends += 1));
  subscriber.open(Buffer.from("first"));
  const chunk = new Uint8Array(300 * 1024);
  for (let told = 0; told < 10; told += 1) subscriber.tell(chunk);
  expect(ends).toBe(1);
  const reader = subscriber.stream.getReader();
  expect(await reader.read()).toMatchObject({ done: true });
});

test("Subscriber tells what was told meanwhile behind what it begins with, at once", async () => {
  const subscriber = new Subscriber(() => {});
  const reader = subscriber.stream.getReader();
  const first = reader.read();
  subscriber.tell(Buffer.from("b"));
  subscriber.tell(Buffer.from("c"));
  subscriber.open(Buffer.from("a"));
  expect(Buffer.from((await first).value ?? []).toString()).toBe("abc");
  const next = reader.read();
  subscriber.end();
  expect(await next).toMatchObject({ done: true });
});
