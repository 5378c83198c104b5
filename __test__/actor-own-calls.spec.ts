/** What a service is asked by one of its own functions: done behind it where that does not await it, refused at once where it does. */
import { Agent, GenStateMachine, type AgentRef, type StateMachineRef } from '../dist/actor';
import { reset } from '../dist/actor/testing';
import { rejection } from './lib/processors';
import { settled } from './lib/supervised';

afterEach(reset);

const DEADLOCK = { name: 'DeadlockError', code: 'ERR_ACTOR_DEADLOCK' };

describe('a function of an agent that asks its own agent', () => {
  const asking: [string, (agent: AgentRef<number>) => Promise<unknown>, answer: unknown, value: number][] = [
    ['get', (agent) => Agent.get(agent, (n) => n), 2, 2],
    ['get with then', (agent) => Agent.get(agent, (n) => n).then((n) => n + 0.5), 2.5, 2],
    ['update', (agent) => Agent.update(agent, (n) => n + 100), undefined, 102],
    ['getAndUpdate', (agent) => Agent.getAndUpdate(agent, (n) => [n, n * 10]), 2, 20],
  ];

  test.each(asking)(
    'by %s, without awaiting it, is answered when it has ended',
    async (_, ask, answer, value) => {
      const agent = await Agent.start(() => 1);
      let asked: Promise<unknown> | undefined;
      await Agent.update(agent, async (n) => {
        asked = ask(agent);
        await settled();
        return n + 1;
      });
      expect([await asked, await Agent.get(agent, (n) => n)]).toEqual([answer, value]);
    },
  );

  test.each(asking)('by %s, and awaits that, is refused at once', async (_, ask) => {
    const agent = await Agent.start(() => 1);
    const updated = Agent.update(agent, async (n) => {
      await ask(agent);
      return n + 1;
    });
    expect(await rejection(updated)).toMatchObject({ ...DEADLOCK, serverId: agent.id });
    expect(await Agent.get(agent, (n) => n)).toBe(1);
  });
});

describe('a handler of a state machine that asks its own machine', () => {
  type Machine = StateMachineRef<'on', unknown, number>;

  /** A machine that does what its events say, and answers those that ask by its data. */
  const start = () =>
    GenStateMachine.start<'on', unknown, number>({
      init: () => ({ state: 'on', data: 0 }),
      states: {
        on: {
          handleEvent: async (event, data, from) => {
            if (typeof event === 'function') await (event as () => unknown)();
            if (from === undefined) return { type: 'keep_state', data: data + 1 };
            const reply = { type: 'reply', to: from, value: data } as const;
            return { type: 'keep_state_and_data', actions: [reply] };
          },
        },
      },
    });
  const asking: [string, (machine: Machine) => Promise<unknown>, unknown][] = [
    ['call', (machine) => GenStateMachine.call(machine, 'ask'), 'on'],
    ['callWithReply', (machine) => GenStateMachine.callWithReply(machine, 'ask'), 1],
    ['getData', (machine) => GenStateMachine.getData(machine), 1],
  ];

  test.each(asking)('by %s, without awaiting it, is answered when it has ended', async (_, ask, answer) => {
    const machine = await start();
    let asked: Promise<unknown> | undefined;
    await GenStateMachine.call(machine, () => {
      asked = ask(machine);
      return settled();
    });
    expect(await asked).toBe(answer);
  });

  test.each(asking)('by %s, and awaits that, is refused at once', async (_, ask) => {
    const machine = await start();
    expect(await rejection(GenStateMachine.call(machine, () => ask(machine)))).toMatchObject(DEADLOCK);
    expect(await GenStateMachine.getData(machine)).toBe(0);
  });
});
