import { expect, test } from "bun:test";
import pino from "pino";
import { Presence } from "../../src/log/presence.ts";

test("Presence says once that a server is away, and once that all connections have it back", () => {
  const lines: { level: number; msg: string }[] = [];
  const presence = new Presence(pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) }));
  const said = (): string[] => lines.splice(0).map(({ msg }) => msg);
  const redis = { product: "Redis", server: "localhost:6379", name: "one" };
  const other = { ...redis, server: "localhost:6380" };
  const [first, second, third] = [{}, {}, {}];
  presence.lose(first, redis, "it refuses connections");
  presence.lose(second, redis, "it refuses connections");
  presence.lose(third, other, "it closed the connection");
  expect(said()).toEqual([
    "Redis is away: it refuses connections; trying again",
    "Redis is away: it closed the connection; trying again",
  ]);
  presence.find(first, redis);
  expect(said()).toEqual([]);
  presence.find(second, redis);
  presence.find(second, redis);
  expect(said()).toEqual(["Redis is back"]);
  // One that is closed is waited for no more, and what is closed doesn't know whether it is back.
  presence.lose(first, redis, "it refuses connections");
  presence.lose(second, redis, "it refuses connections");
  presence.leave(second, redis);
  presence.find(first, redis);
  presence.leave(third, other);
  expect(said()).toEqual(["Redis is away: it refuses connections; trying again", "Redis is back"]);
});
