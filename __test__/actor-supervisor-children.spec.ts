/** Children of a `Supervisor` that come and go, by hand and of a template. */
import {
  ChildNotFoundError,
  GenServer,
  InvalidSimpleOneForOneConfigError,
  MissingChildTemplateError,
  Registry,
  Supervisor,
  type ChildRef,
  type SupervisorRef,
} from '../dist/actor';
import { reset } from '../dist/actor/testing';
import { untyped } from './fixtures/parallel';
import { child, crash, gate, idsOf, refOf, settled, told, worker } from './lib/supervised';

afterEach(() => {
  reset();
  jest.restoreAllMocks();
});

describe('children that come and go', () => {
  test('startChild adds a child behind the others, and it is watched', async () => {
    const supervisor = await Supervisor.start({ children: [child('a')] });
    const ref = await Supervisor.startChild(supervisor, child('b'));
    expect(Supervisor.getChildren(supervisor)[1]).toMatchObject({
      id: 'b',
      ref,
      restartCount: 0,
      spec: { id: 'b' },
    });
    const restarted = told('restarted');
    crash(ref);
    expect((await restarted).ref).toEqual(refOf(supervisor, 'b'));
  });

  test('of several starts of one id at the same time, one succeeds and nothing is left of the others', async () => {
    const log: string[] = [];
    const supervisor = await Supervisor.start();
    const results = await Promise.allSettled(
      [1, 2, 3].map(() => Supervisor.startChild(supervisor, child('a', log))),
    );
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(results[1]).toMatchObject({
      reason: { name: 'DuplicateChildError', supervisorId: supervisor.id, childId: 'a' },
    });
    expect([idsOf(supervisor), log]).toEqual([['a'], ['+a']]);
  });

  test('where the first start fails, startChild rejects with its error and there is no such child', async () => {
    const supervisor = await Supervisor.start();
    const error = new Error('no');
    const starting = Supervisor.startChild(supervisor, { id: 'a', start: () => Promise.reject(error) });
    await expect(starting).rejects.toBe(error);
    expect(idsOf(supervisor)).toEqual([]);
    await Supervisor.startChild(supervisor, child('a'));
    expect(idsOf(supervisor)).toEqual(['a']);
  });

  test('a terminated child stays away, whatever its kind of restart', async () => {
    const log: string[] = [];
    const supervisor = await Supervisor.start({ children: [child('a', log), child('b', log)] });
    await Supervisor.terminateChild(supervisor, 'b');
    await settled();
    expect([log, idsOf(supervisor)]).toEqual([['+a', '+b', '-b shutdown'], ['a']]);
    await Supervisor.stop(supervisor);
    expect(log).toEqual(['+a', '+b', '-b shutdown', '-a shutdown']);
  });

  test('two that terminate the same child both wait until it is down', async () => {
    const held = gate();
    const supervisor = await Supervisor.start({
      children: [{ id: 'a', start: () => GenServer.start({ ...worker(), terminate: () => held.promise }) }],
    });
    let done = 0;
    const both = [1, 2].map(() => Supervisor.terminateChild(supervisor, 'a').then(() => (done += 1)));
    await settled();
    expect(done).toBe(0);
    held.open();
    await Promise.all(both);
    await expect(Supervisor.terminateChild(supervisor, 'a')).rejects.toThrow(ChildNotFoundError);
  });

  test('a child that is terminated while it is restarted does not come back', async () => {
    const log: string[] = [];
    let held = gate();
    held.open();
    const supervisor = await Supervisor.start({
      children: [{ id: 'a', start: () => held.promise.then(() => GenServer.start(worker('a', log))) }],
    });
    held = gate();
    crash(refOf(supervisor, 'a'));
    await settled();
    const gone = Supervisor.terminateChild(supervisor, 'a');
    held.open();
    await gone;
    await settled();
    expect(log).toEqual(['+a', '-a crash', '+a', '-a shutdown']);
    expect(idsOf(supervisor)).toEqual([]);
  });

  test('restartChild stops and starts a child, and gives the new reference', async () => {
    const log: string[] = [];
    const supervisor = await Supervisor.start({ children: [child('a', log), child('b', log)] });
    const before = refOf(supervisor, 'a');
    const ref = await Supervisor.restartChild(supervisor, 'a');
    await settled();
    expect(log).toEqual(['+a', '+b', '-a shutdown', '+a']);
    expect(ref).not.toEqual(before);
    expect(Supervisor.getChildren(supervisor).map(({ id, restartCount }) => [id, restartCount])).toEqual([
      ['a', 1],
      ['b', 0],
    ]);
    expect(refOf(supervisor, 'a')).toBe(ref);
  });

  test('several restarts of a child with a slow start are one, also together with one because of a fault', async () => {
    const log: string[] = [];
    let held = gate();
    held.open();
    const supervisor = await Supervisor.start({
      strategy: 'one_for_all',
      children: [
        {
          id: 'a',
          start: async () => {
            log.push('start');
            await held.promise;
            return GenServer.start(worker());
          },
        },
      ],
    });
    for (const begin of [() => {}, () => crash(refOf(supervisor, 'a'))]) {
      log.length = 0;
      held = gate();
      begin();
      const restarts = [1, 2, 3].map(() => Supervisor.restartChild(supervisor, 'a'));
      await settled();
      restarts.push(Supervisor.restartChild(supervisor, 'a'));
      held.open();
      const refs = await Promise.all(restarts);
      await settled();
      expect(log).toEqual(['start']);
      expect(new Set(refs.map(({ id }) => id))).toEqual(new Set([refOf(supervisor, 'a').id]));
    }
  });

  test('a restart by hand whose start fails rejects with that error, and the supervisor sees to the child', async () => {
    let starts = 0;
    const supervisor = await Supervisor.start({
      children: [
        {
          id: 'a',
          start: () => {
            starts += 1;
            return starts === 2 ? Promise.reject(new Error('not now')) : GenServer.start(worker());
          },
        },
      ],
    });
    const restarted = told('restarted');
    await expect(Supervisor.restartChild(supervisor, 'a')).rejects.toThrow('not now');
    await restarted;
    expect([starts, GenServer.isRunning(refOf(supervisor, 'a'))]).toEqual([3, true]);
  });

  test('a child and a supervisor that are not there are named', async () => {
    const supervisor = await Supervisor.start();
    for (const call of [Supervisor.terminateChild, Supervisor.restartChild])
      await expect(call(supervisor, 'none')).rejects.toMatchObject({
        name: 'ChildNotFoundError',
        message: `Child 'none' not found in supervisor '${supervisor.id}'`,
        supervisorId: supervisor.id,
        childId: 'none',
      });
    const server = await GenServer.start(worker());
    for (const gone of [{ id: 'nobody' }, untyped(server) as SupervisorRef]) {
      const message = `Supervisor '${gone.id}' not found`;
      expect(() => Supervisor.getChildren(gone)).toThrow(message);
      expect(() => Supervisor.getChild(gone, 'a')).toThrow(message);
      expect(() => Supervisor.countChildren(gone)).toThrow(message);
      await expect(Supervisor.startChild(gone, child('a'))).rejects.toThrow(message);
      await expect(Supervisor.terminateChild(gone, 'a')).rejects.toThrow(message);
      await expect(Supervisor.restartChild(gone, 'a')).rejects.toThrow(message);
      expect(Supervisor.isRunning(gone)).toBe(false);
    }
    expect(GenServer.isRunning(server)).toBe(true);
    await Supervisor.stop({ id: 'nobody' });
    expect(() => Supervisor.isRunning(untyped(undefined))).toThrow(
      expect.objectContaining({ code: 'ERR_ACTOR_INVALID_TYPE' }),
    );
  });
});

describe('simple_one_for_one', () => {
  const template = { start: (id: string, log: string[]) => GenServer.start(worker(id, log)) };

  test('children are made of the template with arguments, which a restart gives again', async () => {
    const log: string[] = [];
    const supervisor = await Supervisor.start({
      strategy: 'simple_one_for_one',
      childTemplate: template,
      name: 'pool',
    });
    const first: ChildRef = await Supervisor.startChild(supervisor, ['a', log]);
    await Supervisor.startChild(supervisor, ['b', log]);
    expect([idsOf(supervisor), Registry.whereis('pool')]).toEqual([['child_1', 'child_2'], supervisor]);
    const restarted = told('restarted');
    crash(first);
    await restarted;
    expect(log).toEqual(['+a', '+b', '-a crash', '+a']);
    await Supervisor.terminateChild(supervisor, 'child_2');
    expect(idsOf(supervisor)).toEqual(['child_1']);
  });

  test('temporary ones leave nothing behind', async () => {
    const supervisor = await Supervisor.start({
      strategy: 'simple_one_for_one',
      childTemplate: { ...template, restart: 'temporary' },
    });
    const refs = await Promise.all(
      Array.from({ length: 100 }, () => Supervisor.startChild(supervisor, ['a', []])),
    );
    for (const ref of refs) crash(ref);
    await settled();
    expect(Supervisor.countChildren(supervisor)).toBe(0);
  });

  test('what does not go together is refused with the reason', async () => {
    await expect(Supervisor.start({ strategy: 'simple_one_for_one' })).rejects.toThrow(
      MissingChildTemplateError,
    );
    const both = Supervisor.start({
      strategy: 'simple_one_for_one',
      childTemplate: template,
      children: [child('a')],
    });
    await expect(both).rejects.toThrow(InvalidSimpleOneForOneConfigError);
    await expect(both).rejects.toMatchObject({ reason: 'static children are not allowed' });
    const simple = await Supervisor.start({ strategy: 'simple_one_for_one', childTemplate: template });
    await expect(Supervisor.startChild(simple, child('a'))).rejects.toMatchObject({
      reason: 'startChild requires an arguments array for simple_one_for_one',
    });
    const plain = await Supervisor.start();
    await expect(Supervisor.startChild(plain, ['a'])).rejects.toMatchObject({
      supervisorId: plain.id,
      reason: 'startChild requires a ChildSpec for non-simple_one_for_one supervisors',
    });
  });
});
