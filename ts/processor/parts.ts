/** What a processor is made of: loaded with the first one, so that requiring the package stays cheap. */
export { throwLater } from '../bridge/throw-later';
export { Core } from './core';
export { isUrl, readDefinition } from './definitions';
export { filled } from './filled';
export { mapOnWorkers } from './map-on-workers';
export { Operations } from './operations';
export { ResultTable } from './result-table';
export { runTask } from './run-task';
export { statsOf } from './stats';
export { streamProcess } from './stream-process';
export { handedBack } from './submission';
export { TaskBatch } from './task-batch';
export { readTasks } from './task-list';
export { TaskResults } from './task-results';
