/**
 * Connects this thread's processes with those of other threads, once.
 */
import { setRemoteProcesses } from '../processes';
import { setRemoteNames } from '../registry';
import { FrontDesk } from './desk';
import { Directory } from './directory';
import { tableNames } from './names';
import { Office } from './office';
import { tableSlots } from './slots';

/** The parts of the connection. */
export interface Threads {
  readonly office: Office;
  readonly desk: FrontDesk;
  readonly directory: Directory;
}

let threads: Threads | undefined;

/**
 * Connects this thread; from then on its processes and names are known to all.
 * @throws NoizylabError `ERR_CORE_UNAVAILABLE`: there is no native part for this platform
 */
export function connect(): Threads {
  if (threads !== undefined) return threads;
  const desk = new FrontDesk();
  const office = new Office(desk);
  const directory = new Directory(office);
  desk.directory = directory;
  threads = { office, desk, directory };
  setRemoteProcesses(directory, tableSlots(office));
  setRemoteNames(tableNames(office));
  return threads;
}
