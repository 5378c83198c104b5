/**
 * Serves what other threads ask of the processes of this one.
 */
import { Failure } from '../../bridge/payload';
import { CallTimeoutError, ServerNotRunningError, toError } from '../errors';
import { reportFault } from '../lifecycle';
import { findProcess, findServer, type ServerProcess } from '../processes';
import { Registry } from '../registry';
import { type Message, Op } from './batch';
import type { Directory } from './directory';
import { decodeReason, type WireReason } from './faults';
import type { Desk } from './office';
import type { Route } from './route';

/** What a worker and its owner tell each other besides. */
export interface Placements {
  /** A worker is ready, see `placement.ts`. */
  ready(ticket: number, from: Route): void;
  /** A server is to be started, see `worker.ts`. */
  start(ticket: number, order: unknown, from: Route): void;
}

export class FrontDesk implements Desk {
  directory!: Directory;
  placements: Partial<Placements> = {};

  take(from: Route, message: Message): void {
    const { op, target, ticket, value, reason } = message;
    switch (op) {
      case Op.call:
        this.#call(from, target, ticket, message.timeout, message.fullTimeout, value);
        break;
      case Op.cast:
        this.#cast(target, value);
        break;
      case Op.exit:
        this.#exit(target, value as [from: string, reason: WireReason]);
        break;
      case Op.stop:
        void this.#stop(from, target, ticket, reason);
        break;
      case Op.kill:
        findProcess(target)?.kill(decodeReason(reason));
        break;
      case Op.watch:
        this.directory.watch(target, from);
        break;
      case Op.ended:
        this.directory.ended(target, decodeReason(reason));
        break;
      case Op.ready:
        this.placements.ready?.(ticket, from);
        break;
      case Op.start:
        this.placements.start?.(ticket, value, from);
        break;
      case Op.unregister:
        Registry.unregister(String(value));
        break;
    }
  }

  gone(office: number): void {
    this.directory.gone(office);
  }

  #call(
    from: Route,
    target: string,
    ticket: number,
    timeout: number,
    fullTimeout: number,
    value: unknown,
  ): void {
    const server = findServer(target);
    if (server === undefined) {
      from.failed(ticket, new ServerNotRunningError(target));
    } else if (value instanceof Failure) {
      from.failed(ticket, value.error);
    } else if (timeout <= 0) {
      // It has waited all its time for this thread, and nobody waits for the reply any more.
      from.failed(ticket, new CallTimeoutError(target, fullTimeout));
    } else {
      server.answer(value, timeout, ticket, from)?.then(
        (reply) => from.reply(ticket, reply),
        (error: unknown) => from.failed(ticket, asGiven(error, target, timeout, fullTimeout)),
      );
    }
  }

  #cast(target: string, value: unknown): void {
    const server = findServer(target);
    if (server === undefined) return; // it has ended while the message was on its way
    if (value instanceof Failure) {
      reportFault(server.ref, value.error, undefined, true);
      return;
    }
    try {
      server.cast(value);
    } catch (error) {
      this.#refused(server, error, value);
    }
  }

  /** Whoever sent the cast is not there any more to be thrown at. */
  #refused(server: ServerProcess, error: unknown, message: unknown): void {
    if (!(error instanceof ServerNotRunningError)) reportFault(server.ref, toError(error), message, false);
  }

  #exit(target: string, [from, reason]: [from: string, reason: WireReason]): void {
    findServer(target)?.exit({
      type: 'EXIT',
      from: { id: from, nodeId: 'local' },
      reason: decodeReason(reason),
    });
  }

  async #stop(from: Route, target: string, ticket: number, reason: WireReason): Promise<void> {
    try {
      await findProcess(target)?.stop(decodeReason(reason));
      from.reply(ticket, undefined);
    } catch (error) {
      from.failed(ticket, error);
    }
  }
}

/** A timeout is told with the time that the caller gave, not with what the way had left of it. */
function asGiven(error: unknown, target: string, timeout: number, fullTimeout: number): unknown {
  const own = error instanceof CallTimeoutError && error.serverId === target && error.timeoutMs === timeout;
  return own ? new CallTimeoutError(target, fullTimeout) : error;
}
