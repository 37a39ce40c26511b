import { expect, test } from "bun:test";
import { DatabaseError } from "../../../src/db/contract/database-error.ts";
import {
  bigintValues,
  booleanValues,
  type ColumnValues,
  dateValues,
  decimalValues,
  integerValues,
  jsonValues,
  textValues,
  timestampValues,
  uuidValues,
  varcharValues,
} from "../../../src/db/schema/column-values.ts";
import { toFittingDecimal, toRoundedDecimal } from "../../../src/db/schema/decimal-text.ts";

test.each([
  ["1", "1.00"],
  ["-1.5", "-1.50"],
  ["+01.50", "1.50"],
  [".5", "0.50"],
  ["5.", "5.00"],
  ["1.5000", "1.50"],
  ["-0", "0.00"],
  ["-0.00", "0.00"],
  ["999.99", "999.99"],
  ["0999.99", "999.99"],
  [1.5, "1.50"],
  [0.1, "0.10"],
  [-0, "0.00"],
  ["1000", null],
  ["1.001", null],
  [0.1 + 0.2, null],
  [1e21, null],
  [1e-7, null],
  [Number.NaN, null],
  [Number.POSITIVE_INFINITY, null],
  ["", null],
  [".", null],
  ["-", null],
  ["1,5", null],
  ["1e1", null],
  [" 1", null],
  ["1\n", null],
  ["١", null],
  [null, null],
  [undefined, null],
  [{}, null],
])("toFittingDecimal(%p) of decimal(5, 2) is %p", (value, expected) => {
  expect(toFittingDecimal(value, 5, 2)).toBe(expected);
});

test("toFittingDecimal() takes numbers whose text has an exponent", () => {
  expect(toFittingDecimal(1e-7, 10, 8)).toBe("0.00000010");
  expect(toFittingDecimal(1e21, 30, 2)).toBe("1000000000000000000000.00");
  expect(toFittingDecimal(-2.5e-7, 10, 7)).toBeNull();
});

test.each([
  ["1", 2, "1.00"],
  ["1.005", 2, "1.01"],
  ["-1.005", 2, "-1.01"],
  ["1.0049", 2, "1.00"],
  ["999.995", 2, "1000.00"],
  ["0.005", 2, "0.01"],
  ["-0.004", 2, "0.00"],
  ["9.5", 0, "10"],
  ["12345678901234567.895", 2, "12345678901234567.90"],
  ["NaN", 2, null],
])("toRoundedDecimal(%p, %p) is %p", (value, scale, expected) => {
  expect(toRoundedDecimal(value, scale)).toBe(expected);
});

test("decimals of up to 15 digits are read exactly from doubles", () => {
  const { decode } = decimalValues(15, 2);
  for (const text of ["9999999999999.99", "-9999999999999.99", "0.01", "1234567890123.45", "0.10", "0.00"]) {
    expect(decode?.(Number(text))).toBe(text);
  }
  expect(decode?.(-0.001)).toBe("0.00");
  expect(decimalValues(15, 15).decode?.(0.123456789012345)).toBe("0.123456789012345");
  expect(() => decimalValues(16, 2).decode?.(1)).toThrow("digits were lost on the way");
});

test.each([
  ["2024-02-29 23:59:59.987+00"],
  ["2024-02-29 23:59:59.987+00:00"],
  ["2024-03-01 01:59:59.987+02"],
  ["2024-03-01 05:29:59.987+05:30"],
  ["2024-02-29T23:59:59.987+00:00"],
  ["2024-02-29T23:59:59.987Z"],
  ["2024-02-29 23:59:59.987"],
  ["2024-02-29 23:59:59.987000"],
  [1709251199987],
  [new Date(1709251199987)],
])("timestamps are read from %p", (value) => {
  expect(timestampValues("postgres").decode?.(value)).toEqual(new Date("2024-02-29T23:59:59.987Z"));
});

test("timestamps without milliseconds are read", () => {
  expect(timestampValues("mysql").decode?.("2024-02-29 12:00:00")).toEqual(new Date("2024-02-29T12:00:00Z"));
  expect(timestampValues("postgres").decode?.("0001-01-01 00:00:00+00")).toEqual(
    new Date("0001-01-01T00:00:00Z"),
  );
  expect(() => timestampValues("postgres").decode?.("infinity")).toThrow("it isn't a time");
});

test("JSON text is refused where a database couldn't store it, and only there", () => {
  const { encode } = jsonValues("postgres");
  for (const value of ["\0", "a\\\0", "\ud800", { "\udfff": 1 }, ["\\\\\0"]]) {
    expect(() => encode(value)).toThrow(DatabaseError);
  }
  for (const value of ["\\u0000", "a\\\\u0000", "\\ud800", "👩", "\u0001"]) {
    expect(encode(value)).toBe(JSON.stringify(value));
  }
});

test("what was stored as text is parsed once, and what PostgreSQL's driver has parsed not at all", () => {
  expect(jsonValues("sqlite").decode?.('"123"')).toBe("123");
  expect(jsonValues("mysql").decode?.('"123"')).toBe("123");
  expect(jsonValues("postgres").decode?.("123")).toBe("123");
});

const REFUSED: readonly [string, Pick<ColumnValues<unknown>, "encode">, unknown][] = [
  ["text", textValues, 1],
  ["uuid", uuidValues, "01890a5d-ac96-774b-bcce-b302099a805"],
  ["uuid", uuidValues, "01890a5d-ac96-774b-bcce-b302099a8057\n"],
  ["integer", integerValues, "1"],
  ["integer", integerValues, Number.NaN],
  ["bigint", bigintValues, 2 ** 53],
  ["bigint", bigintValues, 1n],
  ["date", dateValues, "2024-1-1"],
  ["date", dateValues, "2023-02-30"],
  ["date", dateValues, "0000-12-31"],
  ["date", dateValues, new Date(0)],
  ["timestamp", timestampValues("sqlite"), "2024-01-01"],
  ["timestamp", timestampValues("sqlite"), new Date(-8.64e15)],
  ["json", jsonValues("sqlite"), undefined],
  ["json", jsonValues("sqlite"), () => 1],
  ["json", jsonValues("sqlite"), { a: Number.NaN }],
  ["json", jsonValues("sqlite"), [Number.POSITIVE_INFINITY]],
  ["json", jsonValues("sqlite"), { a: [undefined] }],
  ["json", jsonValues("sqlite"), { a: () => 1 }],
  ["json", jsonValues("sqlite"), { a: Symbol("a") }],
  ["json", jsonValues("sqlite"), { a: new Map([[1, 2]]) }],
  ["json", jsonValues("sqlite"), new Set([1])],
  ["json", jsonValues("sqlite"), { a: /a/ }],
  ["json", jsonValues("sqlite"), Promise.resolve(1)],
  ["json", jsonValues("sqlite"), new Uint8Array(2)],
  ["json", jsonValues("sqlite"), new Date(Number.NaN)],
  ["json", jsonValues("sqlite"), nested(32)],
  ["json", jsonValues("sqlite"), nested(100_000)],
  ["boolean", booleanValues, 1],
  ["boolean", booleanValues, 0],
  ["boolean", booleanValues, "true"],
  ["boolean", booleanValues, "false"],
  ["boolean", booleanValues, ""],
  ["boolean", booleanValues, []],
  ["uuid", uuidValues, ["01890a5d-ac96-774b-bcce-b302099a8057"]],
  ["date", dateValues, ["2024-01-01"]],
  ["decimal", decimalValues(5, 2), ["1.50"]],
  ["decimal", decimalValues(5, 2), true],
  ["decimal", decimalValues(5, 2), new Date(0)],
  ["integer", integerValues, true],
  ["integer", integerValues, 1.5],
  ["bigint", bigintValues, "12"],
  ["timestamp", timestampValues("sqlite"), 0],
  ["varchar", varcharValues(3), "abc "],
  ["varchar", varcharValues(3), "👩👩👩   "],
];

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level += 1) value = level % 2 === 0 ? [value] : { value };
  return value;
}

test("JSON keeps what it can hold, and leaves out undefined properties", () => {
  const { encode } = jsonValues("sqlite");
  class Point {
    x = 1;
  }
  const value = {
    day: new Date(0),
    point: new Point(),
    none: undefined,
    bare: Object.create(null) as object,
  };
  expect(encode(value)).toBe('{"day":"1970-01-01T00:00:00.000Z","point":{"x":1},"bare":{}}');
  expect(encode(nested(31))).toBe(JSON.stringify(nested(31)));
  expect(varcharValues(3).encode("ab ")).toBe("ab ");
  // Other texts that are too long find nothing where they are compared, and aren't stored by any database.
  expect(varcharValues(3).encode("abcd ")).toBe("abcd ");
});

test.each(REFUSED)("%s: a value of another kind is refused", (_name, { encode }, value) => {
  expect(() => encode(value)).toThrow(DatabaseError);
});

test("a bigint that a database has beyond 2^53 isn't read as another one", () => {
  expect(bigintValues.decode?.("9007199254740991")).toBe(9007199254740991);
  expect(() => bigintValues.decode?.("9007199254740993")).toThrow("safe integer");
  expect(() => bigintValues.decode?.(2 ** 53 + 2)).toThrow("safe integer");
});

test("UUIDs are in lower case", () => {
  expect(uuidValues.encode("01890A5D-AC96-774B-BCCE-B302099A8057")).toBe(
    "01890a5d-ac96-774b-bcce-b302099a8057",
  );
});
