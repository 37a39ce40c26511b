interface Signature {
  readonly type: string;
  /** Where it stands in the content. @default 0 */
  readonly at?: number;
  /** Latin-1. */
  readonly text: string;
  /** What else has to stand where. */
  readonly and?: readonly [at: number, text: string];
}

/** Bytes of a content that have to be looked at. */
export const HEAD_BYTES = 512;

const SIGNATURES: readonly Signature[] = [
  { type: "image/png", text: "\x89PNG\r\n\x1a\n" },
  { type: "image/jpeg", text: "\xff\xd8\xff" },
  { type: "image/gif", text: "GIF87a" },
  { type: "image/gif", text: "GIF89a" },
  { type: "image/webp", text: "RIFF", and: [8, "WEBP"] },
  { type: "image/avif", at: 4, text: "ftypavi" },
  { type: "image/heic", at: 4, text: "ftyphei" },
  { type: "image/heic", at: 4, text: "ftypmif1" },
  { type: "image/bmp", text: "BM", and: [6, "\0\0\0\0"] },
  { type: "image/tiff", text: "II*\0" },
  { type: "image/tiff", text: "MM\0*" },
  { type: "image/x-icon", text: "\0\0\x01\0" },
  { type: "application/pdf", text: "%PDF-" },
  { type: "application/zip", text: "PK\x03\x04" },
  { type: "application/zip", text: "PK\x05\x06" },
  { type: "application/gzip", text: "\x1f\x8b\x08" },
  { type: "application/x-bzip2", text: "BZh" },
  { type: "application/x-xz", text: "\xfd7zXZ\0" },
  { type: "application/x-7z-compressed", text: "7z\xbc\xaf\x27\x1c" },
  { type: "application/vnd.rar", text: "Rar!\x1a\x07" },
  { type: "application/x-cfb", text: "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" },
  { type: "application/rtf", text: "{\\rtf" },
  { type: "application/vnd.sqlite3", text: "SQLite format 3\0" },
  { type: "application/wasm", text: "\0asm" },
  { type: "application/x-msdownload", text: "MZ" },
  { type: "application/x-elf", text: "\x7fELF" },
  { type: "audio/mpeg", text: "ID3" },
  { type: "audio/mpeg", text: "\xff\xfb" },
  { type: "audio/mpeg", text: "\xff\xf3" },
  { type: "audio/flac", text: "fLaC" },
  { type: "audio/wav", text: "RIFF", and: [8, "WAVE"] },
  { type: "video/x-msvideo", text: "RIFF", and: [8, "AVI "] },
  { type: "application/ogg", text: "OggS" },
  { type: "video/webm", text: "\x1aE\xdf\xa3" },
  { type: "video/mp4", at: 4, text: "ftyp" },
  { type: "font/woff", text: "wOFF" },
  { type: "font/woff2", text: "wOF2" },
];

/** Types by other names, as senders write them. */
const ALIASES: Readonly<Record<string, string>> = {
  "image/jpg": "image/jpeg",
  "image/pjpeg": "image/jpeg",
  "image/vnd.microsoft.icon": "image/x-icon",
  "image/x-ms-bmp": "image/bmp",
  "application/x-pdf": "application/pdf",
  "application/x-zip-compressed": "application/zip",
  "application/x-gzip": "application/gzip",
  "application/x-rar-compressed": "application/vnd.rar",
  "application/x-rar": "application/vnd.rar",
  "text/rtf": "application/rtf",
  "audio/mp3": "audio/mpeg",
  "audio/wave": "audio/wav",
  "audio/x-wav": "audio/wav",
  "audio/x-flac": "audio/flac",
  "application/font-woff": "font/woff",
};

/** What is packed as another type is: documents of offices are archives. */
const CONTAINERS: readonly (readonly [type: string, forms: RegExp])[] = [
  [
    "application/zip",
    /^application\/(?:vnd\.(?:openxmlformats-officedocument|oasis\.opendocument|ms-(?:excel|word|powerpoint)\.[a-z.]*macroenabled|android)[.\w+-]*|epub\+zip|java-archive|x-java-archive)$/,
  ],
  [
    "application/x-cfb",
    /^application\/(?:msword|vnd\.ms-(?:excel|powerpoint|outlook|project)|vnd\.visio|x-msi)$/,
  ],
  ["application/gzip", /^application\/(?:x-tgz|x-compressed-tar)$/],
  ["application/ogg", /^(?:audio|video)\/(?:ogg|opus)$/],
  ["video/mp4", /^(?:audio\/(?:mp4|x-m4a|m4a)|video\/(?:quicktime|x-m4v|3gpp))$/],
  ["video/webm", /^(?:audio\/webm|(?:video|audio)\/(?:x-)?matroska)$/],
  ["image/heic", /^image\/heif$/],
  [
    "application/x-msdownload",
    /^application\/(?:x-msdos-program|x-dosexec|vnd\.microsoft\.portable-executable|x-ms-dos-executable)$/,
  ],
];

const known = new Set(SIGNATURES.map(({ type }) => type));

/** Finds the type that the first bytes of a content tell; null for one that has no signature, as text has none. */
export function detectType(head: Uint8Array): string | null {
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.byteLength, HEAD_BYTES)).toString(
    "latin1",
  );
  const found = SIGNATURES.find(
    ({ at = 0, text: mark, and: [elsewhere, other] = [0, ""] }) =>
      text.startsWith(mark, at) && text.startsWith(other, elsewhere),
  );
  return found?.type ?? null;
}

/** Whether contents of a type begin with a signature. */
export function hasSignature(type: string): boolean {
  return known.has(type) || CONTAINERS.some(([, forms]) => forms.test(type));
}

/** Whether a content with the signature of `found` can be of a type. */
export function canBe(found: string, type: string): boolean {
  return found === type || CONTAINERS.some(([container, forms]) => container === found && forms.test(type));
}

/** The type that a sender means, without parameters; null for none. */
export function toKnownType(given: string): string | null {
  const type = (given.split(";")[0] ?? "").trim().toLowerCase();
  if (
    !/^[a-z0-9!#$&^_.+-]{1,100}\/[a-z0-9!#$&^_.+-]{1,100}$/.test(type) ||
    type === "application/octet-stream"
  )
    return null;
  return ALIASES[type] ?? type;
}
