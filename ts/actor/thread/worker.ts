/**
 * The entry of a worker thread: it says that it is ready, starts the one server it is for, and ends when that has ended and nothing else keeps it alive.
 */
import { join } from 'node:path';
import { setTimeout } from 'node:timers';
import { pathToFileURL } from 'node:url';
import { workerData } from 'node:worker_threads';
import { allProcesses, findProcess } from '../processes';
import { GenServer } from '../gen-server';
import { ServerNotRunningError } from '../errors';
import type { ExitReason, GenServerBehavior, GenServerOptions } from '../types';
import { workerDied } from './directory';
import { decodeReason, encodeReason } from './faults';
import { type BehaviorSource, loadBehavior } from './modules';
import type { StartOrder } from './placement';
import type { Route } from './route';
import { connect } from './threads';
import type { WorkerData } from './worker-thread';

const { office: owner, ticket: ownTicket, preload, order: hasOrder } = workerData as WorkerData;
const { office, desk, directory } = connect();
office.bridge.native.actorOwned(office.number, owner);

// The thread lives as long as its server: until then it waits for work.
office.bridge.retain(office);

/**
 * So long the thread stays after the end of its server, in milliseconds: taking a thread down costs about as much as starting a server in the next one, and
 * a supervisor that does so now goes first.
 */
const LINGER_MS = 50;

/** What ends this thread, if an error does that nobody catches. */
let uncaught: unknown;
process.on('uncaughtExceptionMonitor', (error) => {
  if (process.listenerCount('uncaughtException') === 0) uncaught = error;
});

const IDLE: BehaviorSource = {
  url: pathToFileURL(join(__dirname, 'idle-behavior.js')).href,
  export: 'idle',
  args: [],
};

async function startServer(source: BehaviorSource, options: GenServerOptions): Promise<string> {
  const behavior = (await loadBehavior(source)) as GenServerBehavior<unknown, unknown, unknown, unknown>;
  const { id } = await GenServer.start(behavior, options);
  return id;
}

/** Starts a server, asks it and lets it fail, all by way of its own office: what a start and an end need is then loaded and compiled. */
async function warmUp(): Promise<void> {
  desk.placements.start = (ticket, order, from) => {
    const { source, options } = order as StartOrder;
    void startServer(source, options).then((id) => from.reply(ticket, id));
  };
  const route = office.route(office.number);
  const ask = <Reply>(send: (ticket: number) => void): Promise<Reply> =>
    new Promise((resolve, reject) => {
      const lost = (): void => reject(new Error('the thread ends'));
      send(office.expect({ route, resolve: (reply) => resolve(reply as Reply), reject, lost }));
    });
  const id = await ask<string>((ticket) =>
    route.start(ticket, { source: IDLE, options: { onError: 'crash' } }),
  );
  await ask((ticket) => route.call(id, ticket, Infinity, 'ask'));
  const ended = new Promise((resolve) => findProcess(id)!.onEnd(resolve));
  route.cast(id, new Error('a fault'));
  decodeReason(encodeReason((await ended) as ExitReason));
}

async function beReady(): Promise<void> {
  await warmUp();
  desk.placements.start = (ticket, order, from) => void start(ticket, order as StartOrder, from);
  office.route(owner).ready(ownTicket);
  if (preload === undefined) return;
  try {
    await import(preload);
  } catch {
    // Whoever starts a server of it is told.
  }
}

async function start(ticket: number, { source, options }: StartOrder, from: Route): Promise<void> {
  Atomics.store(hasOrder, 0, 1);
  try {
    const id = await startServer(source, options);
    const server = findProcess(id);
    if (server === undefined) throw new ServerNotRunningError(id);
    directory.watch(id, from);
    server.onEnd(leave);
    process.on('exit', tellEnds);
    from.reply(ticket, id);
  } catch (error) {
    from.failed(ticket, error);
    leave();
  }
}

/** The thread ends, maybe under its server: that is told before it is taken down, and after the listeners that were there when the server started. */
function tellEnds(): void {
  for (const { id } of allProcesses()) directory.removed(id, workerDied(id, uncaught));
  office.lastTurn();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LINGER_MS);
}

function leave(): void {
  setTimeout(() => office.bridge.release(office), LINGER_MS);
}

void beReady();
