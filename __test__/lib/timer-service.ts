/** What the specs of timer services share: a storage, a target, and the time, which passes when it is told to. */
import { GenServer, type GenServerRef, type PersistedState, type StorageAdapter } from '../../dist/actor';
import { settled } from './supervised';

/** When a test begins. */
export const NOW = 1_000_000;

/** A storage of records; `failing` makes an operation reject. */
export class Storage implements StorageAdapter {
  readonly records = new Map<string, PersistedState<unknown>>();
  readonly failing = new Set<'save' | 'load' | 'delete' | 'listKeys'>();
  readonly done: string[] = [];

  async save(key: string, data: PersistedState<unknown>): Promise<void> {
    this.#check('save');
    this.records.set(key, structuredClone(data));
  }
  async load<T>(key: string): Promise<PersistedState<T> | undefined> {
    this.#check('load');
    return this.records.get(key) as PersistedState<T> | undefined;
  }
  async delete(key: string): Promise<boolean> {
    this.#check('delete');
    return this.records.delete(key);
  }
  async listKeys(prefix = ''): Promise<string[]> {
    this.#check('listKeys');
    return [...this.records.keys()].filter((key) => key.startsWith(prefix));
  }
  #check(what: 'save' | 'load' | 'delete' | 'listKeys'): void {
    this.done.push(what);
    if (this.failing.has(what)) throw new Error(`${what} failed`);
  }
}

/** A server that notes its casts, each with the time since the beginning. */
export async function target(
  name?: string,
): Promise<{ ref: GenServerRef<null, 'x', string>; got: string[] }> {
  const got: string[] = [];
  const ref = await GenServer.start(
    {
      init: () => null,
      handleCall: (_message: 'x', state) => [null, state] as const,
      handleCast: (message: string, state) => {
        got.push(`${message} ${Date.now() - NOW}`);
        return state;
      },
    },
    name === undefined ? {} : { name },
  );
  return { ref, got };
}

/** Lets milliseconds pass, and what follows from them. */
export async function pass(ms: number): Promise<void> {
  await jest.advanceTimersByTimeAsync(ms);
  await settled();
}
