import { describe, expect, test } from "bun:test";
import { AppError } from "../../src/errors/errors.ts";
import { createRedactor, redactText } from "../../src/log/redact.ts";

const redact = createRedactor();

describe("secrets", () => {
  test.each([
    "password",
    "Password",
    "password_hash",
    "new_password",
    "smtpPassword",
    "secret",
    "client_secret",
    "token",
    "access_token",
    "refreshToken",
    "authorization",
    "Proxy-Authorization",
    "cookie",
    "Set-Cookie",
    "api_key",
    "x-api-key",
    "jwt_secret_key",
    "credentials",
    "private_key",
    "recovery_codes",
    "otp",
  ])("redact() hides %p at any depth", (key) => {
    expect(redact({ a: [{ [key]: "hunter2" }], [key]: ["hunter2"] })).toEqual({
      a: [{ [key]: "[redacted]" }],
      [key]: "[redacted]",
    });
  });

  test.each(["token_type", "password_changed_at", "author", "monkey", "passenger", "secretary", "keyboard"])(
    "redact() shows %p",
    (key) => {
      expect(redact({ [key]: "shown" })).toEqual({ [key]: "shown" });
    },
  );

  test("redact() shows whether a secret is set when it is not", () => {
    expect(redact({ password: null, token: true })).toEqual({ password: null, token: true });
  });

  test("redact() hides secrets in headers, maps and what toJSON gives", () => {
    const headers = new Headers({ authorization: "Bearer x", accept: "a/b" });
    expect(redact({ headers })).toEqual({ headers: { authorization: "[redacted]", accept: "a/b" } });
    expect(redact(new Map([["token", "x"]]))).toEqual({ token: "[redacted]" });
    expect(redact({ toJSON: () => ({ token: "x" }) })).toEqual({ token: "[redacted]" });
  });

  test.each([
    ["postgres://user:pass@host/db", "postgres://[redacted]@host/db"],
    ["redis://:pass@host", "redis://[redacted]@host"],
    ["https://ghp_token@github.com/a", "https://[redacted]@github.com/a"],
    ["mysql://u:p@ss@host/db?a=b", "mysql://[redacted]@host/db?a=b"],
    ["postgres://user:p/a?s#s@host/db", "postgres://[redacted]@host/db"],
    ["sent Authorization: Bearer hunter2.x-y_z== to it", "sent Authorization: Bearer [redacted] to it"],
    ["authorization='Basic dTpodW50ZXIy'", "authorization='Basic [redacted]'"],
    ["BEARER hunter2", "BEARER [redacted]"],
    ["Basic authentication, a bearer of news", "Basic authentication, a bearer of news"],
    ['open "redis://u:p@h", then amqp://u:p@h.', 'open "redis://[redacted]@h", then amqp://[redacted]@h.'],
    ["http://localhost:8000/users/a@b.c", "http://localhost:8000/users/a@b.c"],
    ["https://example.com/@scope?to=a@b.c", "https://example.com/@scope?to=a@b.c"],
    ["mail a@b.c", "mail a@b.c"],
    ['said {"password":"x, y","n":1}', 'said {"password":[redacted],"n":1}'],
    [
      '{"credentials":["a",{"b":"]"}],"apiKey": {"value":"s"}}',
      '{"credentials":[redacted],"apiKey": [redacted]}',
    ],
    [
      '{"token":null,"secret":true} wrong password: try "again"',
      '{"token":null,"secret":true} wrong password: try "again"',
    ],
    ['{"token":"never ends', '{"token":[redacted]'],
    ["wss://h/socket?a=1&ticket=xt_AbC-_1&b=2", "wss://h/socket?a=1&ticket=[redacted]&b=2"],
    ["/support?ticket=42", "/support?ticket=42"],
  ])("redactText(%p) is %p", (text, expected) => {
    expect(redactText(text)).toBe(expected);
    expect(redact(new URL("postgres://user:pass@host/db"))).toBe("postgres://[redacted]@host/db");
  });

  test("redactText() is fast when a long text looks like URLs all over", () => {
    const startedAt = performance.now();
    for (const piece of ['"token":"', '"token":[', "a://b:c", "://", "://x:y@", "a://", ":"])
      redactText(piece.repeat(200_000));
    expect(performance.now() - startedAt).toBeLessThan(1000);
  });

  test("redactText() keeps no half of a password when it cuts a long text there", () => {
    for (const length of [16_360, 16_370, 16_380]) {
      expect(redactText(`${"x".repeat(length)} db://user:hunter2@host ${"y".repeat(99)}`)).not.toContain(
        "hunt",
      );
    }
  });
});

describe("errors", () => {
  test("redact() writes type, message, code, stack and cause when given an error", () => {
    const cause = new TypeError("postgres://u:p@h refused");
    const error = new AppError("conflict", 409, "Cannot save", { cause });
    expect(redact({ err: error })).toEqual({
      err: {
        type: "AppError",
        message: "Cannot save",
        code: "conflict",
        stack: expect.stringContaining("redact.test.ts"),
        cause: {
          type: "TypeError",
          message: "postgres://[redacted]@h refused",
          stack: expect.not.stringContaining("u:p"),
        },
      },
    });
  });

  test("redact() writes the errors of an AggregateError", () => {
    const error = new AggregateError([new Error("one"), "two"], "both");
    expect(redact(error)).toMatchObject({ type: "AggregateError", errors: [{ message: "one" }, "two"] });
  });

  test("redact() maps stacks, and keeps them when the mapping throws", () => {
    const error = new Error("broken");
    const map = createRedactor({ mapStack: (stack) => `mapped ${stack.length}` });
    expect(map(error)).toMatchObject({ stack: `mapped ${error.stack?.length}` });
    const fail = createRedactor({
      mapStack: () => {
        throw new Error("no map");
      },
    });
    expect(fail(error)).toMatchObject({ stack: error.stack });
  });

  test("redact() survives an error that is its own cause or hides its fields", () => {
    const loop = new Error("loop");
    loop.cause = loop;
    expect(redact(loop)).toMatchObject({ message: "loop", cause: "[circular]" });
    const hidden = new Error("x");
    for (const key of ["message", "stack", "name", "cause"]) {
      Object.defineProperty(hidden, key, {
        get() {
          throw new Error("hidden");
        },
      });
    }
    expect(redact(hidden)).toMatchObject({ message: "[unreadable]" });
  });
});

describe("values that JSON refuses", () => {
  test("redact() copies a shared object twice and a cycle once", () => {
    const shared = { a: 1 };
    const value: Record<string, unknown> = { one: shared, two: shared };
    value["self"] = value;
    expect(redact(value)).toEqual({ one: { a: 1 }, two: { a: 1 }, self: "[circular]" });
  });

  test("redact() turns what JSON lacks into text", () => {
    const value = {
      big: 10n ** 20n,
      symbol: Symbol("s"),
      bytes: new Uint8Array(3),
      set: new Set([1n]),
      at: new Date(0),
    };
    expect(redact({ ...value, fn: () => 1 })).toEqual({
      big: "100000000000000000000",
      symbol: "Symbol(s)",
      bytes: "[3 bytes]",
      set: ["1"],
      at: "1970-01-01T00:00:00.000Z",
      fn: undefined,
    });
  });

  test("redact() goes on when a getter, toJSON or a proxy throws", () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const value = {
      get bad(): never {
        throw new Error("getter");
      },
      json: {
        toJSON(): never {
          throw new Error("toJSON");
        },
      },
      proxy,
      good: 1,
    };
    expect(redact(value)).toEqual({
      bad: "[unreadable]",
      json: "[unreadable]",
      proxy: "[unreadable]",
      good: 1,
    });
  });

  test("redact() ends when toJSON and getters make new objects without end", () => {
    const endless = (): object => ({
      toJSON: endless,
      get next() {
        return endless();
      },
    });
    expect(JSON.stringify(redact(endless())).length).toBeLessThan(1000);
    expect(
      redact({
        toJSON() {
          return this;
        },
        a: 1,
      }),
    ).toEqual({ a: 1 });
  });

  test("redact() bounds depth, breadth and length", () => {
    let deep: object = {};
    for (let index = 0; index < 10_000; index++) deep = { deep };
    const wide = Object.fromEntries(Array.from({ length: 50_000 }, (_, index) => [`k${index}`, { index }]));
    const long = Array.from({ length: 50_000 }, () => ({}));
    for (const value of [deep, wide, long, "x".repeat(1_000_000), { ["k".repeat(1_000_000)]: 1 }]) {
      expect(JSON.stringify(redact(value)).length).toBeLessThan(40_000);
    }
    expect(redact("x".repeat(16_385))).toBe(`${"x".repeat(16_384)}… [1 more characters]`);
  });

  test("redact() copies a key named __proto__ without touching any prototype", () => {
    const copy = redact(JSON.parse('{"__proto__": {"polluted": true}}'));
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype);
    expect(JSON.stringify(copy)).toBe('{"__proto__":{"polluted":true}}');
  });
});
