/**
 * Tasks that do next to nothing: what handing over a task and its result costs. Every case makes its tasks, hands them over together, and
 * looks at each result.
 */
import { TrillionProcessor } from '../../index.js';
import { measure } from '../lib/measure.mjs';
import { tinypool, tunedPiscina } from '../lib/pools.mjs';
import { compute } from '../workers/functions.cjs';

const TASKS = 100_000;
const ROUNDS = 7;

export async function run() {
  const echo = { operation: 'echo', dataOf: (index) => index, valueOf: (result) => result };
  await compare('a number comes back as it is', echo, (index) => index);

  const ten = {
    operation: 'compute',
    dataOf: (id) => ({ iterations: 10, id }),
    valueOf: (result) => result.input.id + result.computed,
  };
  const { computed } = compute({ iterations: 10 });
  await compare('ten square roots of an object { iterations, id }', ten, (index) => index + computed);
}

async function compare(what, { operation, dataOf, valueOf }, expected) {
  let right = 0;
  for (let index = 0; index < TASKS; index++) right += expected(index);
  const check = (count, sum) => {
    if (count !== TASKS || Math.abs(sum - right) > right * 1e-9) throw new Error('a case gave wrong results');
    return count;
  };

  const processor = new TrillionProcessor();
  await processor.initialize();
  const byEvent = async () => {
    let count = 0;
    let sum = 0;
    const all = new Promise((resolve, reject) => {
      processor.on('taskComplete', ({ result }) => {
        sum += valueOf(result);
        if (++count === TASKS) resolve();
      });
      processor.on('taskError', ({ error }) => reject(error));
    });
    const tasks = Array.from({ length: TASKS }, (_, index) => ({ operation, data: dataOf(index) }));
    await processor.addTasks(tasks);
    await all;
    processor.removeAllListeners();
    return check(count, sum);
  };
  const byIds = async () => {
    const tasks = Array.from({ length: TASKS }, (_, index) => ({ operation, data: dataOf(index) }));
    const outcomes = await processor.results(await processor.addTasks(tasks));
    return check(
      outcomes.length,
      outcomes.reduce((sum, { result }) => sum + valueOf(result), 0),
    );
  };
  const byPool = (pool) => async () => {
    const calls = Array.from({ length: TASKS }, (_, index) => pool.run(dataOf(index), { name: operation }));
    const results = await Promise.all(calls);
    return check(
      results.length,
      results.reduce((sum, result) => sum + valueOf(result), 0),
    );
  };

  const piscina = await tunedPiscina(operation, dataOf(0));
  const tiny = await tinypool();
  await measure({
    title: `${TASKS} tiny tasks: ${what}`,
    rounds: ROUNDS,
    baseline: 'piscina',
    bar: 10,
    unit: 'tasks',
    cases: [
      { name: 'addTasks, results by event', run: byEvent },
      { name: 'addTasks, then results(ids)', run: byIds },
      piscina && { name: 'piscina', run: byPool(piscina) },
      tiny && { name: 'tinypool', run: byPool(tiny) },
    ],
  });
  await Promise.all([processor.shutdown(), piscina?.destroy(), tiny?.destroy()]);
}
