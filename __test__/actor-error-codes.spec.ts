/** The codes by which programs tell the errors of the actors apart; the names are those of the original. */
import { Application, GenServer, Supervisor, Task } from '../dist/actor';
import { reset } from '../dist/actor/testing';
import { rejection } from './lib/processors';

afterEach(reset);

const start = () =>
  GenServer.start({ init: () => 0, handleCall: () => [0, 0] as const, handleCast: () => 0 });

test.each([
  [
    'SupervisorNotFoundError',
    'ERR_ACTOR_SUPERVISOR_NOT_FOUND',
    () => Supervisor.terminateChild({ id: 'supervisor_0_none' }, 'a'),
  ],
  [
    'ChildNotFoundError',
    'ERR_ACTOR_CHILD_NOT_FOUND',
    async () => Supervisor.restartChild(await Supervisor.start(), 'a'),
  ],
  [
    'DuplicateChildError',
    'ERR_ACTOR_DUPLICATE_CHILD',
    async () =>
      Supervisor.startChild(await Supervisor.start({ children: [{ id: 'a', start }] }), { id: 'a', start }),
  ],
  [
    'MissingChildTemplateError',
    'ERR_ACTOR_MISSING_CHILD_TEMPLATE',
    () => Supervisor.start({ strategy: 'simple_one_for_one' }),
  ],
  [
    'InvalidSimpleOneForOneConfigError',
    'ERR_ACTOR_INVALID_SIMPLE_ONE_FOR_ONE_CONFIG',
    () =>
      Supervisor.start({
        strategy: 'simple_one_for_one',
        childTemplate: { start },
        children: [{ id: 'a', start }],
      }),
  ],
  [
    'TaskTimeoutError',
    'ERR_ACTOR_TASK_TIMEOUT',
    async () => Task.await(await Task.async(() => new Promise(() => {})), { timeout: 10 }),
  ],
  [
    'ApplicationStopTimeoutError',
    'ERR_ACTOR_APPLICATION_STOP_TIMEOUT',
    async () =>
      Application.stop(
        await Application.start(
          { start: () => Supervisor.start(), prepStop: () => new Promise<void>(() => {}) },
          { name: 'slow', handleSignals: false, stopTimeout: 10 },
        ),
      ),
  ],
])('%s has the code %s', async (name, code, fail: () => Promise<unknown>) => {
  expect(await rejection(fail())).toMatchObject({ name, code });
});

test('an application that stopAll cannot stop in order is told by a warning of ERR_ACTOR_APPLICATION_STOP_FAILED', async () => {
  await Application.start(
    {
      start: () => Supervisor.start(),
      prepStop: () => {
        throw new Error('no');
      },
    },
    { name: 'stubborn', handleSignals: false },
  );
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  await Application.stopAll();
  expect(warned.mock.calls).toEqual([
    [
      "Application 'stubborn' failed to stop in order: no",
      {
        type: 'ActorWarning',
        code: 'ERR_ACTOR_APPLICATION_STOP_FAILED',
        detail: expect.stringContaining('Error: no'),
      },
    ],
  ]);
  warned.mockRestore();
});
