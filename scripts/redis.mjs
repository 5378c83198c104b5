/**
 * Provides `redis-server`, which the spec of `DistributedCache` starts: takes the one on the PATH, else installs it where
 * that can be done without asking anybody, by root on Debian and its kin.
 *
 *     node scripts/redis.mjs
 *
 * Prints the version that is there. Without one the spec is skipped aloud, and fails where CI is set.
 */
import { Skip, answers, main, run } from './tools.mjs';

const COMMAND = 'redis-server';

/** Throws a `Skip` that says what to do where there is no `redis-server` and none can be installed. */
export async function provideRedis() {
  if (answers(COMMAND, '--version')) return;
  if (process.getuid?.() !== 0 || !answers('apt-get', '--version')) {
    throw new Skip(`${COMMAND} is missing: install Redis, for example with 'apt-get install ${COMMAND}'`);
  }
  console.log(`Installing ${COMMAND}.`);
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  try {
    await run('apt-get', ['update'], { env, capture: true });
    await run('apt-get', ['install', '-y', '--no-install-recommends', COMMAND], { env, capture: true });
  } catch (error) {
    throw new Skip(`${COMMAND} cannot be installed: ${error.message}`, { cause: error });
  }
}

await main(import.meta.url, async () => {
  await provideRedis();
  await run(COMMAND, ['--version']);
});
