/**
 * The names of all threads, which stand in the engine's table with their processes.
 */
import { isLocal } from '../processes';
import type { RemoteNames } from '../registry';
import type { Office } from './office';

/** What `actorName` says of a name that was given. */
const GIVEN = 0;

/** The registry's door to the table. */
export function tableNames(office: Office): RemoteNames {
  const { native } = office.bridge;
  /** The names that processes of this thread have, with their ids. */
  const own = new Map<string, string>();
  return {
    give(name, id) {
      const given = native.actorName(name, id);
      if (given === GIVEN && isLocal(id)) own.set(name, id);
      return given;
    },
    take(name) {
      const id = native.actorWhereis(name);
      const mine = own.get(name);
      own.delete(name);
      // The table has freed the names of a process that has ended, and another may have taken them.
      if (id === null || (mine !== undefined && mine !== id)) return;
      native.actorUnname(name, id);
      const where = native.actorOffice(id);
      if (where !== 0 && where !== office.number) office.route(where).unregister(name);
    },
    whereis: (name) => native.actorWhereis(name) ?? undefined,
    all: () => native.actorNames(),
  };
}
