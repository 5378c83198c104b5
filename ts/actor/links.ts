/**
 * Links: two processes that end together. When one ends otherwise than `'normal'`, the other is killed, or where it has `trapExit`, is told by an exit signal.
 */
import { LinkBrokenError, ServerNotRunningError } from './errors';
import { findProcess, isServer, nextId, noticeEnd, watchEnds } from './processes';
import { onReset } from './resets';
import { idOf } from './settings';
import type { ExitReason, LinkRef, Ref } from './types';

/** The links of each process, by its id. */
const links = new Map<string, Set<LinkRef>>();
const byId = new Map<string, LinkRef>();

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
  const made: LinkRef = {
    linkId: nextId('link'),
    ref1: { id: runningId(ref1, 'ref1'), nodeId: 'local' },
    ref2: { id: runningId(ref2, 'ref2'), nodeId: 'local' },
  };
  byId.set(made.linkId, made);
  attach(made.ref1.id, made);
  attach(made.ref2.id, made);
  return made;
}

/** Takes a link back; one that is gone already is no error. */
export function unlink(linkRef: LinkRef): void {
  const found = byId.get(linkRef.linkId);
  if (found === undefined) return;
  byId.delete(found.linkId);
  detach(found.ref1.id, found);
  detach(found.ref2.id, found);
}

function ended(id: string, reason: ExitReason): void {
  const known = links.get(id);
  if (known === undefined) return;
  const broken = [...known];
  for (const made of broken) unlink(made);
  if (reason === 'normal') return;
  const peers = new Set(broken.map(({ ref1, ref2 }) => (ref1.id === id ? ref2.id : ref1.id)));
  for (const to of [...peers].toReversed()) waiting.push({ from: id, to, reason });
  if (depth === MAX_DEPTH) return;
  depth += 1;
  for (let exit = waiting.pop(); exit !== undefined; exit = waiting.pop()) propagate(exit);
  depth -= 1;
}

function propagate({ from, to, reason }: Exit): void {
  const peer = findProcess(to);
  if (peer === undefined) return;
  if (isServer(peer)) peer.exit({ type: 'EXIT', from: { id: from, nodeId: 'local' }, reason });
  else peer.kill({ error: new LinkBrokenError(from) });
}

function runningId(ref: Ref, name: string): string {
  const id = idOf(ref, name);
  const process = findProcess(id);
  if (!process?.isRunning()) throw new ServerNotRunningError(id);
  noticeEnd(process);
  return id;
}

function attach(id: string, made: LinkRef): void {
  const known = links.get(id);
  if (known === undefined) links.set(id, new Set([made]));
  else known.add(made);
}

function detach(id: string, made: LinkRef): void {
  const known = links.get(id);
  if (known?.delete(made) && known.size === 0) links.delete(id);
}

watchEnds(ended);
onReset(() => {
  links.clear();
  byId.clear();
});
