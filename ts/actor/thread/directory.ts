/**
 * The processes of other threads that this thread has asked for, and who in other threads has asked for processes of this one.
 */
import { NoizylabError } from '../../errors';
import { isLocal, type Process, type RemoteProcesses } from '../processes';
import { ServerNotRunningError } from '../errors';
import { breakLinks, holdLink } from '../links';
import { addTo } from '../set-index';
import type { ExitReason, LinkRef } from '../types';
import { encodeReason } from './faults';
import type { Office } from './office';
import { RemoteProcess, type RemoteOwner } from './remote-process';
import type { Route, WireLink } from './route';

/** The end of a process whose thread has ended under it. */
export function workerDied(id: string, cause?: unknown): { error: NoizylabError } {
  const message = `The worker thread of '${id}' has ended: it was terminated, ran out of memory, or did not catch an error`;
  const options = cause === undefined ? undefined : { cause };
  return { error: new NoizylabError('ERR_ACTOR_WORKER_DIED', message, options) };
}

/** So many ends are remembered: somebody may have set out to watch a process before it ended. */
const ENDS_KEPT = 1024;

export class Directory implements RemoteProcesses, RemoteOwner {
  readonly #remote = new Map<string, RemoteProcess>();
  /** Killed from here, and not yet known to be gone there; with their office. */
  readonly #killed = new Map<string, number>();
  /** Why the processes of this thread ended that ended last. */
  readonly #ends = new Map<string, ExitReason>();
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

  /** The stand-in for a process whose thread is going to tell of its end. */
  adopt(id: string, route: Route): RemoteProcess {
    const known = this.#remote.get(id);
    if (known !== undefined) return known;
    const process = new RemoteProcess(id, route, this.office, this);
    this.#remote.set(id, process);
    return process;
  }

  removed(id: string, reason: ExitReason): void {
    this.office.bridge.native.actorRemove(id);
    this.#ends.set(id, reason);
    if (this.#ends.size > ENDS_KEPT) this.#ends.delete(this.#ends.keys().next().value!);
    const watchers = this.#watchers.get(id);
    if (watchers === undefined) return;
    this.#watchers.delete(id);
    const wire = encodeReason(reason);
    for (const route of watchers) route.ended(id, wire);
  }

  /** Another thread wants to be told of the end of a process of this one. */
  watch(id: string, route: Route): void {
    if (!isLocal(id)) {
      route.ended(id, encodeReason(this.#endOf(id)));
      return;
    }
    addTo(this.#watchers, id, route);
  }

  killed(process: RemoteProcess, reason: ExitReason): void {
    const { id, route } = process;
    this.#killed.set(id, route.office);
    // Whoever takes its place may need its names before its own thread has got to its end.
    this.office.bridge.native.actorUnnameAll(id);
    // Where a handler loops, only who has started the thread can end it.
    const owner = this.office.bridge.native.actorOwner(route.office);
    if (owner !== 0 && owner !== this.office.number) this.office.route(owner).kill(id, encodeReason(reason));
    this.#end(process, reason);
  }

  link(link: LinkRef): void {
    const wire = this.#wireLink(link);
    for (const route of this.#routesOf(wire)) route.link(wire);
  }

  unlink(link: LinkRef): void {
    const wire = this.#wireLink(link);
    for (const route of this.#routesOf(wire)) route.unlink(wire);
  }

  /** Another thread has linked a process of this one. */
  linked([linkId, id1, id2, office1, office2]: WireLink): void {
    this.#expectEnd(id1, office1);
    this.#expectEnd(id2, office2);
    holdLink({ linkId, ref1: { id: id1, nodeId: 'local' }, ref2: { id: id2, nodeId: 'local' } });
    // One of this thread may have ended before that was heard of here.
    if (office1 === this.office.number && !isLocal(id1)) breakLinks(id1, this.#endOf(id1));
    if (office2 === this.office.number && !isLocal(id2)) breakLinks(id2, this.#endOf(id2));
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

  /** Why a process of this thread has ended. */
  #endOf(id: string): ExitReason {
    return this.#ends.get(id) ?? { error: new ServerNotRunningError(id) };
  }

  /** To the other threads of the two processes. */
  #routesOf([, , , office1, office2]: WireLink): readonly Route[] {
    const offices = new Set([office1, office2]);
    offices.delete(0);
    offices.delete(this.office.number);
    return [...offices].map((office) => this.office.route(office));
  }

  #wireLink({ linkId, ref1: { id: id1 }, ref2: { id: id2 } }: LinkRef): WireLink {
    return [linkId, id1, id2, this.#officeOf(id1), this.#officeOf(id2)];
  }

  #officeOf(id: string): number {
    if (isLocal(id)) return this.office.number;
    return this.#remote.get(id)?.route.office ?? this.office.bridge.native.actorOffice(id);
  }

  /** Sees to it that the end of a process is heard of here, also where it has come already. */
  #expectEnd(id: string, office: number): void {
    if (office === this.office.number || this.#remote.has(id)) return;
    this.adopt(id, this.office.route(office)).route.watch(id);
  }

  #end(process: RemoteProcess, reason: ExitReason): void {
    this.#remote.delete(process.id);
    process.tellEnd(reason);
  }
}
