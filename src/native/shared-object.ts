/** The smallest pages that every Linux can map: those of arm64 may be as large. */
const PAGE = 0x10000;
const HASH = 0x200;
const SYMBOLS = 0x240;
const NAMES = 0x280;
const CODE = 0x300;
const END = 0x400;
const DYNAMIC_SIZE = 0x60;

/** What goes on at an address: the number of the machine in ELF, and its code before and behind that address. */
const MACHINES: Partial<Record<NodeJS.Architecture, { id: number; before: number[]; behind: number[] }>> = {
  // mov rax, address; jmp rax
  x64: { id: 62, before: [0x48, 0xb8], behind: [0xff, 0xe0] },
  // ldr x16, address; br x16
  arm64: { id: 183, before: [0x50, 0x00, 0x00, 0x58, 0x00, 0x02, 0x1f, 0xd6], behind: [] },
};

/**
 * Makes a shared object of Linux whose one function is at an address of this process.
 *
 * @throws RangeError for a processor that it isn't known for
 * @see https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html
 */
export function toSharedObject(name: string, address: number, processor = process.arch): Uint8Array {
  const machine = MACHINES[processor];
  if (machine === undefined) throw new RangeError(`Cannot make a shared object for "${processor}"`);
  const bytes = new Uint8Array(PAGE + DYNAMIC_SIZE);
  const view = new DataView(bytes.buffer);
  const setWords = (at: number, ...words: number[]): void =>
    words.forEach((word, index) => view.setUint32(at + index * 4, word, true));
  const setLongs = (at: number, ...longs: number[]): void =>
    longs.forEach((long, index) => view.setBigUint64(at + index * 8, BigInt(long), true));
  const setHalves = (at: number, ...halves: number[]): void =>
    halves.forEach((half, index) => view.setUint16(at + index * 2, half, true));

  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // ELF, 64 bits, little endian
  setHalves(16, 3, machine.id); // a shared object
  setWords(20, 1);
  setLongs(32, 64); // where the table of its segments is
  setHalves(52, 64, 56, 4, 64); // sizes of the header and of a segment's entry, and how many there are
  const segments = [
    { type: 1, flags: 5, at: 0, size: END, alignment: PAGE }, // loaded, to be run
    { type: 1, flags: 6, at: PAGE, size: DYNAMIC_SIZE, alignment: PAGE }, // loaded, to be written
    { type: 2, flags: 6, at: PAGE, size: DYNAMIC_SIZE, alignment: 8 }, // what the loader looks for
    { type: 0x6474e551, flags: 6, at: 0, size: 0, alignment: 16 }, // a stack that isn't run
  ];
  for (const [index, { type, flags, at, size, alignment }] of segments.entries()) {
    setWords(64 + index * 56, type, flags);
    setLongs(64 + index * 56 + 8, at, at, at, size, size, alignment);
  }
  setWords(HASH, 1, 2, 1, 0, 0); // one bucket of two symbols, the first of which is none
  setWords(SYMBOLS + 24, 1);
  bytes[SYMBOLS + 28] = 0x12; // a global function
  setHalves(SYMBOLS + 30, 1);
  setLongs(SYMBOLS + 32, CODE, 24);
  bytes.set(new TextEncoder().encode(name), NAMES + 1);
  bytes.set(machine.before, CODE);
  setLongs(CODE + machine.before.length, address);
  bytes.set(machine.behind, CODE + machine.before.length + 8);
  setLongs(PAGE, 4, HASH, 5, NAMES, 6, SYMBOLS, 10, name.length + 2, 11, 24);
  return bytes;
}
