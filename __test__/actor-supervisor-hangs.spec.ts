/** What a `Supervisor` does about what hangs: a start that never comes to an end, and a handler that awaits its own end. */
import { GenServer, Registry, Supervisor, type ChildSpec, type Ref } from '../dist/actor';
import { reset } from '../dist/actor/testing';
import { child, failureOf, gate, idsOf, refOf, settled, told, worker } from './lib/supervised';

afterEach(reset);

const never = <T>(): Promise<T> => new Promise<T>(() => {});
const TERMINATED = { code: 'ERR_ACTOR_CHILD_TERMINATED', message: expect.stringContaining("Child 'h'") };

describe('a start that hangs', () => {
  const hanging = (policy: Partial<ChildSpec> = {}): ChildSpec => ({
    id: 'h',
    shutdownTimeout: 1,
    ...policy,
    start: () => never(),
  });

  test('startChild rejects once its child was terminated, and the id is free again', async () => {
    const supervisor = await Supervisor.start();
    const starting = failureOf(Supervisor.startChild(supervisor, hanging()));
    await Supervisor.terminateChild(supervisor, 'h');
    expect(await starting).toMatchObject(TERMINATED);
    await Supervisor.startChild(supervisor, child('h'));
    expect(idsOf(supervisor)).toEqual(['h']);
  });

  test('startChild rejects once the supervisor was stopped', async () => {
    const supervisor = await Supervisor.start();
    const starting = failureOf(Supervisor.startChild(supervisor, hanging()));
    await Supervisor.stop(supervisor);
    expect(await starting).toMatchObject(TERMINATED);
  });

  test('where the supervisor is killed, startChild rejects at once, however long its shutdownTimeout', async () => {
    const supervisor = await Supervisor.start();
    const starting = failureOf(Supervisor.startChild(supervisor, hanging({ shutdownTimeout: Infinity })));
    GenServer.kill(supervisor);
    expect(await starting).toMatchObject(TERMINATED);
  });

  test('a reset ends the start of a supervisor as well', async () => {
    const starting = failureOf(Supervisor.start({ children: [child('a'), hanging()] }));
    await settled();
    reset();
    expect(await starting).toMatchObject(TERMINATED);
  });

  test('restartChild rejects once the child was terminated, and the supervisor goes on', async () => {
    const supervisor = await Supervisor.start({ restartIntensity: { maxRestarts: 0 } });
    let start = (): Promise<Ref> => GenServer.start(worker());
    await Supervisor.startChild(supervisor, { ...hanging(), start: () => start() });
    start = never;
    const restarting = failureOf(Supervisor.restartChild(supervisor, 'h'));
    const shared = failureOf(Supervisor.restartChild(supervisor, 'h'));
    await settled();
    await Supervisor.terminateChild(supervisor, 'h');
    expect(await Promise.all([restarting, shared])).toEqual([
      expect.objectContaining(TERMINATED),
      expect.objectContaining(TERMINATED),
    ]);
    await settled();
    expect([Supervisor.isRunning(supervisor), idsOf(supervisor)]).toEqual([true, []]);
  });

  test('what comes out of it after all is stopped', async () => {
    const log: string[] = [];
    const held = gate();
    const supervisor = await Supervisor.start();
    const start = async (): Promise<Ref> => {
      await held.promise;
      return GenServer.start(worker('late', log));
    };
    const starting = failureOf(Supervisor.startChild(supervisor, { ...hanging(), start }));
    await Supervisor.terminateChild(supervisor, 'h');
    expect(await starting).toMatchObject(TERMINATED);
    held.open();
    await settled();
    expect(log).toEqual(['+late', '-late shutdown']);
  });
});

/**
 * The start of a child that is a supervisor whose own children do not all start. Nobody has the reference of that supervisor, so what it had started already
 * once ran on for ever, with its names, when its parent was stopped.
 */
describe('a supervisor that is still starting below another', () => {
  const named = (name: string): ChildSpec => ({ id: name, start: () => GenServer.start(worker(), { name }) });
  const inner = (): Promise<Ref> =>
    Supervisor.start({ children: [named('below'), { id: 'hangs', start: () => never() }] });
  const nested: [string, () => Promise<Ref>][] = [
    ['itself', inner],
    ['by an async function', async () => inner()],
    [
      'two levels down',
      () => Supervisor.start({ children: [named('between'), { id: 'inner', start: inner }] }),
    ],
  ];

  test.each(nested)(
    'ends with the child that it is the start of, when that is stopped: %s',
    async (_, start) => {
      const outer = await Supervisor.start();
      const starting = failureOf(Supervisor.startChild(outer, { id: 'h', shutdownTimeout: 1, start }));
      await settled();
      expect(Registry.isRegistered('below')).toBe(true);
      await Supervisor.stop(outer);
      expect([await starting, Registry.getNames()]).toEqual([expect.objectContaining(TERMINATED), []]);
    },
  );

  test.each(nested)('ends at once with a supervisor above it that is killed: %s', async (_, start) => {
    const outer = await Supervisor.start();
    const starting = failureOf(Supervisor.startChild(outer, { id: 'h', start }));
    await settled();
    GenServer.kill(outer);
    expect(Registry.getNames()).toEqual([]);
    expect(await starting).toMatchObject(TERMINATED);
  });

  test('one that has started by then is left to whoever has its reference', async () => {
    const outer = await Supervisor.start();
    let other: Ref | undefined;
    const start = async (): Promise<Ref> => {
      other = await Supervisor.start({ children: [named('its own')] });
      return never();
    };
    const starting = failureOf(Supervisor.startChild(outer, { id: 'h', shutdownTimeout: 1, start }));
    await settled();
    await Supervisor.stop(outer);
    expect(await starting).toMatchObject(TERMINATED);
    expect([Supervisor.isRunning(other!), Registry.getNames()]).toEqual([true, ['its own']]);
  });
});

/** A handler that awaits what ends its own server would wait until it is killed for that. */
describe('a handler that awaits its own end by a supervisor', () => {
  const ENDS = {
    'terminateChild of itself': (_: Ref, inner: Ref) => Supervisor.terminateChild(inner, 'a'),
    'restartChild of itself': (_: Ref, inner: Ref) => Supervisor.restartChild(inner, 'a'),
    'stop of its supervisor': (_: Ref, inner: Ref) => Supervisor.stop(inner),
    'GenServer.stop of its supervisor': (_: Ref, inner: Ref) => GenServer.stop(inner),
    'stop of a supervisor further up': (outer: Ref) => Supervisor.stop(outer),
    'terminateChild of its supervisor': (outer: Ref) => Supervisor.terminateChild(outer, 'inner'),
    'restartChild of its supervisor': (outer: Ref) => Supervisor.restartChild(outer, 'inner'),
  };
  type Work = () => unknown;

  /** `outer` with the supervisor `inner` below it, which has the server `a`. */
  async function tree() {
    const log: string[] = [];
    const behavior = {
      ...worker('a', log),
      handleCall: async (work: Work, state: number) => [await work(), state] as const,
    };
    const outer = await Supervisor.start({
      children: [
        {
          id: 'inner',
          start: () =>
            Supervisor.start({
              children: [{ id: 'a', shutdownTimeout: Infinity, start: () => GenServer.start(behavior) }],
            }),
        },
      ],
    });
    const inner = refOf(outer, 'inner') as Ref;
    return { log, outer, inner, server: Supervisor.getChild(inner, 'a')!.ref };
  }

  test.each(Object.entries(ENDS))(
    '%s: the handler gets a DeadlockError, and the end comes behind it',
    async (_, end) => {
      const { log, outer, inner, server } = await tree();
      const error = await failureOf(GenServer.call(server, () => end(outer, inner), { timeout: Infinity }));
      expect(error).toMatchObject({ name: 'DeadlockError', code: 'ERR_ACTOR_DEADLOCK', serverId: server.id });
      await settled();
      expect(log.slice(0, 2)).toEqual(['+a', '-a shutdown']);
    },
  );

  test.each(Object.entries(ENDS))('%s, not awaited, takes effect behind the handler', async (_, end) => {
    const { log, outer, inner, server } = await tree();
    let ended: Promise<unknown> | undefined;
    const work = async (): Promise<string> => {
      ended = end(outer, inner);
      await settled();
      return log.join();
    };
    expect(await GenServer.call(server, work)).toBe('+a');
    await ended;
    expect(log.slice(0, 2)).toEqual(['+a', '-a shutdown']);
  });

  test('a handler may await the end of others: of a sibling, and of a supervisor that it is not below', async () => {
    const { inner, server } = await tree();
    await Supervisor.startChild(inner, child('b'));
    const other = await Supervisor.start({ children: [child('c')] });
    const work = async (): Promise<unknown> => {
      await Supervisor.restartChild(inner, 'b');
      return null;
    };
    const stop = async (): Promise<unknown> => {
      await Supervisor.stop(other);
      return Supervisor.isRunning(other);
    };
    expect([await GenServer.call(server, work), await GenServer.call(server, stop)]).toEqual([null, false]);
    const restarted = told('restarted');
    GenServer.kill(refOf(inner, 'b'), { error: new Error('crash') });
    expect(await restarted).toMatchObject({ attempt: 2 });
  });

  test('what is wrong with the request is told as ever', async () => {
    const { outer, inner } = await tree();
    await expect(Supervisor.terminateChild(inner, 'nobody')).rejects.toThrow("'nobody' not found");
    await expect(Supervisor.restartChild({ id: 'supervisor_0_none' }, 'a')).rejects.toThrow('not found');
    await expect(Supervisor.terminateChild(undefined as unknown as Ref, 'a')).rejects.toMatchObject({
      code: 'ERR_ACTOR_INVALID_TYPE',
    });
    await Supervisor.stop(outer);
  });
});
