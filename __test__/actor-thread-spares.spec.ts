/** The thread that is kept ready for the next server: it may die, and the next start does not fail for that. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { GenServer } from '../dist/actor';
import type { GenServerRef } from '../dist/actor';
import { reset } from '../dist/actor/testing';
import { startFar } from './lib/actor-threads';
import { eventually } from './lib/broker';

describe('a thread that is kept ready', () => {
  let folder: string;
  let log: string;
  /** A module that writes its loads into `log`. */
  const logging = (name: string, query: Record<string, string>): URL => {
    const url = pathToFileURL(join(__dirname, 'fixtures', name));
    url.search = new URLSearchParams(query).toString();
    return url;
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'noizylab-actor-'));
    log = join(folder, 'log');
  });
  afterEach(() => {
    reset();
    rmSync(folder, { recursive: true });
  });

  test.each(['0', '300'])('and takes %s ms to die does not make the next start fail', async (lasts) => {
    const module = logging('actor-dying.mjs', { log, lasts });
    await GenServer.start({ module }, { thread: true });
    await eventually(() => readFileSync(log, 'utf8').startsWith('loaded loaded '));
    // Here nothing can be heard of its end.
    while (!readFileSync(log, 'utf8').includes('ends')) {
      // It is about to.
    }
    const ref: GenServerRef<number, string, never, number> = await GenServer.start(
      { module },
      { thread: true },
    );
    expect(await GenServer.call(ref, 'get')).toBe(0);
  });

  test('is made anew by the first start after a reset', async () => {
    await startFar();
    reset();
    await GenServer.start({ module: logging('actor-loaded.mjs', { mark: log }) }, { thread: true });
    await eventually(() => readFileSync(log).length > 1);
    expect(readFileSync(log, 'utf8')).toBe('..');
  });
});
