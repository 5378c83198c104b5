/**
 * Monitors: one process hears, by the lifecycle event `process_down`, of the end of another. The event comes in a microtask after the end.
 */
import { randomBytes } from 'node:crypto';
import { microtask } from './clock';
import { ServerNotRunningError } from './errors';
import { serverEvents } from './lifecycle';
import { findProcess, noticeEnd, watchEnds } from './processes';
import { onReset } from './resets';
import { addTo, removeFrom } from './set-index';
import { idOf, options as read } from './settings';
import type { DownReason, ExitReason, MonitorRef, Ref } from './types';

interface Monitor {
  readonly monitorRef: MonitorRef;
  readonly by: Ref;
}

const byId = new Map<string, Monitor>();
/** The monitors on each process and those that each process has set, by its id. */
const watching = new Map<string, Set<Monitor>>();
const setBy = new Map<string, Set<Monitor>>();
/** Monitors whose event is on its way. */
const down = new Set<string>();

/**
 * Lets `by` hear of the end of `monitored`; where that is not running, at once, with the reason `noproc`.
 *
 * @throws ServerNotRunningError where `by` is not running
 */
export function monitor(by: Ref, monitored: Ref): MonitorRef {
  const byName = idOf(by, 'monitoringRef');
  const id = idOf(monitored, 'monitoredRef');
  const watcher = findProcess(byName);
  if (!watcher?.isRunning()) throw new ServerNotRunningError(byName);
  const monitorId = `m${Date.now().toString(36)}-${randomBytes(8).toString('hex')}`;
  const made: Monitor = { monitorRef: { monitorId, monitoredRef: { id, nodeId: 'local' } }, by };
  const process = findProcess(id);
  if (process?.isRunning()) {
    noticeEnd(watcher);
    noticeEnd(process);
    byId.set(monitorId, made);
    addTo(watching, id, made);
    addTo(setBy, byName, made);
  } else {
    tell(made, { type: 'noproc' });
  }
  return made.monitorRef;
}

/**
 * Takes a monitor back; one that is gone already is no error.
 *
 * @param options `flush`: an event that is on its way is not told either; default false
 * @throws TypeError `ERR_ACTOR_INVALID_TYPE`: an argument
 */
export function demonitor(monitorRef: MonitorRef, options?: { flush?: boolean | undefined }): void {
  const monitorId: unknown = (monitorRef as Partial<MonitorRef> | null | undefined)?.monitorId;
  if (typeof monitorId !== 'string') throw read.type('monitorRef', monitorRef, 'what monitor has given');
  const { flush } = read.object('options', options);
  if (read.boolean('flush', flush, false)) down.delete(monitorId);
  const found = byId.get(monitorId);
  if (found !== undefined) forget(found);
}

function ended(id: string, reason: ExitReason): void {
  for (const made of setBy.get(id) ?? []) forget(made);
  for (const made of watching.get(id) ?? []) {
    forget(made);
    tell(made, downReason(reason));
  }
}

function tell({ monitorRef, by }: Monitor, reason: DownReason): void {
  const { monitorId, monitoredRef } = monitorRef;
  down.add(monitorId);
  void microtask.then(() => {
    if (down.delete(monitorId)) {
      serverEvents.emit({ type: 'process_down', ref: by, monitoredRef, reason, monitorId });
    }
  });
}

function downReason(reason: ExitReason): DownReason {
  return typeof reason === 'string' ? { type: reason } : { type: 'error', message: reason.error.message };
}

function forget(made: Monitor): void {
  byId.delete(made.monitorRef.monitorId);
  removeFrom(watching, made.monitorRef.monitoredRef.id, made);
  removeFrom(setBy, made.by.id, made);
}

watchEnds(ended);
onReset(() => {
  byId.clear();
  watching.clear();
  setBy.clear();
  down.clear();
});
