/** The public face of the processor. */
export { TRILLION_CONFIG } from './options';
export { runParallel } from './run-parallel';
export { TaskResults } from './task-results';
export { TrillionProcessor } from './trillion-processor';
export type * from './types';
