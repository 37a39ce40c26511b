import { expect, test } from "bun:test";
import {
  createPermissions,
  isGrant,
  isPermissionName,
  restrictPermissions,
} from "../../../src/accounts/rights/permission-set.ts";

const ROUNDS = 2000;
const WORDS = ["users", "roles", "a", "a_b", "user", "users_x", "x9"];

/** Numbers that look random and are the same in each run. */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
}

const random = createRandom(42);
const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T;
const randomName = (): string => `${pick(WORDS)}:${pick(WORDS)}`;
const randomGrant = (): string =>
  random(20) === 0 ? "*" : random(4) === 0 ? `${pick(WORDS)}:*` : randomName();

/** What has() must say, as directly as it can be put. */
function isCovered(granted: readonly string[], permission: string): boolean {
  const [resource] = permission.split(":");
  return granted.some((grant) => grant === "*" || grant === permission || grant === `${resource}:*`);
}

test("has() is true for what was granted, by name or wildcard, and nothing else", () => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const granted = Array.from({ length: random(5) }, randomGrant);
    const permissions = createPermissions(granted);
    for (const asked of [randomName(), randomGrant(), ...granted]) {
      const expected = isCovered(granted, asked);
      expect([granted, asked, permissions.has(asked)]).toEqual([granted, asked, expected]);
      expect(permissions.has(asked)).toBe(expected); // the kept answer
    }
  }
});

test("a set grows with its grants: more never takes away", () => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const granted = Array.from({ length: random(4) }, randomGrant);
    const more = createPermissions([...granted, randomGrant()]);
    const asked = randomGrant();
    if (createPermissions(granted).has(asked)) expect(more.has(asked)).toBe(true);
  }
});

test("restrictPermissions() has what both have", () => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const one = createPermissions(Array.from({ length: random(5) }, randomGrant));
    const other = createPermissions(Array.from({ length: random(5) }, randomGrant));
    const both = restrictPermissions(one, other.granted);
    const asked = randomGrant();
    expect(both.has(asked)).toBe(one.has(asked) && other.has(asked));
  }
});

test("what is no permission is never held, not even with *", () => {
  const all = createPermissions(["*"]);
  for (const asked of [
    "",
    "users",
    "users:",
    ":read",
    "users:read:x",
    "users.read",
    "Users:read",
    "users:read ",
    " users:read",
    "users:re*",
    "us*:read",
    "*:read",
    "*:*",
    "**",
    "users:read\n",
    "users:réad",
    "__proto__",
    "constructor",
    `a:${"b".repeat(200)}`,
  ]) {
    expect([asked, all.has(asked), isPermissionName(asked), isGrant(asked)]).toEqual([
      asked,
      false,
      false,
      false,
    ]);
  }
  expect(createPermissions(["users", "*:read", "users:re*", "", "*\n"]).granted).toEqual([]);
});

test("random text is matched without throwing, and only what has the form", () => {
  const letters = ["a", "z", "_", ":", "*", ".", "A", "0", " ", "\0", "é", "\u{1f600}"];
  const all = createPermissions(["*"]);
  for (let round = 0; round < ROUNDS * 5; round += 1) {
    const text = Array.from({ length: random(9) }, () => pick(letters)).join("");
    const isName = /^[a-z][a-z0-9_]*:[a-z][a-z0-9_]*$/.test(text);
    expect(isPermissionName(text)).toBe(isName);
    expect(all.has(text)).toBe(isName || text === "*" || /^[a-z][a-z0-9_]*:\*$/.test(text));
  }
});

test("granted is in order, once each; kept answers are bounded and stay right", () => {
  const permissions = createPermissions(["b:y", "a:*", "b:y"]);
  expect(permissions.granted).toEqual(["a:*", "b:y"]);
  for (let n = 0; n < 5000; n += 1) expect(permissions.has(`a:x${n}`)).toBe(true);
  for (let n = 0; n < 5000; n += 1) expect(permissions.has(`c:x${n}`)).toBe(false);
});
