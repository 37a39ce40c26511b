import { type TProperties, Type } from "@sinclair/typebox";

/** The sizes that a config string may hold, as an ECMA-262 pattern: a number above zero and b, kb, mb or gb. */
export const BYTE_SIZE_PATTERN = "^(?=.*[1-9])\\d{1,6}(\\.\\d{1,3})? ?[kKmMgG]?[iI]?[bB]$";

/** A number of bytes, or a text such as "16mb" that `parseByteSize` reads. */
export function byteSize(preset: string, description: string) {
  return Type.Union(
    [
      Type.String({ pattern: BYTE_SIZE_PATTERN, title: 'a size such as "512kb", "16mb" or "1gb"' }),
      Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, title: "a number of bytes above zero" }),
    ],
    { default: preset, description },
  );
}

/** A time that is counted in seconds. */
export function seconds(preset: number, description: string) {
  return Type.Number({ minimum: 0.1, maximum: 86_400, default: preset, description });
}

/** An object of which every key is known. */
export function section<T extends TProperties>(description: string, properties: T) {
  return Type.Object(properties, { description, additionalProperties: false });
}
