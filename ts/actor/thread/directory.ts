/**
 * The processes of other threads that this thread has asked for, and who in other threads has asked for processes of this one.
 */
import { NoizylabError } from '../../errors';
import { isLocal, type Process, type RemoteProcesses } from '../processes';
import { ServerNotRunningError } from '../errors';
import type { ExitReason } from '../types';
import { encodeReason } from './faults';
import type { Office } from './office';
import { RemoteProcess, type RemoteOwner } from './remote-process';
import type { Route } from './route';

/** The end of a process whose thread has ended under it. */
export function workerDied(id: string, cause?: unknown): { error: NoizylabError } {
  const message = `The worker thread of '${id}' has ended: it was terminated, ran out of memory, or did not catch an error`;
  const options = cause === undefined ? undefined : { cause };
  return { error: new NoizylabError('ERR_ACTOR_WORKER_DIED', message, options) };
}

export class Directory implements RemoteProcesses, RemoteOwner {
  readonly #remote = new Map<string, RemoteProcess>();
  /** Killed from here, and not yet known to be gone there; with their office. */
  readonly #killed = new Map<string, number>();
  /** Those who are to be told of the end of a process of this thread. */
  readonly #watchers = new Map<string, Set<Route>>();

  constructor(private readonly office: Office) {}

  find(id: string): Process | undefined {
    const known = this.#remote.get(id);
    if (known !== undefined) return known;
    if (this.#killed.has(id)) return undefined;
    const number = this.office.bridge.native.actorOffice(id);
    if (number === 0 || number === this.office.number) return undefined;
    const process = this.adopt(id, this.office.route(number));
    process.route.watch(id);
    return process;
  }

  /** A stand-in for a process whose thread is going to tell of its end. */
  adopt(id: string, route: Route): RemoteProcess {
    const process = new RemoteProcess(id, route, this.office, this);
    this.#remote.set(id, process);
    return process;
  }

  /** It is in the table already, with its slot: see `slots.ts`. */
  added(): void {}

  removed(id: string, reason: ExitReason): void {
    this.office.bridge.native.actorRemove(id);
    const watchers = this.#watchers.get(id);
    if (watchers === undefined) return;
    this.#watchers.delete(id);
    const wire = encodeReason(reason);
    for (const route of watchers) route.ended(id, wire);
  }

  /** Another thread wants to be told of the end of a process of this one. */
  watch(id: string, route: Route): void {
    if (!isLocal(id)) {
      route.ended(id, encodeReason({ error: new ServerNotRunningError(id) }));
      return;
    }
    const watchers = this.#watchers.get(id);
    if (watchers === undefined) this.#watchers.set(id, new Set([route]));
    else watchers.add(route);
  }

  killed(process: RemoteProcess, reason: ExitReason): void {
    this.#killed.set(process.id, process.route.office);
    this.#freeNames(process.id);
    this.#end(process, reason);
  }

  /** A process of another thread has ended. */
  ended(id: string, reason: ExitReason): void {
    this.#killed.delete(id);
    const process = this.#remote.get(id);
    if (process !== undefined) this.#end(process, reason);
  }

  /** Another thread has ended. */
  gone(office: number): void {
    for (const [id, where] of this.#killed) if (where === office) this.#killed.delete(id);
    for (const [id, watchers] of this.#watchers) {
      for (const route of watchers) if (route.office === office) watchers.delete(route);
      if (watchers.size === 0) this.#watchers.delete(id);
    }
    for (const process of this.#remote.values()) {
      if (process.route.office === office) this.#end(process, workerDied(process.id));
    }
  }

  #end(process: RemoteProcess, reason: ExitReason): void {
    this.#remote.delete(process.id);
    process.tellEnd(reason);
  }

  /** Whoever takes the place of a killed process may need its names before its own thread has got to its end. */
  #freeNames(id: string): void {
    const { native } = this.office.bridge;
    for (const name of native.actorNames()) if (native.actorWhereis(name) === id) native.actorUnname(name);
  }
}
