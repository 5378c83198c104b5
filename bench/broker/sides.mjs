/** Servers and clients of the libraries, each in a process of its own. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { countChild } from '../lib/other-load.mjs';
import { LIBRARIES } from './libraries.mjs';
import { Remote } from './remote.mjs';

const PROCESS = fileURLToPath(new URL('process.mjs', import.meta.url));

/** A process that answers the calls of `process.mjs`. What libraries log to the standard output is not shown. */
class Process extends Remote {
  #child;

  constructor() {
    const child = fork(PROCESS, { execArgv: ['--expose-gc'], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    super(child, (message) => child.send(message));
    this.#child = child;
  }

  /** Ends it, with the server where it has one. */
  async stop() {
    countChild(await this.call('stop'));
    this.#child.disconnect();
  }
}

/** A library's server. */
export class Side {
  /** The server's process. */
  server = new Process();
  #path = '';
  #library;

  /** @param {string} library A name of `LIBRARIES`. */
  constructor(library) {
    this.#library = library;
  }

  get name() {
    return LIBRARIES[this.#library].name;
  }

  /** @param {object} [options] Of the server; by default its own defaults. */
  async start(options = {}) {
    this.#path = await this.server.call('start', this.#library, options);
    return this;
  }

  /** A new process with a client of this server, by default one of the same library. */
  async client(library = this.#library) {
    const client = new Process();
    await client.call('connect', library, this.#path);
    return client;
  }

  /** A client in the server's process. */
  async clientInside() {
    await this.server.call('connect', this.#library, this.#path);
    return this.server;
  }

  /** A client in a worker thread of the server's process: calls go there by `inThread`. */
  async clientInThread() {
    await this.server.call('inThread', 'connect', this.#library, this.#path);
    return this.server;
  }

  stop() {
    return this.server.stop();
  }
}

/** Starts a server of each of these libraries that is installed. */
export async function startSides(libraries, options) {
  const sides = {};
  for (const library of libraries) {
    if (await LIBRARIES[library].isInstalled()) sides[library] = await new Side(library).start(options);
  }
  return sides;
}
