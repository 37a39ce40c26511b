import type { axios as Axios } from "acme-client";

const REQUEST_MS = 30_000; // without a byte
const MAX_ANSWER = 4_000_000; // bytes
const LONGEST_MS = 7 * 86_400_000; // what authorities count is forgotten after a week
const LIMITED_MS = 3_600_000; // for who is told that it was too much, and not for how long

/** How much one order may ask of an authority. */
export interface RequestLimits {
  readonly count: number;
  readonly ms: number;
}

/** What acme-client asks an authority during one order, until it is disposed of. */
export class Requests implements Disposable {
  readonly #eject: () => void;
  #limitedMs = 0;

  /** @param axios that of acme-client, which is one for the process */
  constructor(axios: typeof Axios, { count, ms }: RequestLimits) {
    axios.defaults.timeout = REQUEST_MS;
    axios.defaults.maxContentLength = MAX_ANSWER;
    const signal = AbortSignal.timeout(ms);
    let left = count;
    const asking = axios.interceptors.request.use((config) => {
      // Where an account's answer has no address, acme-client asks again at once, without end.
      if (left-- <= 0) throw new Error("the authority doesn't answer as ACME says (RFC 8555)");
      return { ...config, signal };
    });
    // Its own handler waits for hours in here to try again, and fails without an answer, so that nothing tells why there is none.
    axios.interceptors.response.eject(0);
    const answered = axios.interceptors.response.use(null, (error: unknown) => {
      if (signal.aborted) throw new Error(`it took longer than ${ms / 60_000} minutes`);
      return this.#letThrough(error as FailedRequest);
    });
    this.#eject = () => {
      axios.interceptors.request.eject(asking);
      axios.interceptors.response.eject(answered);
    };
  }

  /** For how long the authority wants no other order, in ms. */
  get limitedMs(): number {
    return this.#limitedMs;
  }

  [Symbol.dispose](): void {
    this.#eject();
  }

  /** An answer of whatever status, which acme-client has made an error of: it looks at that itself. */
  #letThrough(error: FailedRequest) {
    const { response } = error;
    if (response === undefined) throw error;
    const asked = toDelayMs(response.headers["retry-after"] ?? "");
    if (response.status === 429) this.#limitedMs = Math.max(this.#limitedMs, asked ?? LIMITED_MS);
    else if (response.status === 503) this.#limitedMs = Math.max(this.#limitedMs, asked ?? 0);
    const { retryValidateStatus: isGood } = response.config;
    if (isGood && !isGood(response.status)) throw error;
    return response;
  }
}

interface FailedRequest extends Error {
  /** Where there was an answer. */
  readonly response?: {
    readonly status: number;
    readonly headers: Readonly<Record<string, string | undefined>>;
    /** With what acme-client has noted of the statuses that were wanted. */
    readonly config: { readonly retryValidateStatus?: ((status: number) => boolean) | null };
  };
}

/** Reads seconds, or a date (RFC 9110, 10.2.3). Who says a thousand years isn't waited for that long. */
function toDelayMs(value: string): number | null {
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return ms >= 0 ? Math.min(ms, LONGEST_MS) : null;
}
