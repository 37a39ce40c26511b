import type { Cron, CronOptions } from "croner";

/** Loads what reads cron expressions; schedules can be made from then on. */
export async function loadSchedules(): Promise<ScheduleMaker> {
  const { Cron: Loaded } = await import("croner");
  return (expression, timezone) => new Schedule(Loaded, expression, timezone);
}

/**
 * Makes a schedule.
 *
 * @throws TypeError, RangeError for an expression that can't be read or whose time never comes, and for an unknown time zone
 */
export type ScheduleMaker = (expression: string, timezone: string | null) => Schedule;

const MAX_LENGTH = 255;
/** As croner reads them, for whoever has mistyped one. */
const FORM =
  'expected five parts such as "0 3 * * *" (minute, hour, day, month, weekday), or six with seconds in front';

/** The moments of a cron expression, in ms since the epoch. */
export class Schedule {
  readonly expression: string;
  /** Null for UTC. */
  readonly timezone: string | null;
  readonly #cron: Cron;

  constructor(Maker: typeof Cron, expression: string, timezone: string | null) {
    // A "?" is the moment at which croner reads it, and a date comes once.
    if (
      typeof expression !== "string" ||
      expression.length > MAX_LENGTH ||
      /\?|^\s*\d{4}-/.test(expression)
    ) {
      throw new TypeError(`${quote(expression)} isn't a cron expression: ${FORM}`);
    }
    this.expression = expression;
    this.timezone = timezone;
    const where: CronOptions = timezone === null ? { utcOffset: 0 } : { timezone: toTimezone(timezone) };
    try {
      this.#cron = new Maker(expression, { paused: true, mode: "5-or-6-parts", ...where });
    } catch (error) {
      throw new TypeError(`${quote(expression)} isn't a cron expression: ${toReason(error)}`, {
        cause: error,
      });
    }
    if (this.#cron.nextRun() === null) {
      throw new RangeError(`${quote(expression)} never comes: no year has such a day`);
    }
  }

  /** The first moment after another one. */
  next(after: number): number {
    return this.#cron.nextRun(new Date(after))?.getTime() ?? Number.POSITIVE_INFINITY;
  }

  /** The last moment up to another one, that one included; null where there is none. */
  previous(upTo: number): number | null {
    return this.#cron.previousRuns(1, new Date(upTo + 1))[0]?.getTime() ?? null;
  }
}

function toTimezone(timezone: string): string {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: timezone }).resolvedOptions().timeZone;
  } catch (error) {
    const example = 'expected a name such as "Europe/Paris"';
    throw new RangeError(`${quote(timezone)} isn't a time zone: ${example}`, { cause: error });
  }
}

function toReason(error: unknown): string {
  const text = error instanceof Error ? error.message : "";
  const [, part] = /^CronPattern: Invalid value for (\w+)/.exec(text) ?? [];
  return part === undefined ? FORM : `its ${part} is out of range`;
}

function quote(value: unknown): string {
  const text = typeof value === "string" ? value : String(value);
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
