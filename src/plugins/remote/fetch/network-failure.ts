/** What is wrong with a connection, in words. */
export interface NetworkFailure {
  /** Such as "it refuses the connection". */
  readonly state: string;
  /** Whether another try may have more luck. */
  readonly isTransient: boolean;
  /** Whether nothing was reached at that address. */
  readonly isUnreachable: boolean;
}

const UNREACHABLE =
  /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENETDOWN|EADDRNOTAVAIL|FailedToOpenSocket|ConnectionRefused)$/;
const CERTIFICATE = /CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO_|EPROTO|HOSTNAME_MISMATCH/;

/** Puts an error of Bun's `fetch` in words; its own hold the address in place of the name. */
export function describeNetworkError(error: unknown): NetworkFailure {
  const { code, name, message } = error as { code?: unknown; name?: string; message?: string };
  const reason = typeof code === "string" && code !== "" ? code : (name ?? String(message));
  if (UNREACHABLE.test(reason)) {
    return { state: `its host can't be reached (${reason})`, isTransient: true, isUnreachable: true };
  }
  if (reason === "EPROTO") {
    return { state: "its host doesn't speak TLS", isTransient: false, isUnreachable: false };
  }
  if (CERTIFICATE.test(reason)) {
    const state = `the certificate of its host is not valid for it (${reason})`;
    return { state, isTransient: false, isUnreachable: false };
  }
  if (reason === "ECONNRESET" || reason === "ConnectionClosed") {
    return { state: "the connection ended before its end", isTransient: true, isUnreachable: false };
  }
  return { state: `the connection failed (${reason})`, isTransient: true, isUnreachable: false };
}
