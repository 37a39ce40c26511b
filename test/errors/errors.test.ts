import { expect, test } from "bun:test";
import { AppError } from "../../src/errors/errors.ts";

test("AppError carries its code, status, errors, headers and cause", () => {
  const cause = new Error("below");
  const errors = [{ path: "/body/a", code: "required", message: "Required" }];
  const error = new AppError("conflict", 409, "Cannot", { cause, errors, headers: { "retry-after": "1" } });
  expect(error).toMatchObject({ name: "AppError", code: "conflict", status: 409, message: "Cannot", errors });
  expect(error.headers).toEqual({ "retry-after": "1" });
  expect(error.cause).toBe(cause);
  expect("cause" in new AppError("conflict", 409, "Cannot")).toBe(false);
});

test.each([200, 302, 399, 600, 404.5, Number.NaN, -1])(
  "AppError throws a RangeError for status %p",
  (status) => {
    expect(() => new AppError("conflict", status, "Cannot")).toThrow(RangeError);
  },
);
