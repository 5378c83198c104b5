/** How a `Supervisor` ends: `stop`, `autoShutdown`, and who learns of it. */
import { GenServer, Supervisor, type AutoShutdown, type LifecycleEvent } from '../dist/actor';
import { reset } from '../dist/actor/testing';
import { inChild, toldBy } from './lib/child';
import { child, crash, failureOf, gate, idsOf, refOf, settled, told, worker } from './lib/supervised';

afterEach(() => {
  reset();
  jest.restoreAllMocks();
});

const ACTOR = `const { GenServer, Supervisor } = require('./dist/actor');
  const behavior = { init: () => 0, handleCall: (m, s) => [s, s], handleCast: (m, s) => s };
  const crash = (ref) => GenServer.kill(ref, { error: new Error('crash') });
  const worker = (id) => ({ id, start: () => GenServer.start(behavior) });`;

describe('whenTerminated', () => {
  test('resolves with the reason, also after the end, and the same for all', async () => {
    const supervisor = await Supervisor.start({ children: [child('a')] });
    const early = Supervisor.whenTerminated(supervisor);
    await Supervisor.stop(supervisor, 'shutdown');
    expect([await early, await Supervisor.whenTerminated(supervisor)]).toEqual(['shutdown', 'shutdown']);
    await expect(Supervisor.whenTerminated({ id: 'supervisor_0_none' })).rejects.toThrow(
      "Supervisor 'supervisor_0_none' not found",
    );
  });

  test('one that gives up unasked is an unhandled rejection, which ends a program', async () => {
    const { code, stderr } = await inChild(`${ACTOR}
      const supervisor = await Supervisor.start({ restartIntensity: { maxRestarts: 0 }, children: [worker('a')] });
      crash(Supervisor.getChild(supervisor, 'a').ref);`);
    expect(code).toBe(1);
    expect(stderr).toContain('exceeded max restarts (0 within 5000ms)');
  });

  test('asked for before, or below another supervisor, it is none', async () => {
    const [error, restarts] = await toldBy(`${ACTOR}
      const asked = await Supervisor.start({ restartIntensity: { maxRestarts: 0 }, children: [worker('a')] });
      const ended = Supervisor.whenTerminated(asked);
      crash(Supervisor.getChild(asked, 'a').ref);
      await tell(await ended.catch((error) => error.name));
      const start = () => Supervisor.start({ restartIntensity: { maxRestarts: 0 }, children: [worker('a')] });
      const outer = await Supervisor.start({ children: [{ id: 'inner', start }] });
      const restarted = new Promise((resolve) => Supervisor.onLifecycleEvent((event) => event.type === 'restarted' && resolve(event)));
      crash(Supervisor.getChild(Supervisor.getChild(outer, 'inner').ref, 'a').ref);
      await tell((await restarted).attempt);
      await Supervisor.stop(outer);
      process.disconnect();`);
    expect([error, restarts]).toEqual(['MaxRestartsExceededError', 1]);
  });
});

describe('stop', () => {
  test('children are told shutdown, in reverse order, each when the one before is down; the event has the reason', async () => {
    const log: string[] = [];
    const held = gate();
    const slow = { ...worker('b', log), terminate: () => held.promise.then(() => void log.push('-b')) };
    const supervisor = await Supervisor.start({
      children: [child('a', log), { id: 'b', start: () => GenServer.start(slow) }, child('c', log)],
    });
    log.length = 0;
    const ended = told('terminated');
    const stopping = Supervisor.stop(supervisor, 'shutdown');
    await settled();
    expect([log, Supervisor.isRunning(supervisor)]).toEqual([['-c shutdown'], false]);
    held.open();
    await stopping;
    expect(log).toEqual(['-c shutdown', '-b', '-a shutdown']);
    expect(await ended).toEqual({ type: 'terminated', ref: supervisor, reason: 'shutdown' });
  });

  test('several stops resolve when all is down, and there is one event', async () => {
    const held = gate();
    const supervisor = await Supervisor.start({
      children: [{ id: 'a', start: () => GenServer.start({ ...worker(), terminate: () => held.promise }) }],
    });
    const events: LifecycleEvent[] = [];
    Supervisor.onLifecycleEvent((event) => events.push(event));
    let down = false;
    const stops = [1, 2, 3].map(() => Supervisor.stop(supervisor).then(() => down));
    await settled();
    down = true;
    held.open();
    expect(await Promise.all(stops)).toEqual([true, true, true]);
    await Supervisor.stop(supervisor);
    expect(events).toEqual([{ type: 'terminated', ref: supervisor, reason: 'normal' }]);
  });

  test('a child that does not stop in its time, or whose terminate throws, is ended all the same', async () => {
    const hangs = { ...worker(), terminate: () => new Promise<void>(() => {}) };
    const throws = {
      ...worker(),
      terminate: () => {
        throw new Error('in terminate');
      },
    };
    const supervisor = await Supervisor.start({
      children: [
        child('a'),
        { id: 'hangs', shutdownTimeout: 1, start: () => GenServer.start(hangs) },
        { id: 'now', shutdownTimeout: 0, start: () => GenServer.start(hangs) },
        { id: 'throws', start: () => GenServer.start(throws) },
      ],
    });
    const refs = idsOf(supervisor).map((id) => refOf(supervisor, id));
    GenServer.onLifecycleEvent(() => {}); // the fault of terminate is expected
    await Supervisor.stop(supervisor);
    expect(refs.map((ref) => GenServer.isRunning(ref))).toEqual([false, false, false, false]);
  });

  test('while a child starts: the start comes to nothing, and what comes out of it is stopped', async () => {
    const log: string[] = [];
    const held = gate();
    const supervisor = await Supervisor.start({ children: [child('a', log)] });
    const adding = Supervisor.startChild(supervisor, {
      id: 'b',
      start: () => held.promise.then(() => GenServer.start(worker('b', log))),
    });
    const refused = failureOf(adding);
    await settled();
    const stopping = Supervisor.stop(supervisor);
    await expect(Supervisor.startChild(supervisor, child('c', log))).rejects.toThrow('not found');
    held.open();
    await stopping;
    expect(await refused).toMatchObject({ code: 'ERR_ACTOR_CHILD_TERMINATED' });
    expect(log).toEqual(['+a', '+b', '-b shutdown', '-a shutdown']);
  });

  test('while a child is restarted: nothing is left', async () => {
    const log: string[] = [];
    let held = gate();
    held.open();
    const supervisor = await Supervisor.start({
      children: [{ id: 'a', start: () => held.promise.then(() => GenServer.start(worker('a', log))) }],
    });
    held = gate();
    crash(refOf(supervisor, 'a'));
    await settled();
    const stopping = Supervisor.stop(supervisor);
    held.open();
    await stopping;
    await settled();
    expect(log).toEqual(['+a', '-a crash', '+a', '-a shutdown']);
  });

  test('a supervisor below another can be stopped by it while it starts', async () => {
    const log: string[] = [];
    const held = gate();
    const outer = await Supervisor.start();
    const adding = Supervisor.startChild(outer, {
      id: 'inner',
      start: () =>
        Supervisor.start({
          children: [
            child('x', log),
            { id: 'y', start: () => held.promise.then(() => GenServer.start(worker('y', log))) },
          ],
        }),
    });
    const refused = failureOf(adding);
    await settled();
    const stopping = Supervisor.stop(outer);
    held.open();
    await stopping;
    expect(await refused).toMatchObject({ code: 'ERR_ACTOR_CHILD_TERMINATED' });
    expect(log).toEqual(['+x', '+y', '-y shutdown', '-x shutdown']);
  });

  test('no timer is left, so a program ends when its work is done', async () => {
    expect(
      await toldBy(`${ACTOR}
        const supervisor = await Supervisor.start({ children: [worker('a'), worker('b')] });
        await Supervisor.restartChild(supervisor, 'a');
        await Supervisor.stop(supervisor);
        await tell(process.getActiveResourcesInfo().filter((type) => type === 'Timeout'));
        process.disconnect();`),
    ).toEqual([[]]);
  });
});

describe('autoShutdown', () => {
  const transient = { restart: 'transient', significant: true } as const;

  test.each<[AutoShutdown, string[], boolean]>([
    ['never', ['x', 'y'], true],
    ['any_significant', ['a'], true],
    ['any_significant', ['x'], false],
    ['all_significant', ['x'], true],
    ['all_significant', ['x', 'a'], true],
    ['all_significant', ['x', 'y'], false],
  ])('%s, when %j have ended: still running %p', async (autoShutdown, ending, running) => {
    const log: string[] = [];
    const supervisor = await Supervisor.start({
      autoShutdown,
      children: [
        child('x', log, transient),
        child('y', log, transient),
        child('a', log, { restart: 'transient' }),
      ],
    });
    for (const id of ending) await GenServer.stop(refOf(supervisor, id));
    if (running) {
      await settled();
      expect(Supervisor.isRunning(supervisor)).toBe(true);
    } else {
      expect(await Supervisor.whenTerminated(supervisor)).toBe('shutdown');
      expect(log.filter((line) => line.startsWith('-')).length).toBe(3);
    }
  });

  test('a significant child that is terminated counts, one that is restarted does not', async () => {
    const supervisor = await Supervisor.start({
      autoShutdown: 'any_significant',
      children: [child('x', [], transient), child('a')],
    });
    const restarted = told('restarted');
    crash(refOf(supervisor, 'x'));
    await restarted;
    expect(Supervisor.isRunning(supervisor)).toBe(true);
    await Supervisor.terminateChild(supervisor, 'x');
    expect(await Supervisor.whenTerminated(supervisor)).toBe('shutdown');
  });

  test('all_significant counts those that come and go by hand, and none twice', async () => {
    const supervisor = await Supervisor.start({ autoShutdown: 'all_significant', children: [child('a')] });
    const ended = Supervisor.whenTerminated(supervisor);
    for (const id of ['x', 'y', 'z']) await Supervisor.startChild(supervisor, child(id, [], transient));
    const never = { ...transient, id: 'never', start: () => Promise.reject(new Error('no start')) };
    await failureOf(Supervisor.startChild(supervisor, never));
    await failureOf(Supervisor.startChild(supervisor, child('x', [], transient)));
    await Supervisor.restartChild(supervisor, 'y');
    await Promise.all([1, 2].map(() => Supervisor.terminateChild(supervisor, 'x')));
    await GenServer.stop(refOf(supervisor, 'y'));
    await settled();
    expect(idsOf(supervisor)).toEqual(['a', 'z']);
    await GenServer.stop(refOf(supervisor, 'z'));
    expect(await ended).toBe('shutdown');
  });
});
