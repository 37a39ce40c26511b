import { expect, test } from "bun:test";
import { Gathering } from "../../src/cluster/gathering.ts";

test("Gathering tells the first at once, and each of those that follow once", async () => {
  const told: (readonly string[])[] = [];
  const later = Promise.withResolvers<void>();
  const gathering = new Gathering((names) => {
    told.push(names);
    if (told.length === 2) later.resolve();
  });
  gathering.add(["a"]);
  expect(told).toEqual([["a"]]);
  gathering.add(["b", "c"]);
  gathering.add(["b", "a"]);
  await later.promise;
  expect(told).toEqual([["a"], ["b", "c", "a"]]);
  gathering.close();
});

test("Gathering.close() tells what waits", () => {
  const told: (readonly string[])[] = [];
  const gathering = new Gathering((names) => void told.push(names));
  gathering.add(["a"]);
  gathering.add(["b"]);
  gathering.close();
  expect(told).toEqual([["a"], ["b"]]);
});
