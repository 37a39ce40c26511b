import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { countLines, type LineSink } from "./line-buffer.ts";

export interface RotatingFileOptions {
  /** Bytes that the file may hold before it becomes backup `.1`; 0 never rotates. */
  max_bytes: number;
  /** Backups kept beside the file; with 0 the file is emptied when it is full. */
  backup_count: number;
  /** Told once when writing or rotating starts to fail. */
  onFail: (error: unknown, action: "write" | "rotate") => void;
  /** Told when writing works again, with the number of lines that were lost. */
  onRecover: (lostLines: number) => void;
  /** A monotonic clock in ms. @default performance.now */
  now?: () => number;
}

const retryMs = 5000;
const checkMs = 1000;
const newline = 10;

/**
 * A log file that never holds half a line, and grows past its limit only for a line that is longer: `app.log`
 * is renamed to `app.log.1`, the older ones move up and the oldest goes. Writing is synchronous, so that a
 * crash loses nothing that was handed over. When the disk is full or the folder can't be written, it tells
 * `onFail`, drops lines and tries again every 5 s; when only the rotation fails, the file goes on growing. A
 * file that is deleted or renamed under it is made anew within a second. Two processes may share one while the one
 * takes over from the other: lines stay whole, and what the one has set aside the other doesn't set aside again.
 */
export class RotatingFile implements LineSink {
  readonly #path: string;
  readonly #options: RotatingFileOptions;
  readonly #now: () => number;
  #fd: number | null = null;
  #inode = 0;
  #size = 0;
  #checkedAt = 0;
  #writeFailedAt: number | null = null;
  #rotateFailedAt: number | null = null;
  #lostLines = 0;

  /** Opens the file and makes its folder; what goes wrong is told to `onFail`, not thrown. */
  constructor(path: string, options: RotatingFileOptions) {
    this.#path = path;
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.write(Buffer.alloc(0));
  }

  write(lines: Buffer): void {
    const now = this.#now();
    let rest = lines;
    if (this.#writeFailedAt !== null && now - this.#writeFailedAt < retryMs) {
      this.#lostLines += countLines(rest);
      return;
    }
    try {
      this.#open(now);
      while (rest.length > 0) {
        const end = this.#fit(rest, now);
        const { kept, error } = this.#append(rest.subarray(0, end));
        rest = rest.subarray(kept);
        if (error !== null) throw error;
      }
    } catch (error) {
      this.#lostLines += countLines(rest);
      this.#fail(error, now);
      return;
    }
    if (this.#writeFailedAt !== null) this.#recover();
  }

  /** Closes the file; a later `write()` opens it again. */
  close(): void {
    const fd = this.#fd;
    this.#fd = null;
    try {
      if (fd !== null) closeSync(fd);
    } catch {
      // Each write was checked; there is nothing left that closing could lose.
    }
  }

  #open(now: number): void {
    if (this.#fd !== null && now - this.#checkedAt >= checkMs) {
      this.#checkedAt = now;
      const found = statSync(this.#path, { throwIfNoEntry: false });
      if (found?.ino === this.#inode) this.#size = found.size;
      else this.close();
    }
    if (this.#fd !== null) return;
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o750 });
    const fd = openSync(this.#path, "a+", 0o640);
    this.#fd = fd;
    const { ino, size } = fstatSync(fd);
    this.#inode = ino;
    this.#size = size;
    this.#checkedAt = now;
    // A process that was killed may have left half a line.
    const last = Buffer.alloc(1, newline);
    if (size > 0) readSync(fd, last, 0, 1, size - 1);
    if (last[0] !== newline) this.#size += writeSync(fd, "\n");
  }

  /** Makes room and tells how many of the bytes, in whole lines, the file now takes. */
  #fit(bytes: Buffer, now: number): number {
    const { max_bytes } = this.#options;
    if (max_bytes === 0 || this.#size + bytes.length <= max_bytes) return bytes.length;
    if (this.#rotateFailedAt !== null && now - this.#rotateFailedAt < retryMs) return bytes.length;
    const room = max_bytes - this.#size;
    const fitting = room > 0 ? bytes.lastIndexOf(newline, room - 1) + 1 : 0;
    if (fitting > 0) return fitting;
    if (this.#size === 0 || !this.#rotate(now)) return bytes.indexOf(newline) + 1 || bytes.length;
    return this.#fit(bytes, now);
  }

  /** Writes whole lines; when the disk takes only a part, the file is cut back to the last whole line. */
  #append(bytes: Buffer): { kept: number; error: Error | null } {
    const fd = this.#fd;
    if (fd === null) throw new TypeError(`Cannot write "${this.#path}": it is closed`);
    let written = 0;
    try {
      while (written < bytes.length) {
        const count = writeSync(fd, bytes, written, bytes.length - written);
        if (count === 0) throw new Error(`Cannot write "${this.#path}": the system took 0 bytes`);
        written += count;
      }
      this.#size += written;
      return { kept: written, error: null };
    } catch (error) {
      const kept = written === 0 ? 0 : bytes.lastIndexOf(newline, written - 1) + 1;
      this.#size += kept;
      const isLast = written > kept && fstatSync(fd).size === this.#size + written - kept;
      if (isLast) ftruncateSync(fd, this.#size);
      return { kept, error: error instanceof Error ? error : new Error(String(error)) };
    }
  }

  #rotate(now: number): boolean {
    const { backup_count, onFail } = this.#options;
    const isOurs = statSync(this.#path, { throwIfNoEntry: false })?.ino === this.#inode;
    this.close();
    if (!isOurs) {
      this.#open(now);
      return true;
    }
    let failure: { error: unknown } | null = null;
    try {
      if (backup_count === 0) truncateSync(this.#path, 0);
      for (let index = backup_count; index > 0; index--) {
        moveFile(index === 1 ? this.#path : `${this.#path}.${index - 1}`, `${this.#path}.${index}`);
      }
    } catch (error) {
      failure = { error };
    }
    this.#open(now);
    if (failure !== null && this.#rotateFailedAt === null) onFail(failure.error, "rotate");
    this.#rotateFailedAt = failure === null ? null : now;
    return failure === null;
  }

  #fail(error: unknown, now: number): void {
    this.close();
    const isNew = this.#writeFailedAt === null;
    this.#writeFailedAt = now;
    if (isNew) this.#options.onFail(error, "write");
  }

  #recover(): void {
    const lostLines = this.#lostLines;
    this.#writeFailedAt = null;
    this.#lostLines = 0;
    this.#options.onRecover(lostLines);
  }
}

function moveFile(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
}
