/** What the specs of supervision share: workers that note what happens to them, and their ends and events. */
import { setImmediate as turn } from 'node:timers/promises';
import {
  GenServer,
  Supervisor,
  type ChildSpec,
  type GenServerBehavior,
  type GenServerRef,
  type LifecycleEvent,
  type Ref,
  type SupervisorRef,
} from '../../dist/actor';

export type WorkerRef = GenServerRef<number, 'get' | 'throw', 'inc' | 'throw', number>;

/** A server that counts, throws where it is told to, and notes its starts and ends as `+name` and `-name reason`. */
export function worker(
  name = '',
  log: string[] = [],
): GenServerBehavior<number, 'get' | 'throw', 'inc' | 'throw', number> {
  return {
    init: () => {
      log.push(`+${name}`);
      return 0;
    },
    handleCall: (message, state) => {
      if (message === 'throw') throw new Error(`${name} was told to`);
      return [state, state];
    },
    handleCast: (message, state) => {
      if (message === 'throw') throw new Error(`${name} was told to`);
      return state + 1;
    },
    terminate: (reason) => {
      log.push(`-${name} ${typeof reason === 'string' ? reason : reason.error.message}`);
    },
  };
}

/** Describes a worker as a child. */
export function child(
  id: string,
  log: string[] = [],
  policy: Omit<ChildSpec<WorkerRef>, 'id' | 'start'> = {},
): ChildSpec<WorkerRef> {
  return { ...policy, id, start: () => GenServer.start(worker(id, log), { onError: 'crash' }) };
}

/** Ends a server by a fault. */
export function crash(ref: Ref, message = 'crash'): void {
  GenServer.kill(ref, { error: new Error(message) });
}

/** The present reference of a child. */
export function refOf(supervisor: SupervisorRef, id: string): WorkerRef {
  return Supervisor.getChild(supervisor, id)!.ref as WorkerRef;
}

/** The ids of the children, in order. */
export function idsOf(supervisor: SupervisorRef): string[] {
  return Supervisor.getChildren(supervisor).map(({ id }) => id);
}

type EventOf<T extends LifecycleEvent['type']> = Extract<LifecycleEvent, { type: T }>;

/** Resolves with the next event of a type that is told by supervisors, and then holds. */
export function told<T extends LifecycleEvent['type']>(
  type: T,
  holds: (event: EventOf<T>) => boolean = () => true,
): Promise<EventOf<T>> {
  return new Promise((resolve) => {
    const off = Supervisor.onLifecycleEvent((event) => {
      if (event.type !== type || !holds(event as EventOf<T>)) return;
      off();
      resolve(event as EventOf<T>);
    });
  });
}

/** Resolves when all has run that does not wait for a timer or for I/O. */
export async function settled(): Promise<void> {
  for (let turns = 0; turns < 3; turns++) await turn();
}

/** A promise and what settles it. */
export function gate<T = void>(): {
  promise: Promise<T>;
  open: (value: T) => void;
  fail: (error: Error) => void;
} {
  let open!: (value: T) => void;
  let fail!: (error: Error) => void;
  const promise = new Promise<T>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  return { promise, open, fail };
}

/** What a promise that is to reject rejects with. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('it did not reject');
}
