/** What is known of a file. */
export interface StoredFile {
  /** Another one once another content is put under its key. */
  readonly id: string;
  /** What its plugin calls it by; null for one that belongs to a row. */
  readonly key: string | null;
  /** As its sender has called it, made safe: it may be saved as this, and holds no folders. */
  readonly name: string;
  /** Its media type, such as "application/pdf". */
  readonly type: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-256 of its content in hex. */
  readonly hash: string;
  /** Id of the account; null for nobody known. */
  readonly created_by: number | null;
  readonly created_at: Date;
}

/** The column of a table that files are for. */
export interface FilePlace {
  readonly table: string;
  readonly column: string;
}

/** The sizes that images are made smaller to, as the box that they fit in: each is kept. */
export const THUMBNAIL_SIZES = ["64x64", "100x100", "200x200", "400x400", "800x800"] as const;
