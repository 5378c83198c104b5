/**
 * Servers on threads of their own: each gets a worker, which ends with it. After the first there is always one more worker ready, so that a start, or a
 * restart by a supervisor, need not wait for a thread.
 */
import { clearTimeout, setImmediate, setTimeout } from 'node:timers';
import type { ResourceLimits } from 'node:worker_threads';
import { LONGEST_TIMER } from '../deadlines';
import { AlreadyRegisteredError, InitializationError } from '../errors';
import { nextId, noticeEnd } from '../processes';
import { Registry } from '../registry';
import { onReset, resetCount } from '../resets';
import { options as reader, startSettings } from '../settings';
import type { GenServerOptions, Ref } from '../types';
import { workerDied } from './directory';
import { type BehaviorModule, type BehaviorSource, readModule } from './modules';
import type { Route } from './route';
import { connect, type Threads } from './threads';
import { WorkerThread } from './worker-thread';

/** Options of a server on a thread of its own. */
export interface ThreadOptions {
  /** Bounds of the thread's memory, as of `Worker` of `node:worker_threads`. Default those of Node. */
  resourceLimits?: ResourceLimits | undefined;
  /**
   * The worker that is kept ready for the next start, or a restart, loads this module beforehand: what stands at its top level then runs in one worker more
   * than there are servers. Default true.
   */
  preload?: boolean | undefined;
}

/** What a worker is told to start. */
export interface StartOrder {
  readonly source: BehaviorSource;
  readonly options: GenServerOptions;
}

/** Loading the module may take so long besides `initTimeout`, in milliseconds. */
const LOAD_MS = 10_000;

/** Workers that were started and have not said that they are ready, by their tickets. */
const starting = new Map<number, WorkerThread>();
const all = new Set<WorkerThread>();
let spare: WorkerThread | undefined;
let lastTicket = 0;

/**
 * Starts a server in a worker of its own. To be called in the turn of the caller: relative modules start at the caller's file.
 *
 * Rejects with what `GenServer.start` rejects with there, and with `InitializationError` where the thread ends or takes too long; its `cause` says why.
 * @throws AlreadyRegisteredError; NoizylabError `ERR_ACTOR_MODULE_NOT_FOUND`, `ERR_CORE_UNAVAILABLE`; TypeError and RangeError as for options
 */
export function startOnThread(
  given: BehaviorModule,
  { thread, ...options }: GenServerOptions & { thread?: boolean | ThreadOptions },
): Promise<Ref> {
  const source = readModule(given);
  const { resourceLimits, preload } = reader.object('thread', typeof thread === 'boolean' ? {} : thread);
  const limits = readLimits(resourceLimits);
  const next = reader.boolean('thread.preload', preload, true) ? source.url : undefined;
  const { name, initTimeout } = startSettings(options);
  const threads = connect();
  if (name !== undefined && Registry.isRegistered(name)) throw new AlreadyRegisteredError(name);
  return start(threads, { source, options }, initTimeout, limits, next);
}

const LIMITS = [
  'maxYoungGenerationSizeMb',
  'maxOldGenerationSizeMb',
  'codeRangeSizeMb',
  'stackSizeMb',
] as const;

function readLimits(resourceLimits: ResourceLimits | undefined): ResourceLimits | undefined {
  if (resourceLimits === undefined) return undefined;
  const given = reader.object('thread.resourceLimits', resourceLimits);
  const limits: ResourceLimits = {};
  for (const name of LIMITS) {
    if (given[name] === undefined) continue;
    limits[name] = reader.number(`thread.resourceLimits.${name}`, given[name], 0, { min: 0, aboveMin: true });
  }
  return limits;
}

async function start(
  threads: Threads,
  order: StartOrder,
  initTimeout: number,
  limits: ResourceLimits | undefined,
  next: string | undefined,
): Promise<Ref> {
  threads.desk.placements.ready = ready;
  const resets = resetCount();
  try {
    const found = spare;
    spare = undefined;
    if (found !== undefined && JSON.stringify(found.resourceLimits) === JSON.stringify(limits)) {
      try {
        return await startIn(threads, found, order, initTimeout);
      } catch (error) {
        // One that has ended without the order was ended by what it had loaded beforehand.
        if (!found.hasEnded || found.hasOrder || resets !== resetCount()) throw error;
      }
    }
    found?.terminate();
    return await startIn(threads, launch(threads, limits), order, initTimeout);
  } finally {
    setImmediate(() => {
      if (resets === resetCount()) spare ??= launch(threads, limits, next);
    });
  }
}

async function startIn(
  threads: Threads,
  worker: WorkerThread,
  order: StartOrder,
  initTimeout: number,
): Promise<Ref> {
  worker.hold();
  try {
    const route = await worker.ready.catch((error: Error) => {
      throw new InitializationError(nextId('genserver'), error);
    });
    return await place(threads, worker, route, order, initTimeout);
  } catch (error) {
    worker.terminate();
    throw error;
  } finally {
    worker.letGo();
  }
}

function place(
  { office, directory }: Threads,
  worker: WorkerThread,
  route: Route,
  order: StartOrder,
  initTimeout: number,
): Promise<Ref> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const fail = (error: Error): void => {
      clearTimeout(timer);
      office.forget(ticket);
      reject(error);
    };
    const ticket = office.expect({
      route,
      resolve(id: string) {
        clearTimeout(timer);
        const process = directory.adopt(id, route);
        worker.server = process;
        process.onEnd(() => worker.leave());
        // Whoever watches all ends hears of this one too, also if it comes before anybody has asked.
        noticeEnd(process);
        resolve(process.ref);
      },
      reject: fail,
      // Why it has ended is known when it has.
      lost: () =>
        void worker.ended.then((error) =>
          fail(new InitializationError(nextId('genserver'), workerDied('the server', error).error)),
        ),
    });
    if (initTimeout !== Infinity) {
      const late = (): void => {
        const cause = new Error(
          `the module was not loaded, or init not through, after ${initTimeout + LOAD_MS}ms`,
        );
        fail(new InitializationError(nextId('genserver'), cause));
      };
      timer = setTimeout(late, Math.min(initTimeout + LOAD_MS, LONGEST_TIMER));
    }
    try {
      route.start(ticket, order);
    } catch (error) {
      office.cancel(ticket);
      fail(error as Error);
    }
  });
}

/** @param preload the module that the worker loads before it is asked to */
function launch({ office }: Threads, limits: ResourceLimits | undefined, preload?: string): WorkerThread {
  lastTicket += 1;
  const ticket = lastTicket;
  const worker = new WorkerThread(office.number, ticket, preload, limits, (exited) => {
    starting.delete(ticket);
    all.delete(exited);
    if (spare === exited) spare = undefined;
  });
  starting.set(ticket, worker);
  all.add(worker);
  return worker;
}

function ready(ticket: number, route: Route): void {
  starting.get(ticket)?.setReady(route);
  starting.delete(ticket);
}

onReset(() => {
  spare = undefined;
  starting.clear();
  for (const worker of all) {
    worker.server?.kill('shutdown');
    worker.terminate();
  }
});
