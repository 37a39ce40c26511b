import { isIP } from "node:net";

const DAY_MS = 86_400_000;
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/**
 * Makes a certificate that nobody has vouched for, with which a server can encrypt until it has a real one.
 *
 * @param names host names and addresses that it is for
 * @param options `days` until it expires
 */
export async function makeSelfSigned(
  names: readonly string[],
  { days }: { readonly days: number },
): Promise<{ readonly cert: string; readonly key: string }> {
  const { PemConverter, SubjectAlternativeNameExtension, X509CertificateGenerator } =
    await import("@peculiar/x509");
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const now = Date.now();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    keys,
    name: [{ CN: [names[0] ?? "localhost"] }],
    notBefore: new Date(Math.min(now, now + days * DAY_MS) - DAY_MS),
    notAfter: new Date(now + days * DAY_MS),
    signingAlgorithm: ALGORITHM,
    extensions: [
      new SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) === 0 ? ("dns" as const) : ("ip" as const), value })),
      ),
    ],
  });
  const key = PemConverter.encode(await crypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
  return { cert: `${certificate.toString("pem")}\n`, key: `${key}\n` };
}
