import { AppError } from "../errors/errors.ts";
import type { FollowAccess, Preparation } from "../web/routes.ts";
import type { ChangedUsers } from "./access-follower.ts";
import type { User } from "./identity/principal.ts";
import type { Principals } from "./identity/principals.ts";

export interface OpenRequestsOptions {
  readonly principals: Principals;
  /** Notes anew who makes a request. */
  readonly authenticate: Preparation;
  /** Makes sure that `noteChange` is told of everything that was committed before now. */
  readonly lookForChanges: () => Promise<void> | null;
  /** In ms since the epoch. */
  readonly now: () => number;
}

/** A WebSocket or stream that is open for somebody. */
interface Opened {
  readonly request: Request;
  /** As its handler knows them. */
  readonly user: User;
  readonly check: () => void;
  readonly end: () => void;
  /** When what was presented expires, in ms since the epoch. */
  expiresAt: number;
  /** Whether access may have changed since it was last looked at. */
  isDue: boolean;
}

/** How often it looks for changes that other instances have made, and for what expires. */
const LOOK_EVERY_MS = 400;

/**
 * The WebSockets and streams that are open for somebody: they end within a second once their routes wouldn't let them
 * in any more, whichever instance has changed that; at once where instances tell each other. While the database can't say so, they go on until the end of what was
 * presented. Nothing is looked for while there are none.
 */
export class OpenRequests {
  readonly #options: OpenRequestsOptions;
  readonly #opened = new Set<Opened>();
  #timer: ReturnType<typeof setInterval> | null = null;
  #looking: Promise<void> | null = null;
  #hasNews = false;

  constructor(options: OpenRequestsOptions) {
    this.#options = options;
  }

  /** How many there are. */
  get size(): number {
    return this.#opened.size;
  }

  /** Follows a request of somebody known; others have nothing to lose. */
  readonly follow: FollowAccess = (request, { check, end }) => {
    const principal = this.#options.principals.find(request);
    if (principal === null) return () => {};
    const { user, expiresAt } = principal;
    // Due at first: access may have changed since the guards have run.
    const opened = { request, check, end, user, expiresAt, isDue: true };
    this.#opened.add(opened);
    this.#timer ??= setInterval(() => this.look(), LOOK_EVERY_MS).unref();
    return () => this.#forget(opened);
  };

  /** Takes note that the access of these users, or of everybody, has changed. */
  noteChange(users: ChangedUsers): void {
    for (const opened of this.#opened) {
      const { id, viewer } = opened.user;
      if (users === null || users.has(id) || (viewer && users.has(viewer.id))) opened.isDue = true;
    }
  }

  /** Takes note that the access of somebody may have changed, and looks at once. */
  noteNews(): void {
    if (this.#opened.size === 0) return;
    this.#hasNews = true; // a look under way may have begun before
    void this.look();
  }

  /** Ends those that wouldn't be let in any more. */
  look(): Promise<void> {
    return (this.#looking ??= this.#lookUntilNoNews().finally(() => (this.#looking = null)));
  }

  /** Follows none any more: before the database is closed. */
  async settle(): Promise<void> {
    for (const opened of this.#opened) this.#forget(opened);
    await this.#looking;
  }

  async #lookUntilNoNews(): Promise<void> {
    do {
      this.#hasNews = false;
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await this.#look();
    } while (this.#hasNews);
  }

  async #look(): Promise<void> {
    let isTold = true;
    try {
      await this.#options.lookForChanges();
    } catch {
      isTold = false; // the next look tries again
    }
    const due = [...this.#opened].filter((opened) => (isTold && opened.isDue) || this.#isExpired(opened));
    await Promise.all(due.map((opened) => this.#lookAt(opened)));
  }

  async #lookAt(opened: Opened): Promise<void> {
    const { principals, authenticate } = this.#options;
    opened.isDue = false;
    try {
      await authenticate(opened.request);
      const { permissions, lacksOtp, expiresAt } = principals.require(opened.request);
      opened.expiresAt = expiresAt;
      // Its handler asks with the user that it was given.
      if (lacksOtp) principals.forget(opened.user);
      else principals.remember(opened.user, permissions);
      opened.check();
    } catch (error) {
      const isRefused = error instanceof AppError && error.status < 500;
      // That a token has ended is known without the database.
      if (!isRefused && !this.#isExpired(opened)) {
        opened.isDue = true;
        return;
      }
      if (principals.find(opened.request) === null) principals.forget(opened.user);
      if (!this.#opened.has(opened)) return;
      this.#forget(opened);
      opened.end();
    }
  }

  #isExpired({ expiresAt }: Opened): boolean {
    return expiresAt <= this.#options.now();
  }

  #forget(opened: Opened): void {
    this.#opened.delete(opened);
    if (this.#opened.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }
}
