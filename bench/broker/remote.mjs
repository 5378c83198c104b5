/** Functions that are called in another process or thread: one at a time, errors come back as errors. */
import { countChild } from '../lib/other-load.mjs';

/** The caller's end. */
export class Remote {
  #post;
  #pending;

  /**
   * @param {import('node:child_process').ChildProcess | import('node:worker_threads').Worker} target
   * @param {(message: unknown) => void} post Sends it a message.
   */
  constructor(target, post) {
    this.#post = post;
    target.on('message', ({ value, error, seconds }) => {
      countChild(seconds);
      this.#settle(error === undefined ? undefined : new Error(error), value);
    });
    target.on('error', (error) => this.#settle(error));
    target.on('exit', (code) => this.#settle(new Error(`a process of the bench ended with ${code}`)));
  }

  /** What `command` returns there. */
  call(command, ...args) {
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
      this.#post([command, ...args]);
    });
  }

  /** Without a call that waits, nobody is to be told: it ended when it was asked to. */
  #settle(error, value) {
    const pending = this.#pending;
    this.#pending = undefined;
    if (error === undefined) pending?.resolve(value);
    else pending?.reject(error);
  }
}

/**
 * The other end: answers calls with these functions, and tells the processor time since the last answer.
 *
 * @param {Record<string, (...args: any[]) => unknown>} commands
 * @param {import('node:events').EventEmitter} source Where messages come from.
 * @param {(message: unknown) => void} post Answers.
 */
export function answerCalls(commands, source, post) {
  let reported = 0;
  const seconds = () => {
    const { user, system } = process.cpuUsage();
    const all = (user + system) / 1e6;
    const since = all - reported;
    reported = all;
    return since;
  };
  const answer = async ([command, ...args]) => {
    try {
      post({ value: await commands[command](...args), seconds: seconds() });
    } catch (error) {
      post({ error: error.stack, seconds: seconds() });
    }
  };
  source.on('message', (call) => void answer(call));
}
