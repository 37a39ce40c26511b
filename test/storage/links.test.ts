import { expect, test } from "bun:test";
import { Links } from "../../src/storage/serving/links.ts";

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const links = new Links(new Uint8Array(32));
const id = Bun.randomUUIDv7();

test("a link is good as it was made, and not with another letter anywhere", () => {
  const { searchParams } = new URL(links.make(id, 60), "http://own.example");
  const expires = Number(searchParams.get("expires"));
  const signature = searchParams.get("signature") ?? "";
  const isGood = (given: string): boolean => {
    try {
      return links.check({ id, expires, signature: given }) > 0;
    } catch {
      return false;
    }
  };
  expect(isGood(signature)).toBe(true);
  const changed = Array.from(signature).flatMap((letter, at) =>
    Array.from(LETTERS)
      .filter((other) => other !== letter)
      .map((other) => signature.slice(0, at) + other + signature.slice(at + 1)),
  );
  const others = [`${signature}=`, `${signature}!`, ` ${signature}`, signature.slice(1), ""];
  expect([...changed, ...others].filter(isGood)).toEqual([]);
});
