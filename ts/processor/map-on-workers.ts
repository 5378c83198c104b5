/** `parallelMap` on the worker threads. */
import { onAbort } from '../parallel/abort';
import type { Core } from './core';
import { MapGroup } from './groups';
import type { TaskManner } from './options';
import type { SegmentHead, Target } from './submission';

/** How the items are to be run. */
export interface WorkerMapOptions {
  manner: TaskManner;
  signal: AbortSignal | undefined;
  /** Called with the number of items that are done. */
  progress: (completed: number) => void;
}

/** The results in the order of the items. The first failure, or the signal, ends what waits; the signal also what runs. */
export function mapOnWorkers(
  core: Core,
  target: Target,
  items: readonly unknown[],
  { manner, signal, progress }: WorkerMapOptions,
): Promise<unknown[]> {
  if (signal?.aborted) return Promise.reject(signal.reason);
  if (items.length === 0) return Promise.resolve([]);
  const layouts = core.submission.layouts('items', items, () => target);
  const group = core.nextGroup();
  const head: SegmentHead = { target, group, manner, cancellable: true };
  return new Promise((resolve, reject) => {
    const release = onAbort(signal, () => {
      core.cancel(group, true);
      map.abandon(signal?.reason);
    });
    const fail = (reason: unknown): void => {
      release();
      reject(reason);
      core.cancel(group, false);
    };
    const succeed = (values: unknown[]): void => {
      release();
      resolve(values);
    };
    const map = new MapGroup(group, items, core, progress, succeed, fail);
    core.expect(group, map);
    const feed = async (): Promise<void> => {
      let entered = 0;
      while (entered < items.length && !map.done) {
        const entry = core.enter(items.length - entered, signal);
        const taken = typeof entry === 'number' ? entry : await entry;
        if (!map.done) core.submission.add(head, items, layouts, entered, entered + taken);
        entered += taken;
      }
    };
    feed().catch((error: unknown) => map.abandon(error));
  });
}
