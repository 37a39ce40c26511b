import type { Answered } from "./traffic.ts";
import { REQUEST_SECONDS, REQUESTS } from "./definitions.ts";
import type { Counter, Histogram, Meter } from "./meter.ts";
import { createTemplateFinder, type TemplateRoute } from "./route-templates.ts";

/** An answered request, as far as it is counted. */
export interface MeasuredRequest extends Answered {
  readonly method: string;
  readonly path: string;
}

interface Served {
  readonly duration: Histogram;
  readonly byStatus: Map<number, Counter>;
}

/** Those that are told by their names. */
export const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
const NONE = "(none)"; // no template is without a slash

/** Counts the requests of one generation of a plugin, or of the core. */
export class RequestMeter {
  readonly #meter: Meter;
  readonly #served = new Map<string, Map<string, Served>>();
  readonly #findTemplate: (method: string, path: string) => string | null;

  /** @param routes returns all that are served; asked until there are any */
  constructor(meter: Meter, routes: () => readonly TemplateRoute[]) {
    this.#meter = meter;
    this.#findTemplate = createTemplateFinder(routes);
  }

  /** Counts one: each request pays for it. */
  record({ method, path, status, duration_ms }: MeasuredRequest): void {
    const route = this.#findTemplate(status === 101 ? "WS" : method, path) ?? NONE;
    const shown = METHODS.has(method) ? method : "OTHER";
    const served = this.#served.get(route)?.get(shown) ?? this.#begin(route, shown);
    served.duration.observe(duration_ms / 1000);
    const count = served.byStatus.get(status);
    if (count !== undefined) count.value += 1;
    else this.#count(served, [route, shown, status]);
  }

  #begin(route: string, method: string): Served {
    const duration = this.#meter.histogram(REQUEST_SECONDS, route, method);
    const served: Served = { duration, byStatus: new Map() };
    const methods = this.#served.get(route) ?? new Map<string, Served>();
    this.#served.set(route, methods.set(method, served));
    return served;
  }

  #count({ byStatus }: Served, [route, method, status]: [string, string, number]): void {
    const count = this.#meter.counter(REQUESTS, route, method, String(status));
    count.value += 1;
    byStatus.set(status, count);
  }
}
