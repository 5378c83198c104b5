/** Libraries that take something away that the system has, see `__test__/shims`. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from './child';

/** The environment that loads a shim; `undefined` where it cannot be built, which is said aloud. Where CI is set, it must be there. */
export function shimEnv(name: string): NodeJS.ProcessEnv | undefined {
  const built = spawnSync(process.execPath, [join(ROOT, 'scripts', 'shims.mjs'), name], { encoding: 'utf8' });
  if (built.status === 0) return { LD_PRELOAD: built.stdout.trim() };
  if (!['', '0', 'false'].includes(process.env['CI'] ?? '') && process.platform === 'linux')
    throw new Error(built.stderr);
  process.stderr.write(`skipped: ${built.stderr}`);
  return undefined;
}
