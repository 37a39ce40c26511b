import { fc } from "../../../properties.ts";
import type { Samples, Schema } from "./samples.ts";

/** One of the operations that a document describes. */
export interface Operation {
  readonly method: string;
  readonly path: string;
  readonly operation: Schema;
}

/** A request, and whether the document allows it. */
export interface Sample {
  readonly url: string;
  readonly init: RequestInit;
  readonly isValid: boolean;
}

type Parts = Readonly<Record<string, unknown>>;

const ORDER = ["get", "post", "put", "patch", "delete"];

/** The operations of a document, of each path those last that take something away. */
export function listOperations(document: Schema): Operation[] {
  return Object.entries<Schema>(document.paths).flatMap(([path, methods]) =>
    Object.entries<Schema>(methods)
      .map(([method, operation]) => ({ path, method, operation }))
      .toSorted((a, b) => ORDER.indexOf(a.method) - ORDER.indexOf(b.method)),
  );
}

/**
 * Makes requests of an operation: all of it as the document says, or its body or one of its parameters isn't.
 *
 * @param known values of its path that there are, by name
 */
export function toSamples(
  { method, path, operation }: Operation,
  samples: Samples,
  known: Readonly<Record<string, readonly unknown[]>>,
): fc.Arbitrary<Sample> {
  const parameters: Schema[] = operation.parameters ?? [];
  const made = parameters.map(({ name, schema, in: place, required }) => {
    const values = toValues(samples.likely(schema), known[name]);
    return {
      name: name as string,
      required: required === true,
      values: place === "path" ? values.filter(isSegment) : values,
    };
  });
  const valid = toParts(made);
  const contents = Object.entries<Schema>(operation.requestBody?.content ?? {});
  const bodies = contents.map(([type, { schema }]) => ({
    type,
    schema,
    isForm: type !== "application/json",
  }));
  const body =
    bodies.length === 0
      ? fc.constant(null)
      : fc.oneof(
          ...bodies.map(({ type, schema }) => samples.valid(schema).map((value) => ({ type, value }))),
        );
  const json = bodies.find(({ isForm }) => !isForm);
  const asValid = fc
    .tuple(valid, body)
    .map(([parts, sent]) => toSample({ method, path, parameters }, { parts, sent, isValid: true }));
  const broken = [
    ...(json === undefined
      ? []
      : [
          fc
            .tuple(valid, samples.invalid(json.schema))
            .map(([parts, value]) => ({ parts, sent: { type: json.type, value } })),
        ]),
    ...parameters
      .filter(({ schema }) =>
        [schema.type].flat().every((type) => ["integer", "number", "boolean"].includes(type)),
      )
      .map(({ name, schema }) =>
        fc
          .tuple(
            valid,
            body,
            fc.constantFrom("x", "-1", "1.5", "99999999999999999999", "true", "[]", "%00", "null"),
          )
          .filter(([, , text]) => samples.findFaults(schema, toTyped(text)).length > 0)
          .map(([parts, sent, text]) => ({ parts: { ...parts, [name as string]: text }, sent })),
      ),
  ];
  if (broken.length === 0) return asValid;
  const asBroken = fc
    .oneof(...broken)
    .map(({ parts, sent }) => toSample({ method, path, parameters }, { parts, sent, isValid: false }));
  return fc.oneof(asValid, asBroken);
}

/** What is required, and now and then one thing more: what all of it together means is seldom right. */
function toParts(
  made: readonly {
    readonly name: string;
    readonly required: boolean;
    readonly values: fc.Arbitrary<unknown>;
  }[],
): fc.Arbitrary<Parts> {
  const toRecord = (some: typeof made): fc.Arbitrary<Parts> =>
    fc.record(Object.fromEntries(some.map(({ name, values }) => [name, values])));
  const required = made.filter((one) => one.required);
  const others = made.filter((one) => !one.required);
  return fc.oneof(
    { weight: 2, arbitrary: toRecord(required) },
    ...others.slice(0, 1).map(() => fc.constantFrom(...others).chain((one) => toRecord([...required, one]))),
  );
}

/** Whether a value can be a part of a path: others make another path of it. */
function isSegment(value: unknown): boolean {
  return !["", ".", ".."].includes(toText(value));
}

/** Values that a schema allows, and more often those that are known to be there. */
function toValues(made: fc.Arbitrary<unknown>, known: readonly unknown[] = []): fc.Arbitrary<unknown> {
  return known.length === 0 ? made : fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...known) }, made);
}

function toTyped(text: string): unknown {
  return text === "true" ? true : text === "null" ? null : Number.isNaN(Number(text)) ? text : Number(text);
}

interface Sent {
  readonly parts: Parts;
  readonly sent: { readonly type: string; readonly value: unknown } | null;
  readonly isValid: boolean;
}

function toSample(
  { method, path, parameters }: { method: string; path: string; parameters: readonly Schema[] },
  { parts, sent, isValid }: Sent,
): Sample {
  const placeOf = (name: string): string => parameters.find((one) => one.name === name)?.in as string;
  const of = (place: string): [string, unknown][] =>
    Object.entries(parts).filter(([name]) => placeOf(name) === place);
  const query = new URLSearchParams();
  for (const [name, value] of of("query")) for (const one of [value].flat()) query.append(name, toText(one));
  const headers = Object.fromEntries(
    of("header").map(([name, value]) => [name, toText(value).replaceAll(/[^\x21-\x7e]/g, "-") || "-"]),
  );
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(toText(parts[name])));
  const body = sent === null ? null : toBody(sent);
  return {
    url: `${filled}${query.size === 0 ? "" : `?${query}`}`,
    init: {
      method: method.toUpperCase(),
      headers: { ...headers, ...(typeof body === "string" && { "content-type": "application/json" }) },
      body,
      redirect: "manual",
    },
    isValid,
  };
}

function toBody({ type, value }: { type: string; value: unknown }): string | URLSearchParams | FormData {
  if (type === "application/json" || typeof value !== "object" || value === null)
    return JSON.stringify(value);
  const form = type === "multipart/form-data" ? new FormData() : new URLSearchParams();
  for (const [name, one] of Object.entries(value))
    for (const part of [one].flat()) form.append(name, toText(part));
  return form;
}

function toText(value: unknown): string {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}
