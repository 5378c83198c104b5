/**
 * What each process counts: a slot of eight numbers. Who observes reads the numbers and costs the observed nothing. Slots lie in plain segments until a `SlotSource` gives
 * memory that other threads see as well; `processes.ts` moves them there.
 */

/** The places in a slot. */
export const MESSAGES = 0;
export const QUEUE = 1;
export const RESTARTS = 2;
/** Milliseconds since 1970. */
export const STARTED_AT = 3;
/** Milliseconds since 1970; 0: none yet. */
export const LAST_FAULT_AT = 4;
/** One of the `STATUS_` values. */
export const STATUS = 5;
/** How often a handler has thrown. */
export const ERRORS = 6;
/** What other threads must know of its mailbox: how many messages may wait; negative where a cast more is dropped without a word. 0: nothing keeps them from sending. */
export const BOUND = 7;

/** The values of `STATUS`; 0 is a slot that nobody uses. */
export const STATUS_INITIALIZING = 1;
export const STATUS_RUNNING = 2;
export const STATUS_STOPPING = 3;
export const STATUS_STOPPED = 4;

/** Memory for slots that all threads see. */
export interface SlotSource {
  /** A slot for a process of this thread; `undefined` where there is none left. */
  take(id: string): number | undefined;
  /** The segment of that number: 1024 slots; `undefined` where V8 refuses foreign memory. Then its numbers are read and written one by one. */
  segment(index: number): Float64Array | undefined;
  read(slot: number, field: number): number;
  write(slot: number, field: number, value: number): void;
}

const SLOT_BITS = 3;
const SEGMENT_BITS = 10;
const IN_SEGMENT = (1 << SEGMENT_BITS) - 1;
/** Slots from here on are plain ones. */
const FIRST_PLAIN = 2 ** 29;

const shared: (Float64Array | undefined)[] = [];
const plain: Float64Array[] = [];
const free: number[] = [];
let used = FIRST_PLAIN;
let source: SlotSource | undefined;

/** A plain slot of zeros. */
export function takeSlot(): number {
  const slot = free.pop() ?? used++;
  if (indexOf(slot) === plain.length) plain.push(new Float64Array(1 << (SEGMENT_BITS + SLOT_BITS)));
  return slot;
}

/** Clears a slot and gives it back. */
export function freeSlot(slot: number): void {
  // A shared one goes back with its process.
  if (slot < FIRST_PLAIN || slot === NOWHERE) return;
  const at = place(slot);
  plain[indexOf(slot)]!.fill(0, at, at + (1 << SLOT_BITS));
  free.push(slot);
}

/** The number at `field` of a slot. */
export function readCounter(slot: number, field: number): number {
  const segment = segmentOf(slot);
  return segment === undefined ? source!.read(slot, field) : segment[place(slot) + field]!;
}

/** Sets the number at `field` of a slot. */
export function setCounter(slot: number, field: number, value: number): void {
  const segment = segmentOf(slot);
  if (segment === undefined) source!.write(slot, field, value);
  else segment[place(slot) + field] = value;
}

/** Adds one to the number at `field` of a slot. */
export function count(slot: number, field: number): void {
  const segment = segmentOf(slot);
  if (segment === undefined) source!.write(slot, field, source!.read(slot, field) + 1);
  else segment[place(slot) + field]! += 1;
}

/** Shared slots come from here from now on. */
export function setSlotSource(given: SlotSource | undefined): void {
  source = given;
  shared.length = 0;
}

/** The shared slot for a process, with what its plain one has counted; where there is none, the slot itself. */
export function shareSlot(slot: number, id: string): number {
  if (source === undefined || slot < FIRST_PLAIN) return slot;
  const taken = source.take(id);
  if (taken === undefined) return slot;
  openSlot(taken);
  for (let field = 0; field < 1 << SLOT_BITS; field++) setCounter(taken, field, readCounter(slot, field));
  freeSlot(slot);
  return taken;
}

/** Makes a shared slot readable here, also that of a process of another thread; returns it. */
export function openSlot(slot: number): number {
  const index = slot >>> SEGMENT_BITS;
  while (shared.length <= index) shared.push(undefined);
  shared[index] ??= source!.segment(index);
  return slot;
}

/** Whether other threads see a slot. */
export function isShared(slot: number): boolean {
  return slot < FIRST_PLAIN;
}

/** `undefined` where V8 refuses foreign memory. */
function segmentOf(slot: number): Float64Array | undefined {
  return slot < FIRST_PLAIN ? shared[slot >>> SEGMENT_BITS] : plain[indexOf(slot)];
}

function indexOf(slot: number): number {
  return (slot - FIRST_PLAIN) >>> SEGMENT_BITS;
}

function place(slot: number): number {
  return (slot & IN_SEGMENT) << SLOT_BITS;
}

/** Where a process counts whose shared slot is gone: what stands there means nothing. */
export const NOWHERE = takeSlot();
