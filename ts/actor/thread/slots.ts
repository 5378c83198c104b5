/**
 * Counters of processes in memory that all threads see.
 */
import type { SlotSource } from '../counters';
import type { Office } from './office';

/** Numbers of a segment, for where the memory cannot be mapped: 1024 slots of eight. */
const SEGMENT_LENGTH = 8192;

/** Slots from the engine's table: a process gets one when it is entered there. */
export function tableSlots({ bridge: { native }, number }: Office): SlotSource {
  return {
    take: (id) => native.actorAdd(number, id) ?? undefined,
    segment(index) {
      const memory = native.actorSegment(index);
      return memory === undefined ? new Float64Array(SEGMENT_LENGTH) : new Float64Array(memory);
    },
  };
}
