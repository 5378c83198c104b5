/**
 * The entry of a worker thread: it says that it is ready, starts the one server it is for, and ends when that has ended and nothing else keeps it alive.
 */
import { join } from 'node:path';
import { setTimeout } from 'node:timers';
import { pathToFileURL } from 'node:url';
import { workerData } from 'node:worker_threads';
import { findProcess } from '../processes';
import { GenServer } from '../gen-server';
import { ServerNotRunningError } from '../errors';
import type { GenServerBehavior, GenServerOptions } from '../types';
import { workerDied } from './directory';
import { decodeReason, encodeReason } from './faults';
import { type BehaviorSource, loadBehavior } from './modules';
import type { StartOrder } from './placement';
import type { Route } from './route';
import { connect } from './threads';
import type { WorkerData } from './worker-thread';

const { office: owner, ticket: ownTicket, preload } = workerData as WorkerData;
const { office, desk, directory } = connect();

// The thread lives as long as its server: until then it waits for work.
office.bridge.retain(office);

/** So long the thread stays after the end of its server, in milliseconds. */
const LINGER_MS = 50;

const warmUp: BehaviorSource = {
  url: pathToFileURL(join(__dirname, 'idle-behavior.js')).href,
  export: 'idle',
  args: [],
};

async function startServer(source: BehaviorSource, options: GenServerOptions): Promise<string> {
  const behavior = (await loadBehavior(source)) as GenServerBehavior<unknown, unknown, unknown, unknown>;
  const { id } = await GenServer.start(behavior, options);
  return id;
}

async function beReady(): Promise<void> {
  const id = await startServer(warmUp, {});
  await GenServer.call({ id }, undefined);
  await GenServer.stop({ id }, decodeReason(encodeReason(workerDied(id))));
  office.route(owner).ready(ownTicket);
  if (preload === undefined) return;
  try {
    await import(preload);
  } catch {
    // Whoever starts a server of it is told.
  }
}

async function start(ticket: number, { source, options }: StartOrder, from: Route): Promise<void> {
  try {
    const id = await startServer(source, options);
    const server = findProcess(id);
    if (server === undefined) throw new ServerNotRunningError(id);
    directory.watch(id, from);
    server.onEnd(leave);
    // The last that is heard of a thread that does not catch an error: what it was.
    process.once('uncaughtExceptionMonitor', (error) => {
      from.ended(id, encodeReason(workerDied(id, error)));
      from.flush();
    });
    from.reply(ticket, id);
  } catch (error) {
    from.failed(ticket, error);
    leave();
  }
}

/** Taking a thread down costs about as much as starting a server in the next one: a supervisor that does so now goes first. */
function leave(): void {
  setTimeout(() => office.bridge.release(office), LINGER_MS);
}

desk.placements.start = (ticket, order, from) => void start(ticket, order as StartOrder, from);
void beReady();
