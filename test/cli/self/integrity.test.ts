import { expect, test } from "bun:test";
import { findMachine } from "../../../src/cli/self/candidate.ts";
import { assertIntegrity, parseIntegrity } from "../../../src/cli/self/integrity.ts";

const BYTES = new TextEncoder().encode("an executable");
const digest = (algorithm: Bun.SupportedCryptoAlgorithms, bytes = BYTES): string =>
  `${algorithm}-${new Bun.CryptoHasher(algorithm).update(bytes).digest("base64")}`;

test.each(["sha256", "sha384", "sha512"] as const)("%s is compared with all bytes", (algorithm) => {
  const expected = parseIntegrity(digest(algorithm));
  assertIntegrity(BYTES, expected, { subject: "x", unfit: null });
  expect(() => assertIntegrity(BYTES.slice(1), expected, { subject: "x", unfit: null })).toThrow(
    `Cannot update to x: it is ${digest(algorithm, BYTES.slice(1))}, and not what --integrity says`,
  );
});

test.each([
  "",
  "sha256-",
  digest("sha1"),
  digest("md5"),
  digest("sha256").slice(0, -1),
  `${digest("sha256")}=`,
  `${digest("sha256")} ${digest("sha256")}`,
  digest("sha256").replace("sha256", "sha512"),
  digest("sha256").replace("sha256-", "SHA256-"),
  `sha256-${"A".repeat(42)}B=`, // bits beyond the digest
  `sha256-${"/".repeat(43)}`,
])("parseIntegrity() refuses %j", (text) => {
  expect(() => parseIntegrity(text)).toThrow("as an integrity");
});

test("findMachine() knows executables of each system, and takes nothing else for one", async () => {
  const own = await Bun.file(process.execPath).slice(0, 4096).bytes();
  expect(findMachine(own)).toBe(`${process.platform}-${process.arch}`);
  expect(findMachine(new Uint8Array(0))).toBe(null);
  expect(findMachine(new TextEncoder().encode(`#!/bin/sh\n${" ".repeat(100)}`))).toBe(null);
  expect(findMachine(new TextEncoder().encode(`MZ${"x".repeat(100)}`))).toBe(null);
  const mach = new Uint8Array(64);
  new DataView(mach.buffer).setUint32(0, 0xfeed_facf, true);
  new DataView(mach.buffer).setUint32(4, 0x0100_000c, true);
  expect(findMachine(mach)).toBe("darwin-arm64");
  const pe = new Uint8Array(128);
  pe.set([0x4d, 0x5a]);
  pe[60] = 64;
  pe.set([0x50, 0x45, 0, 0, 0x64, 0x86], 64);
  expect(findMachine(pe)).toBe("win32-x64");
});
