/** `@noizylab/core`. */
export { NoizylabError } from './errors';
export * from './parallel';
export * from './processor';
// Names that both have: here they are the processor's. Those of the parallel engine are in '@noizylab/core/parallel'.
export { TaskResults, type Task } from './processor';
