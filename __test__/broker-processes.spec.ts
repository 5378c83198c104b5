/** Brokers and processes: signals, commands that run beside a broker, idle brokers, files of sockets. */
import { existsSync, lstatSync } from 'node:fs';
import { checkReadiness, makePipePath } from '../dist/broker';
import { Host, clientOf, eventually, newId, onPosix, startBroker } from './lib/broker';
import { inChild, startChild, toldBy } from './lib/child';

/** In a child: a broker that tells where it listens once it runs. */
const BROKER = `
  const { Broker, Client, checkReadiness } = require('@noizylab/core/broker');
  const broker = new Broker({ logLevel: process.env.LEVEL ?? 'error' });
  const pipe = await broker.start();
`;

onPosix('signals', () => {
  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    '%s drains and stops the broker, and ends the process',
    async (signal) => {
      const child = startChild(`${BROKER} tell(pipe);`, { env: { LEVEL: 'info' } });
      const pipe = (await child.firstTold) as string;
      child.process.kill(signal);
      const { code, stdout } = await child.ended;
      expect(code).toBe(0);
      expect(stdout.split('\n')).toEqual([
        `[broker] Broker started (pipe=${pipe})`,
        `[broker] Received shutdown signal (signal=${signal})`,
        expect.stringMatching(/^\[broker] Draining connections \(inFlight=\d+\)$/),
        '[broker] Drain complete',
        '[broker] Broker stopped and cleaned up',
        '',
      ]);
      expect(existsSync(pipe)).toBe(false);
    },
  );

  test('a program that has a listener of its own ends when it wants to', async () => {
    const child = startChild(`${BROKER}
      process.once('SIGTERM', () => {
        const wait = setInterval(async () => {
          if (broker.running) return;
          clearInterval(wait);
          await tell('cleaned up');
          process.exit(42);
        }, 5);
      });
      tell(pipe);
    `);
    const pipe = (await child.firstTold) as string;
    child.process.kill('SIGTERM');
    expect(await child.ended).toMatchObject({ code: 42, told: [pipe, 'cleaned up'] });
    expect(existsSync(pipe)).toBe(false);
  });

  test('are left alone with handleSignals: false, and after stop', async () => {
    const code = `
      const { Broker } = require('@noizylab/core/broker');
      const count = () => ['SIGINT', 'SIGTERM', 'SIGHUP'].map((signal) => process.listenerCount(signal));
      const without = new Broker({ handleSignals: false, logLevel: 'error' });
      await without.start();
      tell(count());
      const broker = new Broker({ logLevel: 'error' });
      await broker.start();
      broker.setupSignalHandlers();
      tell(count());
      broker.stop();
      without.stop();
      tell(count());
      without.setupSignalHandlers();
      without.stop();
    `;
    expect((await inChild(code)).told).toEqual([
      [0, 0, 0],
      [1, 1, 1],
      [0, 0, 0],
    ]);
  });

  test('a broker that is set up by hand ends too', async () => {
    const child = startChild(`
      const { Broker } = require('@noizylab/core/broker');
      const broker = new Broker({ handleSignals: false, logLevel: 'error' });
      await broker.start();
      broker.setupSignalHandlers();
      tell(broker.pipe);
    `);
    const pipe = (await child.firstTold) as string;
    child.process.kill('SIGTERM');
    expect(await child.ended).toMatchObject({ code: 0, signal: null });
    expect(existsSync(pipe)).toBe(false);
  });
});

describe('spawn', () => {
  const spawning = (args: string, options = '') => `${BROKER}
    broker.spawn(process.execPath, ${args}${options});
    tell(pipe);
  `;

  test.each([0, 3, 255])(
    "ends the process with the command's code %i, and stops the broker",
    async (code) => {
      const child = startChild(spawning(`['-e', 'process.exit(${code})']`));
      const pipe = (await child.firstTold) as string;
      expect(await child.ended).toMatchObject({ code, signal: null, stderr: '' });
      expect(await checkReadiness(pipe, 20)).toBe(false);
    },
  );

  test('gives the command the environment, its output, and the broker', async () => {
    const command = `
      const { Client } = require('@noizylab/core/broker');
      new Client().set('key', process.env.MORE, 60_000).then(() => console.log(process.env.EPHEMERAL_PIPE));
    `;
    const child = startChild(spawning(`['-e', ${JSON.stringify(command)}]`), { env: { MORE: 'more' } });
    const pipe = await child.firstTold;
    expect(await child.ended).toMatchObject({ code: 0, stdout: `${String(pipe)}\n` });
  });

  test('with exit: false stops the broker alone', async () => {
    const code = `${BROKER}
      const child = broker.spawn(process.execPath, ['-e', 'process.exit(5)'], { exit: false });
      tell(broker.child === child);
      child.on('exit', async (status) => {
        while (broker.running) await new Promise(setImmediate);
        tell([status, broker.child, await checkReadiness(pipe, 20)]);
      });
    `;
    expect(await toldBy(code)).toEqual([true, [5, undefined, false]]);
  });

  test('tells of the end at the level info', async () => {
    const end = await inChild(spawning(`['-e', 'process.exit(4)']`), { env: { LEVEL: 'info' } });
    expect(end.stdout).toContain(
      '[broker] Child process exited (code=4)\n[broker] Broker stopped and cleaned up\n',
    );
  });

  test.each([
    ['before start', `new Broker().spawn('x')`, 'ERR_BROKER_NOT_RUNNING'],
    [
      'a second command',
      `broker.spawn(process.execPath, ['-e', '']), broker.spawn('x')`,
      'ERR_BROKER_HAS_CHILD',
    ],
    ['no command', `broker.spawn()`, 'ERR_BROKER_INVALID_TYPE'],
    ['an empty command', `broker.spawn('')`, 'ERR_BROKER_OUT_OF_RANGE'],
    ['arguments that are no array', `broker.spawn('x', '-e')`, 'ERR_BROKER_INVALID_TYPE'],
    ['an exit that is no boolean', `broker.spawn('x', [], { exit: 1 })`, 'ERR_BROKER_INVALID_TYPE'],
  ])('refuses %s', async (_, call, code) => {
    const script = `${BROKER}
      try {
        ${call};
      } catch (error) {
        tell(error.code);
      }
      broker.child?.kill();
      broker.stop();
      broker.child?.on('exit', () => process.exit(0));
    `;
    expect((await inChild(script)).told).toEqual([code]);
  });

  onPosix('of a Unix', () => {
    test.each([
      ['SIGTERM', 128 + 15],
      ['SIGKILL', 128 + 9],
    ])('a command that %s ended is no success', async (signal, code) => {
      const end = await inChild(spawning(`['-e', 'process.kill(process.pid, "${signal}")']`));
      expect(end).toMatchObject({ code, signal: null });
    });

    test('a file that is no program is told of', async () => {
      const end = await inChild(`${BROKER} broker.spawn('/dev/null');`);
      expect(end.code).toBe(126);
      expect(end.stderr).toContain('[broker] Cannot run command (command=/dev/null');
    });

    test.each(['SIGTERM', 'SIGINT'] as const)(
      '%s goes to the command, whose end is the end of all',
      async (signal) => {
        const command = `
        process.on('${signal}', () => setTimeout(() => process.exit(7), 200)); // longer than the original would wait
        require('@noizylab/core/broker').Client && new (require('@noizylab/core/broker').Client)().set('ready', process.pid, 60_000);
        setInterval(() => {}, 1e6);
      `;
        const child = startChild(spawning(`['-e', ${JSON.stringify(command)}]`));
        const pipe = (await child.firstTold) as string;
        const client = clientOf(pipe);
        await eventually(async () => (await client.list()).includes('ready'));
        const pid = await client.get<number>('ready');
        child.process.kill(signal);
        expect(await child.ended).toMatchObject({ code: 7 });
        expect(() => process.kill(pid, 0)).toThrow(expect.objectContaining({ code: 'ESRCH' }));
        expect(existsSync(pipe)).toBe(false);
      },
    );

    test('a command that does not end after a signal is killed at the second', async () => {
      const command = `
        process.on('SIGTERM', () => {});
        new (require('@noizylab/core/broker').Client)().set('ready', process.pid, 60_000);
        setInterval(() => {}, 1e6);
      `;
      const child = startChild(spawning(`['-e', ${JSON.stringify(command)}]`));
      const client = clientOf((await child.firstTold) as string);
      await eventually(async () => (await client.list()).includes('ready'));
      const pid = await client.get<number>('ready');
      child.process.kill('SIGTERM');
      const again = setInterval(() => child.process.kill('SIGTERM'), 600);
      const { code } = await child.ended;
      clearInterval(again);
      expect(code).toBeGreaterThan(128);
      await eventually(() => {
        try {
          return !process.kill(pid, 0);
        } catch {
          return true;
        }
      });
    });
  });
});

describe('idle timeout', () => {
  test('a broker of which nobody asks anything stops, and the process ends with code 0', async () => {
    const end = await inChild(
      `const { Broker } = require('@noizylab/core/broker');
       await new Broker({ idleTimeout: 50 }).start();`,
    );
    expect(end).toMatchObject({ code: 0, signal: null, stderr: '' });
    expect(end.stdout).toMatch(
      /\[broker] Idle timeout exceeded, shutting down \(idleTime=\d+ timeout=50\)\n/,
    );
    expect(end.stdout).toMatch(/\[broker] Broker stopped and cleaned up\n$/);
  });

  test('requests put it off', async () => {
    const code = `
      const { Broker, Client } = require('@noizylab/core/broker');
      const broker = new Broker({ idleTimeout: 300, logLevel: 'error' });
      const clients = [new Client(await broker.start()), new Client(broker.pipe, { inProcess: false })];
      const end = Date.now() + 1200;
      for (let i = 0; Date.now() < end; i++) {
        await clients[i % 2].ping();
        await new Promise((next) => setTimeout(next, 10));
      }
      tell(broker.running);
    `;
    expect(await toldBy(code)).toEqual([true]);
  });
});

onPosix('files of sockets', () => {
  test('are of the user alone, and gone after stop', async () => {
    const broker = await startBroker();
    const found = lstatSync(broker.pipe);
    expect(found.isSocket()).toBe(true);
    expect(found.mode & 0o777).toBe(0o700);
    broker.stop();
    expect(existsSync(broker.pipe)).toBe(false);
  });

  test('of brokers that were killed are replaced by the next', async () => {
    const pipeId = newId();
    for (let i = 0; i < 3; i++) {
      const dying = await new Host('ours').ready();
      await dying.start({ pipeId });
      await dying.kill();
      expect(lstatSync(makePipePath(pipeId)).isSocket()).toBe(true);
    }
    const broker = await startBroker({ pipeId });
    expect(await clientOf(broker.pipe).ping()).toBeGreaterThan(0);
  });

  test('of a process that exits without stop are removed', async () => {
    const child = startChild(`${BROKER} await tell(pipe); process.exit(3);`);
    const pipe = (await child.firstTold) as string;
    expect(await child.ended).toMatchObject({ code: 3 });
    expect(existsSync(pipe)).toBe(false);
  });

  test('a broker whose start failed leaves nothing behind and keeps nothing alive', async () => {
    const code = `
      const { Broker } = require('@noizylab/core/broker');
      process.umask(0o22);
      const broker = new Broker({ logLevel: 'error', idleTimeout: 1e6, heartbeatInterval: 1e6 });
      await broker.start().catch(({ code, cause }) => tell([code, cause.code]));
      tell(process.listenerCount('SIGTERM'));
    `;
    const told = await toldBy(code, { env: { TMPDIR: '/nonexistent/folder' } });
    expect(told).toEqual([['ERR_BROKER_LISTEN', 'ENOENT'], 0]);
  });
});
