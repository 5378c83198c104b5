/** Links, monitors, timers: what is none of them is named, and nothing else happens. */
import { GenServer } from '../dist/actor';
import { reset } from '../dist/actor/testing';
import { untyped } from './fixtures/parallel';
import { worker } from './lib/supervised';

afterEach(reset);

const TYPE = { name: 'TypeError', code: 'ERR_ACTOR_INVALID_TYPE' };

test.each([undefined, null, 'm1', 5, {}, { id: 'm1' }])('%p is neither a monitor nor a timer', (wrong) => {
  expect(() => GenServer.demonitor(untyped(wrong))).toThrow(
    expect.objectContaining({ ...TYPE, message: expect.stringContaining('monitorRef') }),
  );
  expect(() => GenServer.cancelTimer(untyped(wrong))).toThrow(
    expect.objectContaining({ ...TYPE, message: expect.stringContaining('timerRef') }),
  );
});

test.each([
  undefined,
  null,
  'link',
  5,
  [],
  {},
  { linkId: 'link' },
  { linkId: 'link', ref1: { id: 'a' }, ref2: 5 },
])('%p is no link, and the links stay', async (wrong) => {
  const [one, other] = [await GenServer.start(worker()), await GenServer.start(worker())];
  GenServer.link(one, other);
  expect(() => GenServer.unlink(untyped(wrong))).toThrow(
    expect.objectContaining({ ...TYPE, message: expect.stringContaining('linkRef') }),
  );
  GenServer.kill(one);
  expect(GenServer.isRunning(other)).toBe(false);
});

test.each([null, 5, [], { flush: 1 }, { flush: 'yes' }])(
  '%p are no options of demonitor, and the monitor stays',
  async (wrong) => {
    const [by, watched] = [await GenServer.start(worker()), await GenServer.start(worker())];
    const monitor = GenServer.monitor(by, watched);
    expect(() => GenServer.demonitor(monitor, untyped(wrong))).toThrow(expect.objectContaining(TYPE));
    const down = new Promise((resolve) => {
      GenServer.onLifecycleEvent((event) => event.type === 'process_down' && resolve(event));
    });
    GenServer.kill(watched);
    expect(await down).toMatchObject({ ref: by, monitorId: monitor.monitorId });
  },
);
