/**
 * Counters of processes in memory that all threads see.
 */
import type { SlotSource } from '../counters';
import type { Office } from './office';

/** Slots from the engine's table: a process gets one when it is entered there. */
export function tableSlots({ bridge: { native }, number }: Office): SlotSource {
  return {
    take: (id) => native.actorAdd(number, id) ?? undefined,
    segment(index) {
      const memory = native.actorSegment(index);
      return memory && new Float64Array(memory);
    },
    read: (slot, field) => native.actorCounter(slot, field),
    write: (slot, field, value) => native.actorSetCounter(slot, field, value),
  };
}
