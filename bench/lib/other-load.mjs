/**
 * How busy the machine was with other things. On a machine that others use, several threads of a benchmark get no more of it than one,
 * and every ratio between threads comes out too low; so the benches say how much of the processors was not theirs.
 */
import { cpus } from 'node:os';

/** Processor time of processes that a bench has started, in seconds: it is not that of other programs. */
let ofChildren = 0;

/** Counts processor time of a process that a bench has started. */
export function countChild(seconds) {
  ofChildren += seconds;
}

/** Starts to watch; the function that is returned prints a line of the time since. */
export function watchOtherLoad() {
  const before = take();
  return () => {
    const after = take();
    const all = after.all - before.all;
    const others = Math.max(0, after.busy - before.busy - (after.own - before.own));
    console.log(
      `\nOther programs took ${Math.round((100 * others) / all)} % of the machine's processor time meanwhile.`,
    );
  };
}

/** Milliseconds of processor time: of the machine, of it in use, and of this process with those that it has started. */
function take() {
  const total = { user: 0, nice: 0, sys: 0, idle: 0, irq: 0 };
  for (const { times } of cpus()) for (const kind of Object.keys(total)) total[kind] += times[kind];
  const busy = total.user + total.nice + total.sys + total.irq;
  const { user, system } = process.cpuUsage();
  return { all: busy + total.idle, busy, own: (user + system) / 1000 + ofChildren * 1000 };
}
