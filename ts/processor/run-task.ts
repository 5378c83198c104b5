/** One task of `run`: the fast way for one that cannot be cancelled, the careful way for one that can. */
import { performance } from 'node:perf_hooks';
import { clearTimeout, setTimeout } from 'node:timers';
import { NoizylabError } from '../errors';
import { onAbort } from '../parallel/abort';
import type { Core } from './core';
import { SingleGroup } from './groups';
import type { Operations } from './operations';
import { read, readManner, readTimeout, type TaskManner } from './options';
import { handedBack, type SegmentHead, type Target } from './submission';
import type { RunOptions, Task, Transferable } from './types';

/** Node's timers hold no longer wait. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** Runs a task; see `TrillionProcessor.run`. Throws where the arguments are wrong. */
export function runTask(
  core: Core,
  operations: Operations,
  task: Task,
  options: RunOptions | undefined,
): Promise<unknown> {
  if (typeof task !== 'object' || task === null || Array.isArray(task)) {
    throw read.type('a task', task, 'an object { operation, data }');
  }
  const { data } = task;
  const given = read.object('options', options);
  const manner = readManner({
    priority: given.priority === undefined ? task.priority : given.priority,
    retries: given.retries === undefined ? task.retries : given.retries,
  });
  const transferList = given.transferList === undefined ? task.transferList : given.transferList;
  if (transferList !== undefined) read.array('transferList', transferList);
  const signal = read.signal('signal', given.signal);
  const timeout = readTimeout(given.timeout);
  const target = operations.find(task.operation, transferList !== undefined);
  if (signal?.aborted) return Promise.reject(signal.reason);
  const refusal = core.intake.refusal(1);
  if (refusal !== undefined) throw refusal;
  if (signal === undefined && timeout === undefined && transferList === undefined) {
    return core.intake.tryEnter(1) > 0
      ? core.run(target, manner, data)
      : runLater(core, target, manner, data);
  }
  const head = { target, group: core.nextGroup(), manner, timeout, cancellable: true };
  return runCancellable(core, head, data, signal, transferList);
}

async function runLater(core: Core, target: Target, manner: TaskManner, data: unknown): Promise<unknown> {
  await core.enter(1, undefined);
  return core.run(target, manner, data);
}

function runCancellable(
  core: Core,
  head: SegmentHead,
  data: unknown,
  signal: AbortSignal | undefined,
  transferList: readonly Transferable[] | undefined,
): Promise<unknown> {
  const { group } = head;
  return new Promise((resolve, reject) => {
    const single = new SingleGroup(group, handedBack(head.target, data), core, resolve, reject);
    core.expect(group, single);
    const giveUp = (reason: unknown, stop: boolean): void => {
      if (single.done) return;
      single.abandon(reason);
      core.cancel(group, stop);
      core.hosts.settled(group, 0, 1);
    };
    single.onSettled = onAbort(signal, () => giveUp(signal?.reason, true));
    const submit = async (): Promise<void> => {
      const left = enterInTime(core, head.timeout, signal);
      const timed = { ...head, timeout: left instanceof Promise ? await left : left };
      if (single.done) return;
      if (transferList === undefined) {
        core.submission.addOne(timed, 0, data);
        return;
      }
      // The engine looks at the time of what has reached it: starting a worker may take longer than there is.
      const timer = startTimer(timed.timeout, () => giveUp(timedOut(head.timeout), false));
      try {
        await core.sendByPort(timed, 0, data, transferList, () => !single.done);
      } finally {
        clearTimeout(timer);
      }
    };
    submit().catch((error: unknown) => giveUp(error, false));
  });
}

/** Lets one task in, at once or after a wait that counts towards its timeout. Returns what is left of that. */
function enterInTime(
  core: Core,
  timeout: number | undefined,
  signal: AbortSignal | undefined,
): Promise<number | undefined> | number | undefined {
  return core.intake.tryEnter(1) > 0 ? timeout : waitInTime(core, timeout, signal);
}

async function waitInTime(
  core: Core,
  timeout: number | undefined,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  const ended = new AbortController();
  const release = onAbort(signal, () => ended.abort(signal?.reason));
  const began = performance.now();
  const timer = startTimer(timeout, () => ended.abort(timedOut(timeout)));
  try {
    await core.enter(1, ended.signal);
  } finally {
    clearTimeout(timer);
    release();
  }
  return timeout === undefined ? undefined : Math.max(1, timeout - (performance.now() - began));
}

function startTimer(timeout: number | undefined, onTimeout: () => void): NodeJS.Timeout | undefined {
  return timeout === undefined || timeout > LONGEST_TIMER ? undefined : setTimeout(onTimeout, timeout);
}

function timedOut(timeout: number | undefined): NoizylabError {
  return new NoizylabError(
    'ERR_PROCESSOR_TIMEOUT',
    `the task did not start within its timeout of ${timeout} ms: the processor had no room or no worker for it`,
  );
}
