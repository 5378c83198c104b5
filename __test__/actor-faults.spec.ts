/**
 * Supervision trees under random faults: whatever happens, a tree comes back to its specification or escalates as its intensity says, nothing
 * runs that it does not know of, and every call is settled. With the environment variable `NOIZYLAB_PROVE=1` trees and threads
 * have a minute of faults each.
 */
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises';
import {
  GenServer,
  Supervisor,
  type ChildRestartStrategy,
  type ChildSpec,
  type GenServerRef,
  type LifecycleEvent,
  type Ref,
  type SupervisorRef,
  type SupervisorStrategy,
} from '../dist/actor';
import { reset } from '../dist/actor/testing';
import { crash, failureOf, refOf, settled, told, worker, type WorkerRef } from './lib/supervised';

const PROVE = process.env['NOIZYLAB_PROVE'] === '1';
const FAULTS_MS = PROVE ? 60_000 : 2_500;
/** Casts that take a thread or its server down; `ask`: a call that does. */
const FAULTS = ['exit', 'throw', 'uncaught', 'ask'] as const;
const MORTAL = require.resolve('./fixtures/actor-mortal.js');

jest.setTimeout(FAULTS_MS + 60_000);
afterEach(reset);

/** What a tree is to be: a leaf, or a supervisor with others below it. */
interface Plan {
  readonly id: string;
  readonly restart: ChildRestartStrategy;
  readonly strategy?: SupervisorStrategy;
  readonly below?: readonly Plan[];
}

const leaf = (id: string, restart: ChildRestartStrategy = 'permanent'): Plan => ({ id, restart });
const branch = (id: string, strategy: SupervisorStrategy, ...below: Plan[]): Plan => ({
  id,
  restart: 'permanent',
  strategy,
  below,
});

const PLAN = branch(
  'top',
  'one_for_one',
  leaf('a'),
  branch(
    'all',
    'one_for_all',
    leaf('b'),
    leaf('c', 'transient'),
    branch('deep', 'rest_for_one', leaf('d'), leaf('e'), leaf('f')),
  ),
  branch('rest', 'rest_for_one', leaf('g'), branch('deeper', 'one_for_all', leaf('h'), leaf('i')), leaf('j')),
  branch(
    'one',
    'one_for_one',
    leaf('k'),
    leaf('l', 'temporary'),
    leaf('m'),
    branch('deepest', 'one_for_one', leaf('n')),
  ),
);

/** A source of numbers in [0, 1), the same for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** All that runs in this thread, by the events of its start and end. */
class Census {
  readonly servers = new Map<string, Ref>();
  readonly supervisors = new Map<string, Ref>();
  /** How often a supervisor gave up. */
  crashes = 0;
  #woken: (() => void)[] = [];

  constructor() {
    GenServer.onLifecycleEvent((event) => this.#note(this.servers, event));
    Supervisor.onLifecycleEvent((event) => {
      this.#note(this.supervisors, event);
      if (event.type === 'crashed') this.crashes += 1;
    });
  }

  /** Resolves once it holds; looks again with each event. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#woken.push(resolve));
  }

  #note(running: Map<string, Ref>, event: LifecycleEvent): void {
    if (event.type === 'started') running.set(event.ref.id, event.ref);
    if (event.type === 'terminated') running.delete(event.ref.id);
    const woken = this.#woken;
    this.#woken = [];
    // What has been told is done when the turn is over.
    setImmediate(() => {
      for (const wake of woken) wake();
    });
  }
}

/** The processes of a tree. */
function processesOf(supervisor: SupervisorRef): { servers: Ref[]; supervisors: Ref[] } {
  const servers: Ref[] = [];
  const supervisors: Ref[] = [supervisor];
  for (const { ref } of Supervisor.getChildren(supervisor)) {
    if (!ref.id.startsWith('supervisor')) {
      servers.push(ref);
    } else if (Supervisor.isRunning(ref)) {
      const found = processesOf(ref);
      servers.push(...found.servers);
      supervisors.push(...found.supervisors);
    }
  }
  return { servers, supervisors };
}

/** Whether a tree is as planned: all permanent children run, the others run or are gone, in the order of the plan. */
function conforms(supervisor: SupervisorRef, { below }: Plan): boolean {
  if (!Supervisor.isRunning(supervisor)) return false;
  const children = Supervisor.getChildren(supervisor);
  const ids = children.map(({ id }) => id);
  return (
    below!.every(({ id, restart }) => restart !== 'permanent' || ids.includes(id)) &&
    // Children that were started again keep their places.
    ids.join() ===
      below!
        .map(({ id }) => id)
        .filter((id) => ids.includes(id))
        .join() &&
    children.every(({ id, ref }) => {
      const plan = below!.find((other) => other.id === id)!;
      return plan.below === undefined ? GenServer.isRunning(ref) : conforms(ref, plan);
    })
  );
}

/** How starts behave. */
interface Weather {
  /** Of a start: fails. */
  failing: number;
  /** Of a start: takes some turns of the loop, or milliseconds. */
  slow: number;
}

/** Describes a planned child. */
function specOf(plan: Plan, weather: Weather, random: () => number): ChildSpec {
  const { id, restart, below, strategy } = plan;
  const start = async (): Promise<Ref> => {
    if (random() < weather.slow) await (random() < 0.5 ? turn() : pause(random() * 3));
    if (random() < weather.failing) throw new Error(`${id} does not start`);
    if (below === undefined) return GenServer.start(worker(id), { onError: 'crash' });
    return Supervisor.start({
      strategy: strategy!,
      restartIntensity: { maxRestarts: 5, withinMs: 50 },
      children: below.map((child) => specOf(child, weather, random)),
    });
  };
  return { id, restart, start };
}

/** One fault, of whatever kind, at a server of the tree; what it asks is added to `calls`. */
function strike(target: WorkerRef, random: () => number, calls: Promise<unknown>[]): void {
  const kind = random();
  if (kind < 0.25) crash(target);
  else if (kind < 0.35) GenServer.kill(target, 'shutdown');
  else if (kind < 0.45) calls.push(GenServer.stop(target));
  else if (kind < 0.65) GenServer.cast(target, 'throw');
  else {
    // The first ends the server; those behind it must hear of that.
    for (const message of ['get', 'throw', 'get', 'get'] as const)
      calls.push(GenServer.call(target, message, { timeout: Infinity }));
  }
}

/** How many of the promises were settled each way; resolves only when all are. */
async function outcomes(calls: readonly Promise<unknown>[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = { fulfilled: 0, rejected: 0 };
  for (const { status } of await Promise.allSettled(calls)) counts[status] = counts[status]! + 1;
  return counts;
}

test.each([1, 2])('a tree of all strategies comes back to its specification (seed %i)', async (seed) => {
  const random = randomFrom(seed);
  const weather: Weather = { failing: 0, slow: 0 };
  const census = new Census();
  const plan = PLAN;
  const top = await Supervisor.start({
    restartIntensity: { maxRestarts: Infinity },
    children: plan.below!.map((child) => specOf(child, weather, random)),
  });
  expect(conforms(top, plan)).toBe(true);

  Object.assign(weather, { failing: 0.1, slow: 0.5 });
  const calls: Promise<unknown>[] = [];
  const until = performance.now() + FAULTS_MS / 2;
  let strikes = 0;
  while (performance.now() < until) {
    const { servers, supervisors } = processesOf(top);
    const live = servers.filter((ref) => GenServer.isRunning(ref)) as WorkerRef[];
    for (let burst = random() * 3; burst > 0 && live.length > 0; burst--) {
      const [target] = live.splice(Math.floor(random() * live.length), 1);
      strike(target!, random, calls);
      strikes += 1;
    }
    const branches = supervisors.slice(1) as SupervisorRef[];
    const one = branches[Math.floor(random() * branches.length)];
    if (one !== undefined && random() < 0.05) {
      const child = Supervisor.getChildren(one)[0];
      if (random() < 0.5) calls.push(Supervisor.stop(one));
      else if (child !== undefined) calls.push(Supervisor.restartChild(one, child.id));
    }
    await (random() < 0.7 ? turn() : pause(random() * 8));
    for (const call of calls) call.catch(() => {});
  }

  Object.assign(weather, { failing: 0, slow: 0 });
  await census.until(() => conforms(top, plan));
  const counts = await outcomes(calls);
  await settled();
  expect(conforms(top, plan)).toBe(true);
  const known = processesOf(top);
  expect([...census.servers.keys()].toSorted()).toEqual(known.servers.map(({ id }) => id).toSorted());
  expect([...census.supervisors.keys()].toSorted()).toEqual(known.supervisors.map(({ id }) => id).toSorted());
  // It was a storm: servers fell, and supervisors gave up and were restarted.
  expect(strikes).toBeGreaterThan(20);
  expect(counts['fulfilled']! + counts['rejected']!).toBe(calls.length);
  expect(census.crashes).toBeGreaterThan(0);

  await Supervisor.stop(top);
  expect([census.servers.size, census.supervisors.size]).toEqual([0, 0]);
});

test.each(['one_for_one', 'one_for_all', 'rest_for_one'] as const)(
  '%s: a tree that cannot be mended escalates by its intensity, and nothing is left of it',
  async (strategy) => {
    const random = randomFrom(3);
    const weather: Weather = { failing: 0, slow: 0 };
    const census = new Census();
    const top = await Supervisor.start({
      strategy,
      restartIntensity: { maxRestarts: 4, withinMs: Infinity },
      children: PLAN.below!.map((child) => specOf(child, weather, random)),
    });
    const ended = failureOf(Supervisor.whenTerminated(top));
    Object.assign(weather, { failing: 1, slow: 0.5 });
    const calls: Promise<unknown>[] = [];
    for (const ref of processesOf(top).servers as WorkerRef[]) {
      calls.push(GenServer.call(ref, 'get', { timeout: Infinity }));
      if (GenServer.isRunning(ref)) crash(ref);
    }
    expect(await ended).toMatchObject({
      name: 'MaxRestartsExceededError',
      supervisorId: top.id,
      maxRestarts: 4,
    });
    await outcomes(calls);
    await settled();
    expect([census.servers.size, census.supervisors.size]).toEqual([0, 0]);
    expect(() => Supervisor.getChildren(top)).toThrow('not found');
  },
);

test('servers on threads of their own that die with their threads come back, and no call is left', async () => {
  const random = randomFrom(4);
  const spec = (id: string): ChildSpec => ({
    id,
    start: () => GenServer.start({ module: MORTAL }, { thread: true, onError: 'crash' }),
  });
  const top = await Supervisor.start({
    restartIntensity: { maxRestarts: Infinity },
    children: [
      spec('x'),
      {
        id: 'pair',
        start: () =>
          Supervisor.start({
            strategy: 'one_for_all',
            restartIntensity: { maxRestarts: Infinity },
            children: [spec('y'), { id: 'z', start: () => GenServer.start(worker()) }],
          }),
      },
    ],
  });
  const leaves = (): WorkerRef[] => processesOf(top).servers;
  const calls: Promise<unknown>[] = [];
  const until = performance.now() + FAULTS_MS;
  for (let rounds = 0; rounds < FAULTS.length || performance.now() < until; rounds++) {
    const pair: SupervisorRef = Supervisor.getChild(top, 'pair')!.ref;
    const target: GenServerRef = random() < 0.5 ? refOf(top, 'x') : refOf(pair, 'y');
    const restarted = told('restarted');
    const ask = (message: 'get' | 'throw'): void => {
      const call = GenServer.call(target, message, { timeout: Infinity });
      call.catch(() => {});
      calls.push(call);
    };
    ask('get');
    const fault = FAULTS[rounds % FAULTS.length]!;
    if (fault === 'ask') ask('throw');
    else GenServer.cast(target, fault);
    ask('get');
    await restarted;
    expect(GenServer.isRunning(target)).toBe(false);
  }
  await outcomes(calls);
  expect(leaves().length).toBe(3);
  for (const ref of leaves()) expect(await GenServer.call(ref, 'get')).toBe(0);
  const refs = leaves();
  await Supervisor.stop(top);
  expect(refs.map((ref) => GenServer.isRunning(ref))).toEqual([false, false, false]);
});
