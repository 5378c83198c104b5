/** Faults that are met where nobody sees them: `terminate` at a shutdown by a supervisor, messages of timers; and how often the process is warned of them. */
import { Application, GenServer, Supervisor, type LifecycleEvent, type Ref } from '../dist/actor';
import { reset } from '../dist/actor/testing';
import { toldBy } from './lib/child';
import { failureOf, refOf, settled, worker } from './lib/supervised';

afterEach(reset);

const failing = {
  ...worker('failing'),
  terminate: async () => {
    await settled();
    throw new Error('could not flush');
  },
};
const child = { id: 'failing', start: () => GenServer.start(failing) };

describe('a terminate that fails when a supervisor takes its server down is an event', () => {
  const WAYS: [string, (supervisor: Ref) => Promise<unknown>][] = [
    ['Supervisor.stop', (supervisor) => Supervisor.stop(supervisor)],
    ['terminateChild', (supervisor) => Supervisor.terminateChild(supervisor, 'failing')],
    ['restartChild', (supervisor) => Supervisor.restartChild(supervisor, 'failing')],
    [
      'the stop of its application',
      async (supervisor) => {
        const start = () => supervisor;
        await Application.stop(await Application.start({ start }, { name: 'app', handleSignals: false }));
      },
    ],
  ];

  test.each(WAYS)('by %s', async (_, takeDown) => {
    const supervisor = await Supervisor.start({ children: [child] });
    const ref = refOf(supervisor, 'failing');
    const events: LifecycleEvent[] = [];
    GenServer.onLifecycleEvent((event) => void (event.type === 'error' && events.push(event)));
    await takeDown(supervisor);
    expect(events).toMatchObject([
      { type: 'error', ref: { id: ref.id }, error: { message: 'could not flush' }, message: 'shutdown' },
    ]);
  });

  test('at a stop by hand only he who asked for it is told', async () => {
    const ref = await GenServer.start(failing);
    const events: string[] = [];
    GenServer.onLifecycleEvent(({ type }) => void events.push(type));
    expect(await failureOf(GenServer.stop(ref))).toMatchObject({ message: 'could not flush' });
    expect(events).toEqual(['terminated']);
  });
});

const WARNINGS = `
  const { GenServer, Supervisor } = require('@noizylab/core/actor');
  process.on('warning', ({ code, message }) => tell([code, message.slice(message.lastIndexOf(': ') + 2)]));
  const fails = (what) => () => { throw new Error(what); };
  const behavior = { init: () => 0, handleCall: (m, n) => [n, n], handleCast: (m, n) => n };`;
const told = (code: string): Promise<unknown[]> => toldBy(WARNINGS + code, { nodeArgs: ['--no-warnings'] });

test('where nobody listens, the process is warned of it', async () => {
  const code = `
    const start = () => GenServer.start({ ...behavior, terminate: fails('could not flush') });
    await Supervisor.stop(await Supervisor.start({ children: [{ id: 'x', start }] }));`;
  expect(await told(code)).toEqual([['ERR_ACTOR_UNHANDLED_FAULT', 'could not flush']]);
});

test('the process is warned once of messages of timers that find a full mailbox', async () => {
  const code = `
    let goOn;
    const held = new Promise((resolve) => { goOn = resolve; });
    const ref = await GenServer.start({ ...behavior, handleCast: (m, n) => held.then(() => n) }, { mailbox: { limit: 1 } });
    for (const message of ['handled', 'waits']) GenServer.cast(ref, message);
    for (const message of [1, 2, 3]) GenServer.sendAfter(ref, message, 0);
    setTimeout(goOn, 20);`;
  expect(await told(code)).toEqual([['ERR_ACTOR_UNHANDLED_FAULT', expect.stringContaining('is full')]]);
});

test('a terminate that fails after a cast has failed is no second warning', async () => {
  const code = `
    const ref = await GenServer.start({ ...behavior, handleCast: fails('cast'), terminate: fails('terminate') });
    GenServer.cast(ref, 1);
    GenServer.kill(ref);`;
  expect(await told(code)).toEqual([['ERR_ACTOR_UNHANDLED_FAULT', 'cast']]);
});
