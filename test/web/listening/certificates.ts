import { PemConverter, SubjectAlternativeNameExtension, X509CertificateGenerator } from "@peculiar/x509";
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

/** Makes a certificate that somebody else has issued, with its key. @param life how many days it has in all, and how many are left */
export async function makeIssued(life: {
  readonly names: readonly string[];
  readonly days: number;
  readonly left: number;
}): Promise<string> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
  const [keys, issuer] = await Promise.all(
    [0, 1].map(() => crypto.subtle.generateKey(algorithm, true, ["sign", "verify"])),
  );
  if (keys === undefined || issuer === undefined) throw new Error("no keys");
  const until = Date.now() + life.left * 86_400_000;
  const certificate = await X509CertificateGenerator.create({
    subject: `CN=${life.names[0]}`,
    issuer: "CN=Somebody",
    notBefore: new Date(until - life.days * 86_400_000),
    notAfter: new Date(until),
    publicKey: keys.publicKey,
    signingKey: issuer.privateKey,
    signingAlgorithm: algorithm,
    extensions: [
      new SubjectAlternativeNameExtension(life.names.map((value) => ({ type: "dns" as const, value }))),
    ],
  });
  const key = PemConverter.encode(await crypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
  return `${certificate.toString("pem")}\n${key}\n`;
}
