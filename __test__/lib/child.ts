/** Node processes of their own that have the package at hand. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** The folder of the package. There `@noizylab/core` and `@noizylab/parallel` resolve to what was built. */
export const ROOT = join(__dirname, '..', '..');

/** How a child ended, and what it said until then. */
export interface Ended {
  /** Exit code; null if a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** What it passed to `tell`, in order. */
  told: unknown[];
}

export interface ChildOptions {
  /** Options of Node itself, such as `--expose-gc`. */
  nodeArgs?: readonly string[];
  env?: NodeJS.ProcessEnv;
  /** Milliseconds after which a child that hangs is killed (its `signal` is then SIGKILL). Default: 20,000. */
  killAfter?: number;
  /** The Node to run. Default: the one of the tests. */
  node?: string;
}

/** A child that runs. */
export interface Child {
  readonly process: ChildProcess;
  /** Resolves when it has ended. */
  readonly ended: Promise<Ended>;
  /** Resolves to the first thing that it tells; rejects if it ends before. */
  readonly firstTold: Promise<unknown>;
}

/** Starts Node with these arguments in the folder of the package. */
export function startNode(args: readonly string[], options: ChildOptions = {}): Child {
  const child = spawn(options.node ?? process.execPath, [...(options.nodeArgs ?? []), ...args], {
    cwd: ROOT,
    env: { ...process.env, ...options.env },
    serialization: 'advanced',
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const ended: Ended = { code: null, signal: null, stdout: '', stderr: '', told: [] };
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (ended.stdout += text));
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (ended.stderr += text));
  child.on('message', (value) => ended.told.push(value));
  const killer = setTimeout(() => child.kill('SIGKILL'), options.killAfter ?? 20_000);
  const end = async (): Promise<Ended> => {
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    clearTimeout(killer);
    return { ...ended, code, signal };
  };
  const first = async (): Promise<unknown> => {
    const [value] = await Promise.race([
      once(child, 'message'),
      once(child, 'close').then(() => Promise.reject(new Error(`the child ended early: ${ended.stderr}`))),
    ]);
    return value as unknown;
  };
  const firstTold = first();
  firstTold.catch(() => {}); // most callers wait for the end alone
  return { process: child, ended: end(), firstTold };
}

/**
 * Starts `code`, the body of an async function, in a Node process of its own.
 * It sees the package as `core`, `require`, and `tell(value)`, which sends a cloneable value here.
 */
export function startChild(code: string, options?: ChildOptions): Child {
  const script = `const core = require(${JSON.stringify(ROOT)});
    const tell = (value) => new Promise((resolve) => process.send(value, resolve));
    (async () => { ${code}
    })();`;
  return startNode(['-e', script], options);
}

/** Runs code as `startChild` does, to its end. */
export function inChild(code: string, options?: ChildOptions): Promise<Ended> {
  return startChild(code, options).ended;
}

/** What `code` tells in a process that must end by itself, with code 0 and without a word on its output. */
export async function toldBy(code: string, options?: ChildOptions): Promise<unknown[]> {
  const { told, ...end } = await inChild(code, options);
  expect(end).toEqual({ code: 0, signal: null, stdout: '', stderr: '' });
  return told;
}
