/** The packages of this repository besides the core: the facades in `packages/`, the platform packages in `npm/`. */
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { readJson, root } from './tools.mjs';

/** The folders below `npm/` or `packages/`, as paths from the project's folder. */
export function packageFolders(parent) {
  const entries = readdirSync(join(root, parent), { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => `${parent}/${name}`);
}

/** The name of the platform package for this machine, without the scope and the core's name: `linux-x64-gnu`. */
export function currentPlatform() {
  process.report.excludeNetwork = true; // else the report waits for the names of all network peers
  const libc = process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl';
  const folder = packageFolders('npm').find((candidate) => {
    const { os, cpu, libc: libcs = [libc] } = readJson(join(candidate, 'package.json'));
    return os.includes(process.platform) && cpu.includes(process.arch) && libcs.includes(libc);
  });
  return folder && basename(folder);
}
