import { expect } from "bun:test";
import pino from "pino";
import { RedisConnection, type RedisConnectionOptions } from "../../../src/cache/redis/connection.ts";
import { RedisReplyError, RedisUnavailableError } from "../../../src/cache/redis/errors.ts";
import { PrivateServer } from "../../faults/private-server.ts";
import { testWithProgram } from "../../programs.ts";

const PASSWORD = /s3cret/;
const TIMEOUT_MS = 250;
const SLACK_MS = 2000; // other tests run beside it

const test = (name: string, run: () => Promise<void>): void => testWithProgram("redis-server", name, run);

interface Line {
  readonly level: number;
  readonly msg: string;
}

/** A connection with its log, closed at the end of a test. */
class TestConnection extends RedisConnection implements Disposable {
  readonly lines: Line[];

  private constructor(options: RedisConnectionOptions, lines: Line[]) {
    super(options);
    this.lines = lines;
  }

  static open(url: string, options: Partial<RedisConnectionOptions> = {}): TestConnection {
    const lines: Line[] = [];
    const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line) as Line) });
    return new TestConnection({ url, name: "test", log, timeoutMs: TIMEOUT_MS, ...options }, lines);
  }

  get(key: string): Promise<string | null> {
    return this.run((client) => client.get(key));
  }

  set(key: string, value: string): Promise<unknown> {
    return this.run((client) => client.set(key, value));
  }

  /** Resolves when it has lost its connection, at once where it has none. */
  lost(): Promise<void> {
    return new Promise((resolve) => {
      if (!this.isConnected) resolve();
      else this.onLoss(resolve);
    });
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** How long it took to fail, for Redis being away. */
async function tookMs(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  const error = await work().catch((thrown: unknown) => thrown);
  const ms = performance.now() - startedAt;
  expect(error).toBeInstanceOf(RedisUnavailableError);
  return ms;
}

test("RedisConnection connects when it is first needed, and answers", async () => {
  await using server = await PrivateServer.start("redis");
  using redis = TestConnection.open(server.url);
  expect(redis.isConnected).toBe(false);
  await redis.set("greeting", "hello");
  expect(redis.isConnected).toBe(true);
  expect(await redis.get("greeting")).toBe("hello");
  expect(redis.lines).toEqual([]);
});

test("RedisConnection.run() tells what Redis answers with, and stays connected", async () => {
  await using server = await PrivateServer.start("redis");
  using redis = TestConnection.open(server.url);
  await redis.set("text", "hello");
  const error = await redis.run((client) => client.lPush("text", "x")).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(RedisReplyError);
  expect(error).toMatchObject({ code: "WRONGTYPE" });
  expect(redis.isConnected).toBe(true);
});

test("RedisConnection fails at once while nobody listens, says so once, and is back by itself", async () => {
  await using server = await PrivateServer.start("redis");
  await server.kill();
  using redis = TestConnection.open(server.url);
  expect(await tookMs(() => redis.get("x"))).toBeLessThan(TIMEOUT_MS + SLACK_MS);
  expect(redis.lines).toHaveLength(1);
  const times = await Promise.all(Array.from({ length: 100 }, () => tookMs(() => redis.get("x"))));
  expect(Math.max(...times)).toBeLessThan(TIMEOUT_MS);
  await server.restart();
  await redis.whenConnected();
  expect(await redis.run((client) => client.ping())).toBe("PONG");
  expect(redis.lines.map(({ level, msg }) => [level, msg])).toEqual([
    [40, "Redis is away: it refuses connections; trying again"],
    [30, "Redis is back"],
  ]);
});

test("RedisConnection fails within its time when Redis is frozen, then at once, and is back when it thaws", async () => {
  await using server = await PrivateServer.start("redis");
  using redis = TestConnection.open(server.url);
  await redis.set("x", "1");
  server.freeze();
  const first = await Promise.all(Array.from({ length: 100 }, () => tookMs(() => redis.get("x"))));
  expect(Math.max(...first)).toBeLessThan(TIMEOUT_MS + SLACK_MS);
  const next = await Promise.all(Array.from({ length: 100 }, () => tookMs(() => redis.get("x"))));
  expect(Math.max(...next)).toBeLessThan(TIMEOUT_MS);
  server.thaw();
  await redis.whenConnected();
  expect(await redis.get("x")).toBe("1");
  expect(redis.lines.map(({ msg }) => msg)).toEqual([
    "Redis is away: it didn't answer within 250 ms; trying again",
    "Redis is back",
  ]);
});

test("RedisConnection doesn't wait for longer when Redis is frozen before the first command", async () => {
  await using server = await PrivateServer.start("redis");
  server.freeze();
  using redis = TestConnection.open(server.url);
  expect(await tookMs(() => redis.get("x"))).toBeLessThan(TIMEOUT_MS + SLACK_MS);
  expect(await tookMs(() => redis.get("x"))).toBeLessThan(TIMEOUT_MS);
  server.thaw();
});

test("RedisConnection under load outlasts Redis being killed and started again", async () => {
  await using server = await PrivateServer.start("redis");
  using redis = TestConnection.open(server.url);
  await redis.set("x", "1");
  let isOver = false;
  let longestMs = 0;
  const unexpected: unknown[] = [];
  const work = async (): Promise<void> => {
    while (!isOver) {
      const startedAt = performance.now();
      // oxlint-disable-next-line no-await-in-loop -- a client asks one after the other
      await redis.get("x").catch((error: unknown) => {
        if (!(error instanceof RedisUnavailableError)) unexpected.push(error);
      });
      longestMs = Math.max(longestMs, performance.now() - startedAt);
      // oxlint-disable-next-line no-await-in-loop -- what fails at once would hold the event loop
      await new Promise(setImmediate);
    }
  };
  const workers = Array.from({ length: 20 }, work);
  for (let round = 0; round < 3; round++) {
    const lost = redis.lost();
    // oxlint-disable-next-line no-await-in-loop -- one outage after another
    await server.kill();
    // oxlint-disable-next-line no-await-in-loop
    await lost;
    // oxlint-disable-next-line no-await-in-loop
    await server.restart();
    // oxlint-disable-next-line no-await-in-loop
    await redis.whenConnected();
  }
  isOver = true;
  await Promise.all(workers);
  expect(unexpected).toEqual([]);
  expect(longestMs).toBeLessThan(TIMEOUT_MS + SLACK_MS);
  expect(redis.lines.filter(({ level }) => level === 40)).toHaveLength(3);
  expect(redis.lines.filter(({ level }) => level === 30)).toHaveLength(3);
});

test("RedisConnection doesn't take Redis for away when it was the event loop that was held", async () => {
  await using server = await PrivateServer.start("redis");
  using redis = TestConnection.open(server.url);
  await redis.set("x", "1");
  const answer = redis.get("x");
  await new Promise(setImmediate); // until it is sent
  Bun.sleepSync(TIMEOUT_MS * 2);
  expect(await answer).toBe("1");
  expect(redis.lines).toEqual([]);
});

test("RedisConnection waits for a command that may take longer, and keeps the connection meanwhile", async () => {
  await using server = await PrivateServer.start("redis");
  using redis = TestConnection.open(server.url);
  await redis.whenConnected();
  const slow = redis.run((client) => client.blPop("nothing", 0.6), { timeoutMs: 5000 });
  // It stands behind the slow one.
  expect(await tookMs(() => redis.get("x"))).toBeLessThan(TIMEOUT_MS + SLACK_MS);
  expect(await slow).toBe(null);
  expect(redis.isConnected).toBe(true);
  expect(redis.lines).toEqual([]);
});

test("RedisConnection says why it is refused, without the password", async () => {
  await using server = await PrivateServer.start("redis");
  const url = new URL(server.url);
  url.password = "s3cret-but-wrong";
  using redis = TestConnection.open(url.href);
  const error = await redis.get("x").catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(RedisUnavailableError);
  expect((error as RedisUnavailableError).reason).toContain("WRONGPASS");
  expect(redis.lines).toHaveLength(1);
  expect(redis.lines[0]?.msg).toContain("WRONGPASS");
  expect(JSON.stringify(redis.lines) + Bun.inspect(error)).not.toMatch(PASSWORD);
});

test("RedisConnection.onConnect() subscribes again on each connection, beside commands", async () => {
  await using server = await PrivateServer.start("redis");
  using redis = TestConnection.open(server.url);
  using other = TestConnection.open(server.url, { name: "other" });
  let received = Promise.withResolvers<string>();
  redis.onConnect((client) => client.subscribe("news", (message) => received.resolve(message)));
  await redis.whenConnected();
  for (const message of ["first", "second", "third"]) {
    received = Promise.withResolvers();
    // oxlint-disable-next-line no-await-in-loop -- one connection after another
    await other.run((client) => client.publish("news", message));
    // oxlint-disable-next-line no-await-in-loop
    expect(await received.promise).toBe(message);
    // oxlint-disable-next-line no-await-in-loop
    expect(await redis.run((client) => client.ping())).toBe("PONG");
    const lost = redis.lost();
    // oxlint-disable-next-line no-await-in-loop
    await other.run((client) => client.sendCommand(["CLIENT", "KILL", "TYPE", "pubsub"]));
    // oxlint-disable-next-line no-await-in-loop
    await lost;
    // oxlint-disable-next-line no-await-in-loop
    await redis.whenConnected();
  }
});

test("RedisConnection.onInvalidate() tells which keys changed that were read", async () => {
  await using server = await PrivateServer.start("redis");
  using redis = TestConnection.open(server.url, { tracksReads: true });
  using other = TestConnection.open(server.url);
  const changed = Promise.withResolvers<string | null>();
  redis.onInvalidate(changed.resolve);
  await redis.get("x");
  await other.set("y", "1");
  await other.set("x", "1");
  expect(await changed.promise).toBe("x");
});

test("RedisConnection.close() fails what is under way and what comes, and makes no line", async () => {
  await using server = await PrivateServer.start("redis");
  const redis = TestConnection.open(server.url);
  await redis.whenConnected();
  server.freeze();
  const pending = redis.get("x");
  redis.close();
  expect(await pending.catch((error: unknown) => error)).toBeInstanceOf(RedisUnavailableError);
  expect(await tookMs(() => redis.get("x"))).toBeLessThan(TIMEOUT_MS);
  expect(redis.lines).toEqual([]);
  server.thaw();
});

test("RedisConnection.close() ends the tries to connect", async () => {
  await using server = await PrivateServer.start("redis");
  await server.kill();
  const redis = TestConnection.open(server.url);
  await tookMs(() => redis.get("x"));
  redis.close();
  await server.restart();
  using other = TestConnection.open(server.url, { name: "other" });
  const clients = await other.run((client) => client.sendCommand(["CLIENT", "LIST"]));
  expect(clients).not.toContain("name=xcore-test");
});
