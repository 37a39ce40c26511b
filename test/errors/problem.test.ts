import { expect, test } from "bun:test";
import { InvalidCookieSignature, NotFoundError, ParseError } from "elysia";
import { AppError } from "../../src/errors/errors.ts";
import { toAppError, toProblemResponse } from "../../src/errors/problem.ts";

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
