import { describe, expect, test } from "bun:test";
import { mkdirSync, renameSync, rmSync, statSync, symlinkSync, unlinkSync } from "node:fs";
import { RotatingFile } from "../../src/log/rotating-file.ts";
import type { RotatingFileOptions } from "../../src/log/rotating-file.ts";
import { LogFolder } from "./log-folder.ts";

interface Opened {
  file: RotatingFile;
  /** What the file told, in order. */
  told: string[];
  clock: { ms: number };
}

function open(path: string, options: Pick<RotatingFileOptions, "max_bytes" | "backup_count">): Opened {
  const told: string[] = [];
  const clock = { ms: 0 };
  const file = new RotatingFile(path, {
    ...options,
    onFail: (error, action) =>
      told.push(`${action} failed: ${error instanceof Error && "code" in error ? String(error.code) : "?"}`),
    onRecover: (lostLines) => told.push(`recovered, ${lostLines} lost`),
    now: () => clock.ms,
  });
  return { file, told, clock };
}

describe("rotation", () => {
  test("write() keeps the newest lines in the file and moves the backups up when it is full", () => {
    using folder = new LogFolder();
    const { file, told } = open(folder.at("a.log"), { max_bytes: 10, backup_count: 2 });
    for (const line of ["1111\n", "2222\n", "3333\n", "4444\n", "5555\n", "6666\n", "7777\n"])
      file.write(Buffer.from(line));
    expect(folder.files()).toEqual({
      "a.log": "7777\n",
      "a.log.1": "5555\n6666\n",
      "a.log.2": "3333\n4444\n",
    });
    expect(told).toEqual([]);
  });

  test("write() rotates between lines when one chunk holds many", () => {
    using folder = new LogFolder();
    const { file } = open(folder.at("a.log"), { max_bytes: 10, backup_count: 9 });
    file.write(Buffer.from("1111\n22\n3333\n4444\n55555555\n6\n"));
    expect(folder.files()).toEqual({
      "a.log": "6\n",
      "a.log.1": "55555555\n",
      "a.log.2": "3333\n4444\n",
      "a.log.3": "1111\n22\n",
    });
  });

  test("write() gives a line that is longer than the limit a file of its own", () => {
    using folder = new LogFolder();
    const { file } = open(folder.at("a.log"), { max_bytes: 10, backup_count: 9 });
    const long = `${"x".repeat(1_000_000)}\n`;
    file.write(Buffer.from(`1\n${long}2\n`));
    file.write(Buffer.from(long));
    expect(folder.files()).toEqual({ "a.log": long, "a.log.1": "2\n", "a.log.2": long, "a.log.3": "1\n" });
  });

  test("write() counts bytes, not characters, when lines are not ASCII", () => {
    using folder = new LogFolder();
    const { file } = open(folder.at("a.log"), { max_bytes: 12, backup_count: 1 });
    file.write(Buffer.from("ééé\nééé\n"));
    expect(folder.files()).toEqual({ "a.log": "ééé\n", "a.log.1": "ééé\n" });
  });

  test("write() empties the file when it is full and there are no backups", () => {
    using folder = new LogFolder();
    const { file } = open(folder.at("a.log"), { max_bytes: 10, backup_count: 0 });
    for (const line of ["1111\n", "2222\n", "3333\n"]) file.write(Buffer.from(line));
    expect(folder.files()).toEqual({ "a.log": "3333\n" });
  });

  test("write() never rotates when max_bytes is 0", () => {
    using folder = new LogFolder();
    const { file } = open(folder.at("a.log"), { max_bytes: 0, backup_count: 3 });
    for (let index = 0; index < 100; index++) file.write(Buffer.from("line\n"));
    expect(folder.files()).toEqual({ "a.log": "line\n".repeat(100) });
  });

  test("write() loses and tears no line when it rotates under load", () => {
    using folder = new LogFolder();
    const { file } = open(folder.at("a.log"), { max_bytes: 10_000, backup_count: 500 });
    let chunk = "";
    for (let index = 0; index < 20_000; index++) {
      chunk += `${JSON.stringify({ index, pad: "é".repeat(index % 50) })}\n`;
      if (index % 117 === 0 || index === 19_999) {
        file.write(Buffer.from(chunk));
        chunk = "";
      }
    }
    const names = Object.keys(folder.files()).toSorted(
      (a, b) => Number(b.split(".")[2] ?? 0) - Number(a.split(".")[2] ?? 0),
    );
    const indexes = names.flatMap((name) => folder.lines(name).map((line) => line["index"]));
    expect(indexes).toEqual(Array.from({ length: 20_000 }, (_, index) => index));
    expect(Math.max(...names.map((name) => statSync(folder.at(name)).size))).toBeLessThanOrEqual(10_000);
  });

  test("write() keeps each line once while another process writes to the file and sets it aside", () => {
    using folder = new LogFolder();
    const both = [1, 2].map(() => open(folder.at("a.log"), { max_bytes: 1000, backup_count: 500 }));
    for (let index = 0; index < 4000; index++) {
      const { file, clock } = both[index % 3 === 0 ? 0 : 1] ?? expect.unreachable();
      clock.ms += index % 7 === 0 ? 1000 : 1;
      file.write(Buffer.from(`${JSON.stringify({ index })}\n`));
    }
    const files = Object.keys(folder.files());
    const indexes = files.flatMap((name) => folder.lines(name).map((line) => Number(line["index"])));
    expect(indexes.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 4000 }, (_, index) => index));
    // None was set aside when it had hardly begun.
    const sizes = files.filter((name) => name !== "a.log").map((name) => statSync(folder.at(name)).size);
    expect(Math.min(...sizes)).toBeGreaterThan(500);
  });

  test("write() goes on in the file of an earlier run, after the half line that it was killed in", () => {
    using folder = new LogFolder();
    folder.write("a.log", "1111\n22");
    const { file } = open(folder.at("a.log"), { max_bytes: 100, backup_count: 1 });
    file.write(Buffer.from("3333\n"));
    expect(folder.files()).toEqual({ "a.log": "1111\n22\n3333\n" });
  });

  test("write() goes on in the full file when it can't be rotated, and tries again later", () => {
    using folder = new LogFolder();
    mkdirSync(folder.at("a.log.1/taken"), { recursive: true });
    const { file, told, clock } = open(folder.at("a.log"), { max_bytes: 10, backup_count: 1 });
    for (const line of ["1111\n", "2222\n", "3333\n", "4444\n"]) file.write(Buffer.from(line));
    expect(folder.read("a.log")).toBe("1111\n2222\n3333\n4444\n");
    expect(told).toHaveLength(1);
    rmSync(folder.at("a.log.1"), { recursive: true });
    clock.ms += 5000;
    file.write(Buffer.from("5555\n"));
    expect(folder.files()).toEqual({ "a.log": "5555\n", "a.log.1": "1111\n2222\n3333\n4444\n" });
    expect(told).toEqual([expect.stringMatching(/^rotate failed: E/)]);
  });
});

describe("trouble", () => {
  test("write() tells once, drops lines and recovers when the folder can't be made", () => {
    using folder = new LogFolder();
    folder.write("logs", "a file where the folder should be");
    const { file, told, clock } = open(folder.at("logs/a.log"), { max_bytes: 100, backup_count: 1 });
    expect(told).toEqual([expect.stringMatching(/^write failed: (ENOTDIR|EEXIST)$/)]);
    file.write(Buffer.from("1\n2\n"));
    clock.ms += 5000;
    file.write(Buffer.from("3\n"));
    unlinkSync(folder.at("logs"));
    file.write(Buffer.from("4\n"));
    clock.ms += 5000;
    file.write(Buffer.from("5\n"));
    expect(told).toEqual([expect.any(String), "recovered, 4 lost"]);
    expect(folder.read("logs/a.log")).toBe("5\n");
  });

  test.skipIf(process.platform !== "linux")("write() tells once and recovers when the disk is full", () => {
    using folder = new LogFolder();
    symlinkSync("/dev/full", folder.at("a.log"));
    const { file, told, clock } = open(folder.at("a.log"), { max_bytes: 0, backup_count: 1 });
    file.write(Buffer.from("1\n"));
    file.write(Buffer.from("2\n"));
    expect(told).toEqual(["write failed: ENOSPC"]);
    unlinkSync(folder.at("a.log"));
    clock.ms += 5000;
    file.write(Buffer.from("3\n"));
    expect(told).toEqual(["write failed: ENOSPC", "recovered, 2 lost"]);
    expect(folder.read("a.log")).toBe("3\n");
  });

  test.each([
    ["is deleted", (folder: LogFolder): void => unlinkSync(folder.at("logs/a.log"))],
    ["is renamed", (folder: LogFolder): void => renameSync(folder.at("logs/a.log"), folder.at("old.log"))],
    ["loses its folder", (folder: LogFolder): void => rmSync(folder.at("logs"), { recursive: true })],
  ])("write() makes the file anew within a second when it %s", (_, harm) => {
    using folder = new LogFolder();
    const { file, told, clock } = open(folder.at("logs/a.log"), { max_bytes: 100, backup_count: 1 });
    file.write(Buffer.from("1\n"));
    harm(folder);
    clock.ms += 1000;
    file.write(Buffer.from("2\n"));
    expect(folder.read("logs/a.log")).toBe("2\n");
    expect(told).toEqual([]);
  });

  test.skipIf(process.platform === "win32")("the file and its folder are not readable by everyone", () => {
    using folder = new LogFolder();
    open(folder.at("logs/a.log"), { max_bytes: 100, backup_count: 1 });
    expect(statSync(folder.at("logs")).mode & 0o007).toBe(0);
    expect(statSync(folder.at("logs/a.log")).mode & 0o007).toBe(0);
  });
});
