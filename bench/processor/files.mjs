/**
 * Real files: SHA-256, gzip and lines of the project's own `node_modules`, read from the page cache by both sides.
 *
 * The files are the first ones of a sorted walk that leaves links alone, up to 2,000 files or 64 MB. Both sides compress at level 6; the
 * compressed sizes differ by the libraries, and both are printed.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { TrillionProcessor } from '../../index.js';
import { measure } from '../lib/measure.mjs';

const ROOT = fileURLToPath(new URL('../../node_modules', import.meta.url));
const MOST_FILES = 2000;
const MOST_BYTES = 64e6;
const ROUNDS = 5;
const LINE_FEED = 10;

export async function run() {
  const paths = [];
  let bytes = 0;
  for (const path of walk(ROOT)) {
    const { size } = statSync(path);
    if (paths.length === MOST_FILES || bytes + size > MOST_BYTES) break;
    paths.push(path);
    bytes += size;
  }
  const expected = paths.map(examine);
  const processor = new TrillionProcessor();
  await processor.initialize();

  const check = (infos) => {
    const wrong = infos.findIndex(({ sha256, size, lines }, index) => {
      const right = expected[index];
      return sha256 !== right.sha256 || size !== right.size || lines !== right.lines;
    });
    if (wrong >= 0 || infos.length !== paths.length) throw new Error(`wrong result for ${paths[wrong]}`);
    return bytes / 1e6;
  };
  const byOperation = async (operation, items) => {
    const tasks = items.map((data) => ({ operation, data }));
    const outcomes = await processor.results(await processor.addTasks(tasks));
    return outcomes.map(({ result, error }) => {
      if (error !== undefined) throw error;
      return result;
    });
  };

  const native = await byOperation('file-info', paths);
  const buffers = paths.map((path) => readFileSync(path));
  const zipped = await byOperation('gzip', buffers);
  zipped.forEach((data, index) => {
    if (!gunzipSync(data).equals(buffers[index])) throw new Error(`gzip damaged ${paths[index]}`);
  });
  console.log(
    `\n${paths.length} files, ${(bytes / 1e6).toFixed(1)} MB; as gzip ${megabytesOfGzip(native)} MB by ours, ` +
      `${megabytesOfGzip(expected)} MB by node:zlib`,
  );

  await measure({
    title: 'Read, SHA-256, gzip and lines of real files',
    rounds: ROUNDS,
    baseline: 'node:crypto and node:zlib, one thread',
    bar: 1.8,
    unit: 'MB',
    cases: [
      { name: 'file-info', run: async () => check(await byOperation('file-info', paths)) },
      { name: 'node:crypto and node:zlib, one thread', run: () => check(paths.map(examine)) },
    ],
  });

  const sizes = zipped.map(({ length }) => length);
  const checkBuffers = (digests, lengths, right) => {
    if (digests.some((digest, i) => digest !== expected[i].sha256)) throw new Error('a digest is wrong');
    if (lengths.some((length, i) => length !== right(i))) throw new Error('a compressed size is wrong');
    return bytes / 1e6;
  };
  await measure({
    title: 'SHA-256 and gzip of the same files as buffers in memory',
    rounds: ROUNDS,
    baseline: 'node:crypto and node:zlib, one thread',
    bar: 1.8,
    unit: 'MB',
    cases: [
      {
        name: 'sha256 and gzip',
        run: async () => {
          const [digests, compressed] = await Promise.all([
            byOperation('sha256', buffers),
            byOperation('gzip', buffers),
          ]);
          return checkBuffers(
            digests,
            compressed.map(({ length }) => length),
            (i) => sizes[i],
          );
        },
      },
      {
        name: 'node:crypto and node:zlib, one thread',
        run: () => {
          const digests = buffers.map((data) => createHash('sha256').update(data).digest('hex'));
          const lengths = buffers.map((data) => gzipSync(data).length);
          return checkBuffers(digests, lengths, (i) => expected[i].gzipSize);
        },
      },
    ],
  });
  await processor.shutdown();
}

/** What `file-info` tells of a file, by Node's own means. */
function examine(path) {
  const data = readFileSync(path);
  let lines = 0;
  for (let at = data.indexOf(LINE_FEED); at >= 0; at = data.indexOf(LINE_FEED, at + 1)) lines++;
  if (data.length > 0 && data.at(-1) !== LINE_FEED) lines++;
  const sha256 = createHash('sha256').update(data).digest('hex');
  return { path, size: data.length, sha256, gzipSize: gzipSync(data).length, lines };
}

function megabytesOfGzip(infos) {
  return (infos.reduce((sum, { gzipSize }) => sum + gzipSize, 0) / 1e6).toFixed(1);
}

function* walk(folder) {
  const entries = readdirSync(folder, { withFileTypes: true });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else if (entry.isFile()) yield path;
  }
}
