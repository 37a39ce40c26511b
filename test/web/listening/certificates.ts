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
