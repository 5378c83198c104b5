/** The memory of the process. Looking takes a descriptor: where the system has none left, what was seen last stands. */
import { getHeapStatistics } from 'node:v8';

let resident = 0;

/** Bytes of the process in memory. */
export function residentBytes(): number {
  try {
    resident = process.memoryUsage.rss();
  } catch {
    // What was seen last stands.
  }
  return resident;
}

/** As `process.memoryUsage()`. */
export function memoryUsage(): NodeJS.MemoryUsage {
  try {
    return process.memoryUsage();
  } catch {
    const { total_heap_size, used_heap_size, external_memory } = getHeapStatistics();
    return {
      rss: resident,
      heapTotal: total_heap_size,
      heapUsed: used_heap_size,
      external: external_memory,
      arrayBuffers: 0,
    };
  }
}
