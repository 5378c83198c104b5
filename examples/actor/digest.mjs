// Digests of all files of a folder, by workers that do not survive it:
//
//   node examples/actor/digest.mjs [DIR] [WORKERS]        default: the sources of this project, 3
//
// A dispatcher in this thread hands out files; workers on threads of their own read them. Every 40th file makes its worker throw, end its thread, or
// loop for ever. Whoever falls is started again by the supervisor, the file is tried again, and in the end no file is missing.
//
//   digest (application)
//     rest_for_one ---- dispatcher
//                  `--- workers: one_for_one ---- digester 1, digester 2, ... each on its thread

import { opendir } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Application, GenServer, Registry, Supervisor } from '@noizylab/core/actor';
import { dispatcher } from './dispatcher.mjs';

const FAULTS = ['throw', 'exit', 'hang'];
const FAULT_EVERY = 40;
const DIGESTER = new URL('digester.mjs', import.meta.url);
const SOURCES = fileURLToPath(new URL('../../ts', import.meta.url));

/** All files below a folder; links are not followed. */
async function* filesBelow(folder) {
  for await (const entry of await opendir(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile()) yield path;
  }
}

/** The files with their faults: of every 40 files the last one has one. */
async function tasksOf(folder) {
  const tasks = [];
  for await (const path of filesBelow(folder)) {
    const number = tasks.length + 1;
    const fault = number % FAULT_EVERY === 0 ? FAULTS[(number / FAULT_EVERY) % FAULTS.length] : undefined;
    tasks.push({ path, fault });
  }
  return tasks;
}

function startDispatcher(tasks) {
  return GenServer.start(dispatcher(tasks), { name: 'dispatcher' });
}

/** A worker says for itself that it is there: at its first start and after each restart. */
async function startDigester() {
  const worker = await GenServer.start({ module: DIGESTER }, { thread: true, onError: 'crash' });
  GenServer.cast(Registry.lookup('dispatcher'), { type: 'ready', worker });
  return worker;
}

function startWorkers(count) {
  return Supervisor.start({
    name: 'workers',
    restartIntensity: { maxRestarts: 100, withinMs: 1000 },
    children: Array.from({ length: count }, (_, n) => ({ id: `digester ${n + 1}`, start: startDigester })),
  });
}

const digest = Application.create({
  start: ({ tasks, workers }) =>
    Supervisor.start({
      strategy: 'rest_for_one',
      children: [
        { id: 'dispatcher', start: () => startDispatcher(tasks) },
        { id: 'workers', start: () => startWorkers(workers) },
      ],
    }),
});

function report(folder, { results, faults }) {
  for (const { path, error } of faults)
    console.log(`${relative(folder, path)}: ${error.name}, ${error.message}`);
  const restarts = Supervisor.getChildren(Registry.lookup('workers')).map(
    ({ id, restartCount }) => `${id} ${restartCount} times`,
  );
  console.log(`restarted: ${restarts.join(', ')}`);
  const read = [...results.values()].filter(({ error }) => error === undefined);
  const sum = (field) => read.reduce((total, result) => total + result[field], 0);
  const distinct = new Set(read.map(({ sha256 }) => sha256)).size;
  console.log(
    `${results.size} files, ${results.size - read.length} unreadable, ${read.length - distinct} copies`,
  );
  console.log(`${sum('size')} bytes, ${sum('lines')} lines`);
}

async function main(given = SOURCES, workers = '3') {
  const folder = resolve(given);
  Supervisor.onLifecycleEvent((event) => {
    if (event.type === 'restarted') console.log(`a worker was restarted as ${event.ref.id}`);
  });
  const tasks = await tasksOf(folder);
  const start = performance.now();
  // Ctrl+C stops it in good order, workers first.
  const config = { tasks, workers: Number(workers) };
  const application = await Application.start(digest, { name: 'digest', config });
  try {
    report(folder, await GenServer.call(Registry.lookup('dispatcher'), 'finished', { timeout: Infinity }));
    console.log(`${((performance.now() - start) / 1000).toFixed(2)} s`);
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  } finally {
    if (Application.isRunning(application)) await Application.stop(application);
  }
}

await main(...process.argv.slice(2));
