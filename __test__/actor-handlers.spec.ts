/** What counts as a handler, or as part of a start, where code runs inside of other code: listeners of events, `terminate`, handlers of servers that are asked. */
import { Application, GenServer, Supervisor, type ApplicationRef, type Ref } from '../dist/actor';
import { reset } from '../dist/actor/testing';
import { child, failureOf, gate, settled, worker } from './lib/supervised';

afterEach(reset);

const QUIET = { handleSignals: false } as const;
const DEADLOCK = { name: 'DeadlockError', code: 'ERR_ACTOR_DEADLOCK' };
const never = <T>(): Promise<T> => new Promise<T>(() => {});

type Work = () => unknown;

/** A server that does what it is told and takes its time as that does. */
const doer = {
  ...worker('doer'),
  handleCall: async (work: Work, state: number) => [await work(), state] as const,
  handleCast: async (work: Work, state: number) => {
    await work();
    return state;
  },
};

/** A supervisor with the doer as a child that has all the time to end. */
async function supervised(): Promise<{ supervisor: Ref; server: Ref }> {
  const supervisor = await Supervisor.start({
    children: [{ id: 'doer', shutdownTimeout: Infinity, start: () => GenServer.start(doer) }],
  });
  return { supervisor, server: Supervisor.getChild(supervisor, 'doer')!.ref };
}

describe('terminate, which nobody awaits,', () => {
  const ENDS: [string, (ref: Ref) => void][] = [
    ['a server that crashes', (ref) => GenServer.cast(ref, 'throw')],
    ['a server that is killed', (ref) => GenServer.kill(ref)],
  ];
  const WAYS: [string, (supervisor: Ref) => Promise<unknown>][] = [
    ['the stop of its supervisor', (supervisor) => Supervisor.stop(supervisor)],
    ['the end of its own child', (supervisor) => Supervisor.terminateChild(supervisor, 'x')],
  ];

  test.each(ENDS.flatMap(([end, by]) => WAYS.map(([way, stop]) => ({ end, way, by, stop }))))(
    'of $end may await $way',
    async ({ by, stop }) => {
      const done = gate<string>();
      let supervisor: Ref | undefined;
      const behavior = {
        ...worker('x'),
        terminate: async () => {
          await stop(supervisor!).catch(done.fail);
          done.open('behind the stop');
        },
      };
      supervisor = await Supervisor.start({
        children: [{ id: 'x', start: () => GenServer.start(behavior, { onError: 'crash' }) }],
      });
      by(Supervisor.getChild(supervisor, 'x')!.ref);
      expect(await done.promise).toBe('behind the stop');
    },
  );
});

describe('a listener of lifecycle events, told from within a handler,', () => {
  test('may await the stop of the supervisor of that handler, and a call to its server', async () => {
    const { supervisor, server } = await supervised();
    const other = await GenServer.start(worker('other'));
    const heard = gate<unknown[]>();
    const off = GenServer.onLifecycleEvent((event) => {
      if (event.type !== 'terminated' || event.ref.id !== other.id) return;
      off();
      void (async () => {
        const answer = await GenServer.call(server, () => 'answered');
        await Supervisor.stop(supervisor);
        heard.open([answer, Supervisor.isRunning(supervisor)]);
      })().catch(heard.fail);
    });
    GenServer.cast(server, async () => {
      GenServer.kill(other);
      await settled();
    });
    expect(await heard.promise).toEqual(['answered', false]);
  });
});

describe('a supervisor that starts while the start of a child hangs', () => {
  /** Terminates a child whose start has done `act` and hangs. */
  async function terminateHanging(act: () => void): Promise<void> {
    const supervisor = await Supervisor.start();
    const start = (): Promise<Ref> => {
      act();
      return never();
    };
    const starting = failureOf(Supervisor.startChild(supervisor, { id: 'h', shutdownTimeout: 1, start }));
    await Supervisor.terminateChild(supervisor, 'h');
    expect(await starting).toMatchObject({ code: 'ERR_ACTOR_CHILD_TERMINATED' });
  }

  test.each([
    [
      'the handler of a server that this start has asked',
      async (begin: () => void) => {
        const manager = await GenServer.start({ ...worker('manager'), handleCast: (_, n) => (begin(), n) });
        return () => GenServer.cast(manager, 'inc');
      },
    ],
    [
      'a listener of an event that this start has caused',
      async (begin: () => void) => {
        const other = await GenServer.start(worker('other'));
        const off = GenServer.onLifecycleEvent(({ type }) => {
          off();
          if (type === 'terminated') begin();
        });
        return () => GenServer.kill(other);
      },
    ],
  ])('is not ended with that where it was begun by %s', async (_, prepare) => {
    const held = gate();
    let begun: Promise<Ref> | undefined;
    const slow = { ...child('slow'), start: () => held.promise.then(() => GenServer.start(worker('slow'))) };
    const act = await prepare(() => {
      begun = Supervisor.start({ children: [slow] });
    });
    await terminateHanging(act);
    held.open();
    expect(Supervisor.isRunning(await begun!)).toBe(true);
  });
});

describe('a handler that awaits the stop of its own application', () => {
  async function application(): Promise<{ app: ApplicationRef; server: Ref }> {
    const app = await Application.start(
      { start: async () => (await supervised()).supervisor },
      { name: 'app', ...QUIET },
    );
    return { app, server: Supervisor.getChild(Application.getSupervisor(app)!, 'doer')!.ref };
  }
  const STOPS: [string, (app: ApplicationRef) => Promise<void>][] = [
    ['stop', (app) => Application.stop(app)],
    ['stopAll', () => Application.stopAll()],
  ];

  test.each(STOPS)('by %s is refused, and the stop comes behind it', async (_, stop) => {
    const { app, server } = await application();
    const error = await failureOf(GenServer.call(server, () => stop(app), { timeout: Infinity }));
    expect(error).toMatchObject({ ...DEADLOCK, serverId: server.id });
    await settled();
    expect([Application.getStatus(app), GenServer.isRunning(server)]).toEqual(['stopped', false]);
  });

  test.each(STOPS)('by %s, without awaiting it, ends before the application does', async (_, stop) => {
    const { app, server } = await application();
    let stopped: Promise<void> | undefined;
    const work = async (): Promise<string> => {
      stopped = stop(app);
      await settled();
      return Application.getStatus(app);
    };
    expect(await GenServer.call(server, work)).toBe('stopping');
    await stopped;
    expect(Application.getStatus(app)).toBe('stopped');
  });

  test('of another one may await it', async () => {
    const { server } = await application();
    const other = await Application.start({ start: () => Supervisor.start() }, { name: 'other', ...QUIET });
    await GenServer.call(server, async () => {
      await Application.stop(other);
      return null;
    });
    expect(Application.getStatus(other)).toBe('stopped');
  });
});
