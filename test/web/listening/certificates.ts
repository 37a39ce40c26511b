import {
  AuthorityInfoAccessExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { makeSelfSigned } from "../../../src/web/listening/self-signed.ts";

export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
}

/** Makes a certificate for this machine. @param days from now until it expires; in the past where that is negative */
export async function makeCertificate(
  names = ["localhost", "127.0.0.1"],
  days = 30,
): Promise<TestCertificate> {
  return makeSelfSigned(names, { days });
}

export interface Life {
  readonly names: readonly string[];
  /** How many days it has in all. */
  readonly days: number;
  readonly left: number;
  /** How many days are left of its issuer's. @default 1000 */
  readonly issuerLeft?: number;
  /** Whether it says where its issuer's is had, as those of public authorities do. @default false */
  readonly isPublic?: boolean;
}

/** Makes a certificate that somebody else has issued, with its key. */
export async function makeIssued(life: Life): Promise<string> {
  const { cert, key } = await makeChain(life);
  return cert + key;
}

/** Makes a certificate, its key, and the certificate of who has issued it, whom somebody else vouches for. */
export async function makeChain(life: Life): Promise<TestCertificate & { readonly issuer: string }> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
  const { names, days, left, issuerLeft = 1000, isPublic = false } = life;
  const [keys, issuer, root] = await Promise.all(
    [0, 1, 2].map(() => crypto.subtle.generateKey(algorithm, true, ["sign", "verify"])),
  );
  if (keys === undefined || issuer === undefined || root === undefined) throw new Error("no keys");
  const [own, above] = await Promise.all([
    X509CertificateGenerator.create({
      subject: `CN=${names[0]}`,
      issuer: "CN=Somebody",
      ...toValidity(left, days),
      publicKey: keys.publicKey,
      signingKey: issuer.privateKey,
      signingAlgorithm: algorithm,
      extensions: [
        new SubjectAlternativeNameExtension(names.map((value) => ({ type: "dns" as const, value }))),
        ...(isPublic ? [new AuthorityInfoAccessExtension({ caIssuers: "http://ca.example.com/1.der" })] : []),
      ],
    }),
    X509CertificateGenerator.create({
      subject: "CN=Somebody",
      issuer: "CN=Root",
      ...toValidity(issuerLeft, 2000),
      publicKey: issuer.publicKey,
      signingKey: root.privateKey,
      signingAlgorithm: algorithm,
    }),
  ]);
  const key = PemConverter.encode(await crypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
  return { cert: `${own.toString("pem")}\n`, key: `${key}\n`, issuer: `${above.toString("pem")}\n` };
}

function toValidity(left: number, days: number) {
  const until = Date.now() + left * 86_400_000;
  return { notBefore: new Date(until - days * 86_400_000), notAfter: new Date(until) };
}
