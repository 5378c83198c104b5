/**
 * The registry: processes by name. A name belongs to one running process, a process may have several, and all of them are gone when it ends, before
 * anybody else hears of that end. `setRemoteNames` connects
 * the names of this thread with those of others.
 */
import { describe } from '../options';
import { AlreadyRegisteredError, NotRegisteredError, ServerNotRunningError } from './errors';
import { connectThreads, findProcess, isLocal, watchEnds } from './processes';
import { onReset } from './resets';
import { addTo, removeFrom } from './set-index';
import { idOf, options } from './settings';
import type { GenServerRef, Ref } from './types';

/** The names of all threads. */
export interface RemoteNames {
  /** Gives a name to a process of any thread: 0 given, 1 another has it, 2 there is no such process. */
  give(name: string, id: string): number;
  /**
   * Takes a name away, whichever thread's process has it; one that nobody has is no error.
   * @param mine the process of this thread that has it, as far as this thread knows
   */
  take(name: string, mine: string | undefined): void;
  /** The id of the process that has a name. */
  whereis(name: string): string | undefined;
  /** All names, in the order in which they were given. */
  all(): readonly string[];
  /** How many names there are. */
  count(): number;
}

const TAKEN = 1;
const NO_PROCESS = 2;

/** The names of the processes of this thread. */
const names = new Map<string, Ref>();
/** The names of each process of this thread, by its id. */
const byId = new Map<string, Set<string>>();
let remote: RemoteNames | undefined;

/** Connects the names of this thread with those of others, and tells them those given so far. */
export function setRemoteNames(given: RemoteNames): void {
  remote = given;
  for (const [name, ref] of names) remote.give(name, ref.id);
}

/**
 * Gives a running process a name.
 *
 * @throws AlreadyRegisteredError where a process has that name
 * @throws ServerNotRunningError where the process is not running
 */
function register(name: string, ref: Ref): void {
  options.text('name', name);
  const id = idOf(ref);
  if (isRegistered(name)) throw new AlreadyRegisteredError(name);
  if (!findProcess(id)?.isRunning()) throw new ServerNotRunningError(id);
  const given = remote?.give(name, id);
  if (given === TAKEN) throw new AlreadyRegisteredError(name);
  if (given === NO_PROCESS) throw new ServerNotRunningError(id);
  if (!isLocal(id)) return;
  names.set(name, ref);
  addTo(byId, id, name);
}

/**
 * The reference that was registered under a name.
 *
 * @throws NotRegisteredError where no process has it
 */
// The types cannot be derived from a name: who looks it up says them, and without them every message is allowed.
// oxlint-disable-next-line typescript/no-explicit-any, typescript/no-unnecessary-type-parameters
function lookup<State = unknown, CallMsg = any, CastMsg = any, CallReply = unknown>(
  name: string,
): GenServerRef<State, CallMsg, CastMsg, CallReply> {
  const ref = whereis<State, CallMsg, CastMsg, CallReply>(name);
  if (ref === undefined) throw new NotRegisteredError(isName(name) ? name : describe(name));
  return ref;
}

/** As `lookup`, but `undefined` where no process has that name; none has one that is no string. */
// oxlint-disable-next-line typescript/no-explicit-any, typescript/no-unnecessary-type-parameters
function whereis<State = unknown, CallMsg = any, CastMsg = any, CallReply = unknown>(
  name: string,
): GenServerRef<State, CallMsg, CastMsg, CallReply> | undefined {
  const ref = names.get(name);
  if (ref !== undefined || !isName(name)) return ref;
  connectThreads();
  const id = remote?.whereis(name);
  return id === undefined ? undefined : { id };
}

/** Takes a name away; one that nobody has is no error. */
function unregister(name: string): void {
  if (!isName(name)) return;
  const id = names.get(name)?.id;
  connectThreads();
  remote?.take(name, id);
  if (id !== undefined) forgetName(name, id);
}

/** A process of this thread has lost a name. */
export function forgetName(name: string, id: string): void {
  if (names.get(name)?.id !== id) return;
  names.delete(name);
  removeFrom(byId, id, name);
}

/** The native table of names takes nothing else. */
function isName(name: unknown): name is string {
  return typeof name === 'string';
}

/** Whether a process has that name. */
function isRegistered(name: string): boolean {
  return whereis(name) !== undefined;
}

/** All names, in the order of their registration. */
function getNames(): string[] {
  connectThreads();
  return [...(remote?.all() ?? names.keys())];
}

/** How many names there are. */
function count(): number {
  connectThreads();
  return remote?.count() ?? names.size;
}

/** The names that a process of this thread has, in the order of their registration. */
function namesOf(id: string): readonly string[] {
  return [...(byId.get(id) ?? [])];
}

watchEnds((id) => {
  // The table of all threads has freed them.
  for (const name of namesOf(id)) forgetName(name, id);
});
onReset(() => {
  for (const name of names.keys()) unregister(name);
});

export const Registry = { register, lookup, whereis, unregister, isRegistered, getNames, count } as const;
