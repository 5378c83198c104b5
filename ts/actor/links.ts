/**
 * Links: two processes that end together. When one ends otherwise than `'normal'`, the other is killed, or where it has `trapExit`, is told by an exit signal.
 *
 * A link is known in the threads of both processes, wherever it was made: each sees to its own one of the two, and so also when the other's thread ends.
 */
import { LinkBrokenError, ServerNotRunningError } from './errors';
import {
  findLocal,
  findProcess,
  isLocal,
  nextId,
  noticeEnd,
  remoteProcesses,
  setLinkBreaker,
} from './processes';
import { onReset } from './resets';
import { addTo, removeFrom } from './set-index';
import { idOf, options } from './settings';
import type { ExitReason, LinkRef, Ref } from './types';

/** The links of each process, by its id. */
const links = new Map<string, Set<LinkRef>>();
const byId = new Map<string, LinkRef>();
/** Links that were taken back while this thread did not know of them, the latest: word of them may still be on its way. */
const released = new Set<string>();
const RELEASED_KEPT = 1024;

interface Exit {
  readonly from: string;
  readonly to: string;
  readonly reason: ExitReason;
}

/** Peers that are still to be told; a chain of links longer than `MAX_DEPTH` is followed from here instead of from within one another's end. */
const waiting: Exit[] = [];
const MAX_DEPTH = 32;
let depth = 0;

/**
 * Links two running processes. Links are mutual, and two processes may have several.
 *
 * @throws ServerNotRunningError where one of them is not running
 */
export function link(ref1: Ref, ref2: Ref): LinkRef {
  const ids = [runningId(ref1, 'ref1'), runningId(ref2, 'ref2')] as const;
  const made: LinkRef = {
    linkId: nextId('link'),
    ref1: { id: ids[0], nodeId: 'local' },
    ref2: { id: ids[1], nodeId: 'local' },
  };
  holdLink(made);
  remoteProcesses()?.link(made);
  return made;
}

/** Takes a link back; one that is gone already is no error. */
export function unlink(linkRef: LinkRef): void {
  const { linkId, ref1, ref2 } = (linkRef ?? {}) as Partial<LinkRef>;
  if (typeof linkId !== 'string') throw options.type('linkRef', linkRef, 'what link has given');
  const ids = [idOf(ref1!, 'linkRef.ref1'), idOf(ref2!, 'linkRef.ref2')] as const;
  releaseLink(linkId);
  remoteProcesses()?.unlink({
    linkId,
    ref1: { id: ids[0], nodeId: 'local' },
    ref2: { id: ids[1], nodeId: 'local' },
  });
}

/** Keeps a link, where one of the two processes is of this thread. */
export function holdLink(made: LinkRef): void {
  const ids = [made.ref1.id, made.ref2.id];
  if (byId.has(made.linkId) || released.delete(made.linkId) || !ids.some(isLocal)) return;
  byId.set(made.linkId, made);
  for (const id of ids) {
    addTo(links, id, made);
    const process = findProcess(id);
    if (process !== undefined) noticeEnd(process);
  }
}

/** Forgets a link, or where it is not known yet, will not know it. */
export function releaseLink(linkId: string): void {
  if (forget(linkId)) return;
  released.add(linkId);
  if (released.size > RELEASED_KEPT) released.delete(released.values().next().value!);
}

function forget(linkId: string): boolean {
  const found = byId.get(linkId);
  if (found === undefined) return false;
  byId.delete(linkId);
  removeFrom(links, found.ref1.id, found);
  removeFrom(links, found.ref2.id, found);
  return true;
}

/** A process has ended: so do those that it is linked with. */
export function breakLinks(id: string, reason: ExitReason): void {
  const known = links.get(id);
  if (known === undefined) return;
  const broken = [...known];
  for (const { linkId } of broken) forget(linkId);
  if (reason === 'normal') return;
  const peers = new Set(broken.map(({ ref1, ref2 }) => (ref1.id === id ? ref2.id : ref1.id)));
  for (const to of [...peers].toReversed()) waiting.push({ from: id, to, reason });
  if (depth === MAX_DEPTH) return;
  depth += 1;
  for (let exit = waiting.pop(); exit !== undefined; exit = waiting.pop()) propagate(exit);
  depth -= 1;
}

/** A peer of another thread is told there. */
function propagate({ from, to, reason }: Exit): void {
  const peer = findLocal(to);
  if (peer?.kind === 'server') peer.exit({ type: 'EXIT', from: { id: from, nodeId: 'local' }, reason });
  else peer?.kill({ error: new LinkBrokenError(from) });
}

function runningId(ref: Ref, name: string): string {
  const id = idOf(ref, name);
  if (!findProcess(id)?.isRunning()) throw new ServerNotRunningError(id);
  return id;
}

setLinkBreaker(breakLinks);
onReset(() => {
  links.clear();
  byId.clear();
  released.clear();
});
