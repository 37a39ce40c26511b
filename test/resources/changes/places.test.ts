import { expect, test } from "bun:test";
import { toPauseMs } from "../../../src/resources/changes/hub.ts";
import { Places } from "../../../src/resources/changes/places.ts";
import { EVERYTHING, testCrm } from "../crm.ts";

const codeOf = (take: () => unknown): unknown => {
  try {
    take();
    return null;
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
};

test("Places are for each account, for nobody known, and in all, and are given back once", () => {
  const places = new Places({ all: 50, ofUser: 20, ofUnknown: 30 });
  const taken = Array.from({ length: 20 }, () => places.take(1, false));
  expect(codeOf(() => places.take(1, false))).toBe("rate_limited");
  expect(codeOf(() => places.take(2, false))).toBeNull();
  const [first] = taken;
  first?.();
  first?.();
  expect(codeOf(() => places.take(1, false))).toBeNull();
  expect(codeOf(() => places.take(1, false))).toBe("rate_limited");
  for (let count = 21; count < 50; count += 1) places.take(null, false);
  expect(codeOf(() => places.take(3, false))).toBe("too_many_streams");
});

test("Places with a filter are a tenth of all", () => {
  const places = new Places({ all: 50, ofUser: 20, ofUnknown: 30 });
  const leave = places.take(1, true);
  places.take(1, true);
  expect(codeOf(() => places.take(1, true))).toBe("rate_limited");
  expect(codeOf(() => places.take(1, false))).toBeNull();
  for (let count = 2; count < 5; count += 1) places.take(null, true);
  expect(codeOf(() => places.take(2, true))).toBe("too_many_streams");
  expect(codeOf(() => places.take(2, false))).toBeNull();
  leave();
  expect(codeOf(() => places.take(1, true))).toBeNull();
});

test("toPauseMs() is longer for many who follow, and for many who see different rows", () => {
  expect([toPauseMs(1, 1), toPauseMs(1000, 1), toPauseMs(1000, 1001), toPauseMs(10_000, 10_001)]).toEqual([
    5.05, 50, 100, 550,
  ]);
  expect(toPauseMs(10_000, 100_000)).toBe(550);
});

testCrm("who follows with too many filters is refused, until others have ended", async (crm) => {
  const ada = await crm.user("ada@example.com", EVERYTHING);
  const bob = await crm.user("bob@example.com", EVERYTHING);
  const aborts: AbortController[] = [];
  /** Whoever follows: a stream that nothing refers to ends once its answer is collected. */
  const followers: Response[] = [];
  const follow = async (user: typeof ada, query: string, method = "GET"): Promise<Response> => {
    const abort = new AbortController();
    aborts.push(abort);
    const path = `/crm/deals/changes${query}`;
    const answer = await crm.app.fetch(path, { method, headers: user.headers, signal: abort.signal });
    followers.push(answer);
    return answer;
  };
  /** Reads the answer: one that isn't read keeps its connection, of which a process has 256. */
  const statusOf = async (query: string): Promise<number> => {
    const answer = await follow(ada, query);
    if (answer.status !== 200) await answer.text();
    return answer.status;
  };
  // What isn't followed takes no place.
  for (let count = 0; count < 101; count += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    await (await follow(ada, "?amount.gt=1", "HEAD")).arrayBuffer();
    // oxlint-disable-next-line no-await-in-loop
    expect(await statusOf("?filter=nope")).toBe(422);
  }
  for (let count = 0; count < 100; count += 1) {
    // oxlint-disable-next-line no-await-in-loop
    expect([count, (await follow(ada, `?amount.gt=${count}`)).status]).toEqual([count, 200]);
  }
  const refused = await follow(ada, "?amount.gt=1000");
  expect([refused.status, refused.headers.get("retry-after"), await refused.json()]).toMatchObject([
    429,
    "10",
    {
      code: "rate_limited",
      detail: "Cannot follow changes: You have 100 streams with filters already, end others first",
    },
  ]);
  expect((await follow(ada, "")).status).toBe(200);
  expect((await follow(bob, "?amount.gt=1000")).status).toBe(200);
  for (const abort of aborts.slice(0, -3)) abort.abort();
  // It is told of their going a moment later.
  while ((await statusOf("?amount.gt=1000")) === 429);
  for (const abort of aborts) abort.abort();
});
