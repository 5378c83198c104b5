/** The queue of a mailbox: what it gives in which order, whatever was taken, withdrawn or dropped in between, and how much it looks at for that. */
import { CAST, INFO, Mailbox, STOP, type Envelope } from '../dist/actor/mailbox';
import { randomFrom } from './fixtures/actor-servers';

interface Call {
  readonly number: number;
  withdrawn: boolean;
}

test('random pushes, shifts, withdrawals and drops give what a plain list gives', () => {
  type Waiting = readonly [envelope: Envelope<Call>, number: number];
  const isLoad = ([envelope]: Waiting): boolean => envelope === CAST || typeof envelope === 'object';

  for (let seed = 1; seed <= 60; seed += 1) {
    const random = randomFrom(seed);
    const mailbox = new Mailbox<Call>();
    const list: Waiting[] = [];
    const came: unknown[] = [];
    const should: unknown[] = [];
    const shift = (): void => {
      const first = list.shift();
      came.push(mailbox.shift(), mailbox.takeMessage());
      should.push(first?.[0], first?.[1]);
    };
    const pushes = 0.3 + random() * 0.4;
    for (let number = 0; number < 6_000; number += 1) {
      const what = random();
      if (what < pushes) {
        const kind = random();
        const envelope =
          kind < 0.4 ? CAST : kind < 0.6 ? INFO : kind < 0.62 ? STOP : { number, withdrawn: false };
        mailbox.push(envelope, number);
        list.push([envelope, number]);
      } else if (what < pushes + 0.15) {
        shift();
      } else if (what < pushes + 0.25) {
        const at = Math.floor(random() * list.length);
        const call = list[at]?.[0];
        if (typeof call !== 'object') continue;
        mailbox.withdraw(call);
        list.splice(at, 1);
      } else {
        const at = list.findIndex(isLoad);
        came.push(mailbox.dropOldest());
        should.push(at < 0 ? undefined : list.splice(at, 1)[0]![0]);
      }
      if (number % 500 === 0) {
        came.push(mailbox.length, mailbox.load);
        should.push(list.length, list.filter(isLoad).length);
      }
    }
    while (list.length > 0) shift();
    shift();
    expect(came).toEqual(should);
    expect([mailbox.length, mailbox.load]).toEqual([0, 0]);
  }
});

test('to drop the oldest again and again looks at nothing twice that stands before it', () => {
  let looks = 0;
  const mailbox = new Mailbox<Call>();
  const withdrawn: Call[] = Array.from({ length: 500 }, (_, number) => ({
    number,
    isWithdrawn: false,
    get withdrawn() {
      looks += 1;
      return this.isWithdrawn;
    },
    set withdrawn(value: boolean) {
      this.isWithdrawn = value;
    },
  }));
  mailbox.push(INFO, 'stays at the head');
  for (const call of withdrawn) mailbox.push(call, call.number);
  for (let number = 0; number < 1_000; number += 1) mailbox.push(CAST, number);
  for (const call of withdrawn) mailbox.withdraw(call);
  looks = 0;
  for (let dropped = 0; dropped < 100; dropped += 1) expect(mailbox.dropOldest()).toBe(CAST);
  expect(looks).toBeLessThanOrEqual(withdrawn.length);
  expect([mailbox.shift(), mailbox.shift(), mailbox.takeMessage()]).toEqual([INFO, CAST, 100]);
});
