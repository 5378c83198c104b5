/**
 * The names of all threads, which stand in the engine's table with their processes.
 */
import type { RemoteNames } from '../registry';
import type { Office } from './office';

/** The registry's door to the table. */
export function tableNames(office: Office): RemoteNames {
  const { native } = office.bridge;
  return {
    give: (name, id) => native.actorName(name, id),
    take(name, mine) {
      const id = native.actorWhereis(name);
      // The table has freed the names of a process that has ended, and another may have taken them.
      if (id === null || (mine !== undefined && mine !== id)) return;
      native.actorUnname(name, id);
      const where = native.actorOffice(id);
      if (where !== 0 && where !== office.number) office.route(where).unregister(name, id);
    },
    whereis: (name) => native.actorWhereis(name) ?? undefined,
    all: () => native.actorNames(),
    count: () => native.actorCountNames(),
  };
}
