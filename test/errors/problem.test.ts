import { expect, test } from "bun:test";
import { InvalidCookieSignature, NotFoundError, ParseError } from "elysia";
import { AppError } from "../../src/errors/errors.ts";
import { readFileSync } from "node:fs";
import { toAppError, toProblemResponse } from "../../src/errors/problem.ts";
import { toTitle } from "../../src/errors/titles.ts";

const request = { id: "id-1", path: "/a" };

class Unprintable {
  toString(): string {
    throw new Error("not even this");
  }
}

const unexpected: [string, unknown][] = [
  ["an Error", new Error("secret")],
  ["null", null],
  ["undefined", undefined],
  ["a string", "secret"],
  ["a frozen object", Object.freeze({ secret: "secret" })],
  ["an object without a prototype", Object.assign(Object.create(null), { secret: 1 })],
  ["an object that can't be printed", new Unprintable()],
  ["an Error with a status of its own", Object.assign(new Error("secret"), { status: 418, code: "secret" })],
];

test.each(unexpected)("toAppError() makes internal_error of %s and tells nothing", (_, thrown) => {
  const error = toAppError(thrown, { isDebug: false });
  expect(error).toMatchObject({ code: "internal_error", status: 500 });
  expect(error.message).not.toContain("secret");
  expect(error.cause).toBe(thrown);
});

test.each(unexpected)("toAppError() describes %s when debugging", (_, thrown) => {
  const error = toAppError(thrown, { isDebug: true });
  expect(error.message).toMatch(/^(Error: secret|Thrown: )/);
});

test("toAppError() knows the errors of Elysia", () => {
  const options = { isDebug: false };
  expect(toAppError(new NotFoundError(), options)).toMatchObject({ code: "not_found", status: 404 });
  expect(toAppError(new ParseError(), options)).toMatchObject({ code: "parse_error", status: 400 });
  expect(toAppError(new InvalidCookieSignature("sid"), options)).toMatchObject({
    code: "invalid_cookie",
    message: 'Cannot use cookie "sid": its signature is wrong',
  });
});

test("toAppError() returns an AppError as it is, also from within a ParseError", () => {
  const error = new AppError("payload_too_large", 413, "Cannot");
  expect(toAppError(error, { isDebug: false })).toBe(error);
  expect(toAppError(new ParseError(error), { isDebug: false })).toBe(error);
});

test("toProblemResponse() builds problem details (RFC 9457)", async () => {
  const response = toProblemResponse(new AppError("not_found", 404, "Cannot"), request);
  expect(response.status).toBe(404);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  expect(await response.json()).toEqual({
    type: "about:blank",
    title: "Not Found",
    status: 404,
    detail: "Cannot",
    instance: "/a",
    code: "not_found",
    request_id: "id-1",
  });
});

test("toProblemResponse() has a title in the language of the request, where there is one", async () => {
  const error = new AppError("not_found", 404, "Cannot");
  const french = toProblemResponse(error, { ...request, language: "fr" });
  expect([french.headers.get("content-language"), french.headers.get("vary")]).toEqual([
    "fr",
    "accept-language",
  ]);
  expect(await french.json()).toMatchObject({ title: "Introuvable", code: "not_found", detail: "Cannot" });
  for (const [status, language] of [
    [404, "de"],
    [418, "fr"],
    [404, "toString"],
  ] as const) {
    const other = toProblemResponse(new AppError("x", status, "Cannot"), { ...request, language });
    expect(other.headers.get("content-language")).toBeNull();
  }
});

test("every status of a code of xcore has its title in French", () => {
  const documented = readFileSync(`${import.meta.dir}/../../docs/errors.md`, "utf8");
  const statuses = new Set(
    [...documented.matchAll(/^\| `\w+` \| (\d{3}) \|/gm)].map(([, status]) => Number(status)),
  );
  expect(statuses.size).toBeGreaterThan(15);
  // Nobody hears of a 499, and no standard has a name for it.
  statuses.delete(499);
  expect([...statuses].filter((status) => toTitle(status, "fr").language !== "fr")).toEqual([]);
});

test("toProblemResponse() sends the error's headers, but its own content type", () => {
  const headers = { "Content-Type": "text/html", "Retry-After": "5" };
  const response = toProblemResponse(new AppError("x", 503, "Cannot", { headers }), request);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  expect(response.headers.get("retry-after")).toBe("5");
});

test("toProblemResponse() has a title for a status without a name", async () => {
  const response = toProblemResponse(new AppError("x", 499, "Cannot"), request);
  expect(await response.json()).toMatchObject({ title: "Error", status: 499 });
});
