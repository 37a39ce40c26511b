import {
  count,
  data,
  type Fit,
  flag,
  isObject,
  type Json,
  listOf,
  mapOf,
  oneOf,
  shapeOf,
  text,
} from "./fits.ts";

/** What is said of an operation by who wrote its route, in `detail`. */
export type OperationFields = Json & {
  readonly parameters?: readonly Json[];
  readonly requestBody?: Json;
  readonly responses?: Readonly<Record<string, Json>>;
};

const STATUS = /^(default|[1-5](\d\d|XX))$/;
/** How the values of a parameter are written, by its place. */
const STYLES: Readonly<Record<string, readonly string[]>> = {
  path: ["matrix", "label", "simple"],
  query: ["form", "spaceDelimited", "pipeDelimited", "deepObject"],
  header: ["simple"],
  cookie: ["form"],
};

/**
 * Creates what takes of an operation's `detail` what is valid there: the rest of the document must stand whatever one
 * plugin writes.
 */
export function createOperationFit(schema: Fit): (detail: unknown) => OperationFields {
  const docs = shapeOf({ url: text, description: text }, { url: "" });
  const examples = mapOf(shapeOf({ summary: text, description: text, value: data, externalValue: text }));
  const value = { schema, example: data, examples };
  const header = shapeOf(
    { ...value, description: text, required: flag, deprecated: flag, explode: flag },
    { schema: {} },
  );
  const encoding = shapeOf({ contentType: text, headers: mapOf(header), explode: flag, allowReserved: flag });
  const content = mapOf(shapeOf({ ...value, encoding: mapOf(encoding) }));
  const server = shapeOf(
    {
      url: text,
      description: text,
      variables: mapOf(shapeOf({ enum: listOf(text), default: text, description: text }, { default: "" })),
    },
    { url: "/" },
  );
  const parameter = listOf(createParameterFit(value, content));
  const response = shapeOf({ description: text, headers: mapOf(header), content });
  const requestBody = shapeOf({ description: text, content, required: flag }, { content: {} });
  const fields: Record<string, Fit> = {
    tags: listOf(text, { isSet: true }),
    summary: text,
    description: text,
    externalDocs: docs,
    operationId: text,
    parameters: parameter,
    requestBody,
    responses: mapOf(response, (status) => STATUS.test(status)),
    deprecated: flag,
    security: listOf(data, { mayBeEmpty: true }),
    servers: listOf(server),
  };
  const fit = shapeOf(fields);
  return (detail) => (fit(detail) ?? {}) as OperationFields;
}

function createParameterFit(value: Readonly<Record<string, Fit>>, content: Fit): Fit {
  const fit = shapeOf({
    ...value,
    name: text,
    in: oneOf(...Object.keys(STYLES)),
    description: text,
    required: flag,
    deprecated: flag,
    allowReserved: flag,
    style: text,
    explode: flag,
    content: (given) =>
      isObject(given) && count(Object.keys(given).length) === 1 ? content(given) : undefined,
  });
  return (given) => {
    const { style, schema, ...said } = (fit(given) ?? {}) as Json & { name?: string; in?: string };
    const place = said.in;
    if (said.name === undefined || place === undefined) return undefined;
    return {
      ...said,
      ...(STYLES[place]?.includes(String(style)) === true ? { style } : {}),
      ...(place === "path" ? { required: true } : {}),
      ...(said["content"] === undefined ? { schema: schema ?? {} } : {}),
    };
  };
}
