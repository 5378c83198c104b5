/**
 * The table of all processes that this thread knows: servers and supervisors by id. Through `setRemoteProcesses` those of other threads are found as if they were here.
 *
 * The end of a process is told in this order: the table forgets it, those who watch all ends are told (names, monitors, timers), its links break, then its
 * own `onEnd` listeners are told, then comes the lifecycle event `terminated`.
 */
import { threadId } from 'node:worker_threads';
import { isShared, NOWHERE, setSlotSource, shareSlot, type SlotSource } from './counters';
import { onReset } from './resets';
import type { ExitReason, ExitSignal, LinkRef, Ref } from './types';

/** A server or a supervisor, in this thread or standing in for one in another. */
export interface Process {
  readonly id: string;
  readonly kind: 'server' | 'supervisor';
  readonly ref: Ref;
  /** Its slot of `counters.ts`; moved by `addProcess`, so read it anew each time. */
  slot: number;
  isRunning(): boolean;
  /** Ends it in order, behind all that waits in its mailbox; resolves when it is down. */
  stop(reason: ExitReason): Promise<void>;
  /** Ends it at once and synchronously. */
  kill(reason: ExitReason): void;
  /**
   * Calls `listener` synchronously once when the process has ended, after its own cleanup and before the event `terminated`; returns what takes the listener
   * back.
   */
  onEnd(listener: (reason: ExitReason) => void): () => void;
}

/** A process that takes messages. */
export interface ServerProcess extends Process {
  readonly kind: 'server';
  /** @param timeout milliseconds, or `Infinity` */
  call(message: unknown, timeout: number): Promise<unknown>;
  cast(message: unknown): void;
}

/** A server of this thread. */
export interface OwnServer extends ServerProcess {
  /**
   * A call that has come from another thread. Where the reply is there at once, it is given to `answers` at once, and nothing is returned; else a
   * promise of it.
   */
  answer(message: unknown, timeout: number, ticket: number, answers: Answers): Promise<unknown> | undefined;
  /** A cast that has come from another thread. */
  deliver(message: unknown): void;
  /** Tells of a message that could not be handled and whose sender is not there to be thrown at. */
  report(error: Error, message: unknown): void;
  /** A linked process has ended: takes that as a message where it traps exits, else ends at once. */
  exit(signal: ExitSignal): void;
}

/** A process of this thread. */
export type OwnProcess = OwnServer | (Process & { readonly kind: 'supervisor' });

/** Takes the answers to calls from another thread, told apart by their tickets. */
export interface Answers {
  reply(ticket: number, value: unknown): void;
  failed(ticket: number, error: unknown): void;
}

/** What a thread must know of the processes of others. */
export interface RemoteProcesses {
  /** A stand-in for the process, where another thread has it. */
  find(id: string): Process | undefined;
  /** A process of this thread has ended. */
  removed(id: string, reason: ExitReason): void;
  /** The threads of the two processes, where they are others, are to know a link, or to forget it. */
  link(link: LinkRef): void;
  unlink(link: LinkRef): void;
}

/** Told of the end of every process of this thread, and of those of others that `noticeEnd` was called for. */
export type EndWatcher = (id: string, reason: ExitReason) => void;

const processes = new Map<string, OwnProcess>();
const noticed = new Set<string>();
const endWatchers: EndWatcher[] = [];
let breakLinks: EndWatcher | undefined;
const counts = new Map<string, number>();
const thread = threadId === 0 ? '' : `t${threadId.toString(36)}`;
let remote: RemoteProcesses | undefined;
let connect: (() => void) | undefined;
let stampedAt = -1;
let stamp = '';
/** The latest time that an id has had. */
let latest = -1;
/** No id has an earlier time: those from before the last reset do. */
let earliest = 0;

/** The process of this id: of this thread, or of another. */
export function findProcess(id: string): Process | undefined {
  return processes.get(id) ?? findRemote(id);
}

/** The server of this id, of this thread or of another; a supervisor is none. */
export function findServer(id: string): ServerProcess | undefined {
  const found = processes.get(id) ?? findRemote(id);
  return found !== undefined && isServer(found) ? found : undefined;
}

/** Whether a process takes messages. */
function isServer(process: Process): process is ServerProcess {
  return process.kind === 'server';
}

/** The process of this id of this thread. */
export function findLocal(id: string): OwnProcess | undefined {
  return processes.get(id);
}

/** The server of this id of this thread. */
export function findLocalServer(id: string): OwnServer | undefined {
  const found = processes.get(id);
  return found?.kind === 'server' ? found : undefined;
}

/** Whether a process of this thread has this id. */
export function isLocal(id: string): boolean {
  return processes.has(id);
}

/** What this thread knows of others; `undefined` where it is not connected with any. */
export function remoteProcesses(): RemoteProcesses | undefined {
  connectThreads();
  return remote;
}

/** Makes a process of this thread known. */
export function addProcess(process: OwnProcess): void {
  connectThreads();
  processes.set(process.id, process);
  process.slot = shareSlot(process.slot, process.id);
}

/** Forgets a process of this thread that has ended and tells those who watch all ends. */
export function removeProcess(id: string, reason: ExitReason): void {
  const process = processes.get(id);
  if (process === undefined) return;
  processes.delete(id);
  if (isShared(process.slot)) process.slot = NOWHERE;
  remote?.removed(id, reason);
  tellEnd(id, reason);
}

/** Adds one who is told of ends; for good. */
export function watchEnds(watcher: EndWatcher): void {
  endWatchers.push(watcher);
}

/** Sets who ends the linked processes: told when all others know of an end. */
export function setLinkBreaker(breaker: EndWatcher): void {
  breakLinks = breaker;
}

/** Sees to it that those who watch ends are told of that of `process`, wherever it runs. */
export function noticeEnd(process: Process): void {
  const { id } = process;
  if (processes.has(id) || noticed.has(id)) return;
  noticed.add(id);
  process.onEnd((reason) => {
    noticed.delete(id);
    tellEnd(id, reason);
  });
}

/** All processes of this thread, in the order of their start. */
export function allProcesses(): Iterable<OwnProcess> {
  return processes.values();
}

/** Lets `open` run before the first process starts, or a process or name is looked for in vain: it may connect this thread with others. */
export function onFirstUse(open: () => void): void {
  connect = open;
}

/** Connects this thread with the processes of others; the counters of all processes of this thread move to `slots`. */
export function setRemoteProcesses(given: RemoteProcesses, slots: SlotSource): void {
  remote = given;
  setSlotSource(slots);
  for (const process of processes.values()) process.slot = shareSlot(process.slot, process.id);
}

/**
 * A new id, `<prefix>_<n>_<time in base 36>`; in a worker the time is followed by `t` and the thread's number, so that no two threads of a program make
 * the same. After a reset `n` counts from 1 again, with later times.
 */
export function nextId(prefix: string): string {
  const count = (counts.get(prefix) ?? 0) + 1;
  counts.set(prefix, count);
  const now = Math.max(Date.now(), earliest);
  if (now !== stampedAt) {
    stampedAt = now;
    if (now > latest) latest = now;
    stamp = now.toString(36) + thread;
  }
  return `${prefix}_${count}_${stamp}`;
}

function findRemote(id: string): Process | undefined {
  connectThreads();
  return remote?.find(id);
}

/** Connects this thread with others, where that has not been done and something is there to do it: see `onFirstUse`. */
export function connectThreads(): void {
  if (connect === undefined) return;
  const open = connect;
  connect = undefined;
  open();
}

function tellEnd(id: string, reason: ExitReason): void {
  for (const watcher of endWatchers) watcher(id, reason);
  breakLinks?.(id, reason);
}

onReset(() => {
  counts.clear();
  earliest = latest + 1;
});
