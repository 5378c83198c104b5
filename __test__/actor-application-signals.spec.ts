/** SIGINT and SIGTERM for the applications of `actor`: which of them are stopped, in which order, and what becomes of the program. */
import { startChild, toldBy } from './lib/child';

const PROGRAM = `const { Application, GenServer, Supervisor } = require('./dist/actor');
  const log = [];
  const behavior = (name, more) => ({
    start: () => Supervisor.start({ children: [{ id: name, start: () => GenServer.start({
      init: () => setInterval(() => {}, 60_000),
      handleCall: (m, s) => [0, s], handleCast: (m, s) => s,
      terminate: (reason, timer) => { clearInterval(timer); log.push(name + ' ' + reason); },
    }) }] }),
    ...more,
  });`;

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s stops all applications, and the program ends by itself',
  async (signal) => {
    const program = startChild(`${PROGRAM}
    Application.onLifecycleEvent((event) => event.type === 'stopped' && log.push(event.name + ' ' + event.reason));
    process.once('exit', () => process._rawDebug(log.join(', ')));
    await Application.start(behavior('a'), { name: 'app a' });
    await Application.start(behavior('b'), { name: 'app b' });
    await tell('up');
    process.disconnect();`);
    await program.firstTold;
    program.process.kill(signal);
    expect(await program.ended).toMatchObject({
      code: 0,
      signal: null,
      stderr: 'b shutdown, app b signal, a shutdown, app a signal\n',
    });
  },
);

test('without handleSignals a signal has its usual effect, also after the stop of one that had it', async () => {
  const program = startChild(`${PROGRAM}
    await Application.stop(await Application.start(behavior('a'), { name: 'app a' }));
    await Application.start(behavior('b'), { name: 'app b', handleSignals: false });
    await tell(process.listenerCount('SIGTERM'));`);
  expect(await program.firstTold).toBe(0);
  program.process.kill('SIGTERM');
  expect(await program.ended).toMatchObject({ code: null, signal: 'SIGTERM' });
});

test('an application that runs keeps no program alive by its signals', async () => {
  expect(
    await toldBy(`const { Application, Supervisor } = require('./dist/actor');
      const ref = await Application.start({ start: () => Supervisor.start() }, { name: 'app' });
      await tell(Application.getStatus(ref));
      process.disconnect();`),
  ).toEqual(['running']);
});

describe('an application that is starting', () => {
  /** Its start goes on when the signal was handled and others are down. */
  const SLOW = `${PROGRAM}
    let goOn;
    const held = new Promise((resolve) => { goOn = resolve; });
    process.once('SIGTERM', () => setImmediate(goOn));
    const slow = behavior('slow');
    const startSlow = () => Application.start(
      { start: async () => { await tell('starting'); await held; return slow.start(); } }, { name: 'app slow' });
    Application.onLifecycleEvent((event) => event.type === 'stopped' && log.push(event.name + ' ' + event.reason));
    process.once('exit', () => process._rawDebug(log.join(', ')));`;

  test('while others run is stopped when it has started, and until then keeps none of them waiting', async () => {
    const program = startChild(`${SLOW}
      await Application.start(behavior('a'), { name: 'app a' });
      await tell(Application.isRunning(await startSlow()));
      process.disconnect();`);
    await program.firstTold;
    program.process.kill('SIGTERM');
    expect(await program.ended).toMatchObject({
      code: 0,
      signal: null,
      told: ['starting', false],
      stderr: 'a shutdown, app a signal, slow shutdown, app slow signal\n',
    });
  });

  test('alone is stopped when it has started', async () => {
    const program = startChild(`${SLOW}
      await startSlow();
      process.disconnect();`);
    await program.firstTold;
    program.process.kill('SIGTERM');
    expect(await program.ended).toMatchObject({
      code: 0,
      signal: null,
      stderr: 'slow shutdown, app slow signal\n',
    });
  });

  test('for ever ends with the program by a second signal', async () => {
    const program = startChild(`const { performance } = require('node:perf_hooks');
      let now = 0;
      performance.now = () => now;
      ${PROGRAM}
      const start = async () => { await tell('starting'); await new Promise(() => setInterval(() => {}, 60_000)); };
      void Application.start({ start }, { name: 'app' });
      const heard = () => {
        process.off('SIGTERM', heard);
        now += 500;
        process.kill(process.pid, 'SIGTERM');
      };
      process.on('SIGTERM', heard);`);
    await program.firstTold;
    program.process.kill('SIGTERM');
    expect(await program.ended).toMatchObject({ code: null, signal: 'SIGTERM' });
  });

  test('without handleSignals is not stopped by them', async () => {
    const program = startChild(`${PROGRAM}
      await Application.start({ start: () => tell(process.listenerCount('SIGTERM')) }, { name: 'app', handleSignals: false });`);
    expect(await program.firstTold).toBe(0);
    expect(await program.ended).toMatchObject({ code: 0 });
  });
});
