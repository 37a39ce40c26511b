import { expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { covers, describeConcern, isInForce, toCertificate } from "../../../src/web/listening/certificate.ts";
import { makeCertificate, makeChain } from "./certificates.ts";

const DAY_MS = 86_400_000;
const [good, other] = await Promise.all([
  makeCertificate(["erp.example.com", "*.example.org", "::1"]),
  makeCertificate(),
]);
const encrypted = generateKeyPairSync("ec", {
  namedCurve: "P-256",
  privateKeyEncoding: { type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" },
  publicKeyEncoding: { type: "spki", format: "pem" },
}).privateKey;

test("toCertificate() reads what a certificate is for, and its key from the same file", () => {
  const both = good.cert + good.key;
  const { names, issuedAt, expiresAt } = toCertificate({ cert: both, key: both });
  expect(names).toEqual(["erp.example.com", "*.example.org", "::1"]);
  expect(isInForce({ issuedAt, expiresAt } as never, Date.now())).toBe(true);
});

test.each([
  ["no certificate", "", good.key, 'there is no "BEGIN CERTIFICATE" in server.tls.cert'],
  ["the key in its place", good.key, good.key, 'there is no "BEGIN CERTIFICATE" in server.tls.cert'],
  [
    "a broken one behind a good one",
    `${good.cert}${good.cert.replaceAll(/\w{20}\n/g, "\n")}`,
    good.key,
    "certificate 2 of",
  ],
  ["another key", good.cert, other.key, "server.tls.key is the key of another certificate"],
  ["a chain upside down", other.cert + good.cert, good.key, "the server's own certificate must be the first"],
  ["no key", good.cert, "", "server.tls.key can't be read: it must be PEM"],
  ["an encrypted key", good.cert, encrypted, "server.tls.key is encrypted"],
])("toCertificate() refuses %s, and quotes nothing of it", (_, cert, key, reason) => {
  expect(() => toCertificate({ cert, key })).toThrow(
    expect.objectContaining({ code: "config_invalid", message: expect.stringContaining(reason) }),
  );
});

function tell(cert: string, { key }: { readonly key: string }): string | null {
  return describeConcern(toCertificate({ cert, key }), "erp.example.com", Date.now());
}

test("describeConcern() tells what clients would refuse, and what soon", () => {
  const certificate = toCertificate(good);
  const now = Date.now();
  const after = (days: number) => describeConcern(certificate, "erp.example.com", now + days * DAY_MS);
  expect([after(0), after(22)]).toEqual([null, null]);
  expect(after(25)).toStartWith("it expires on ");
  expect(after(31)).toMatch(/^it expired on .+: clients refuse it$/);
  expect(after(-2)).toStartWith("it isn't valid before ");
  expect(describeConcern(certificate, "example.com", now)).toBe(
    'it is for erp.example.com, *.example.org, ::1, and not for "example.com" of server.public_url',
  );
});

test("describeConcern() tells where clients can't follow a certificate to an authority that they know", async () => {
  const life = { names: ["erp.example.com"], days: 90, left: 60 };
  const [ofPublic, ofCompany, ofExpired] = await Promise.all([
    makeChain({ ...life, isPublic: true }),
    makeChain(life),
    makeChain({ ...life, issuerLeft: -1 }),
  ]);
  const missing = /^that of its issuer, "Somebody", isn't behind it in server\.tls\.cert/;
  expect(tell(ofPublic.cert, ofPublic)).toMatch(missing);
  expect(tell(ofPublic.cert + ofPublic.issuer, ofPublic)).toBeNull();
  expect(tell(ofCompany.cert, ofCompany)).toBeNull(); // who issued it may be the root that clients know
  expect(tell(ofCompany.cert + other.cert, ofCompany)).toMatch(missing);
  expect(tell(ofExpired.cert + ofExpired.issuer, ofExpired)).toMatch(
    /^that of its issuer, "Somebody", expired on /,
  );
});

test.each([
  ["erp.example.com", "erp.example.com", true],
  ["*.example.org", "a.example.org", true],
  ["*.example.org", "a.b.example.org", false],
  ["*.example.org", "example.org", false],
  ["*.example.org", ".example.org", false],
  ["*.org", "example.org", true],
  ["erp.example.com", "erp.example.com.evil.com", false],
])("covers(%p, %p) is %p", (name, host, isCovered) => {
  expect(covers(name, host)).toBe(isCovered);
});
