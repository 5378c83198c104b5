/** How much work a tree is, before it is done: a second walk that looks at sizes and reads no file. */
import { lstat } from 'node:fs/promises';
import { walk } from './walk';

/** Sizes that are asked for at the same time. */
const GROUP = 64;

/** Files of a tree and their bytes. */
export interface TreeTotal {
  files: number;
  bytes: number;
}

/** Counts the files below `root`, the file `except` left out; `undefined` if `signal` came first. */
export async function countTree(
  root: string,
  except: string,
  signal: AbortSignal,
): Promise<TreeTotal | undefined> {
  const total = { files: 0, bytes: 0 };
  let group: string[] = [];
  const flush = async (): Promise<void> => {
    total.files += group.length;
    for (const size of await Promise.all(group.map(sizeOf))) total.bytes += size;
    group = [];
  };
  for await (const entry of walk(root, signal)) {
    if (entry.kind !== 'file' || entry.absolute === except) continue;
    group.push(entry.absolute);
    if (group.length === GROUP) await flush();
  }
  await flush();
  return signal.aborted ? undefined : total;
}

/** Bytes of a file; a file that is gone has none. */
function sizeOf(path: string): Promise<number> {
  return lstat(path).then(
    ({ size }) => size,
    () => 0,
  );
}
