/**
 * Serves what other threads ask of the processes of this one.
 */
import { Failure } from '../../bridge/payload';
import { now } from '../clock';
import { CallTimeoutError, ServerNotRunningError, toError } from '../errors';
import { releaseLink } from '../links';
import { findLocalServer, findProcess } from '../processes';
import { forgetName } from '../registry';
import { type Message, Op } from './batch';
import type { Directory } from './directory';
import { decodeReason, type WireReason } from './faults';
import type { Desk } from './office';
import type { Route, WireLink } from './route';

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
        this.#call(from, target, ticket, message, value);
        break;
      case Op.cast:
        this.#cast(target, value);
        break;
      case Op.link:
        this.directory.linked(value as WireLink);
        break;
      case Op.unlink:
        releaseLink((value as WireLink)[0]);
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
        forgetName(...(value as [name: string, id: string]));
        break;
    }
  }

  gone(office: number): void {
    this.directory.gone(office);
  }

  #call(from: Route, target: string, ticket: number, { timeout, sentAt }: Message, value: unknown): void {
    const server = findLocalServer(target);
    const left = sentAt + timeout - now();
    if (server === undefined) {
      from.failed(ticket, new ServerNotRunningError(target));
    } else if (value instanceof Failure) {
      from.failed(ticket, value.error);
    } else if (left <= 0) {
      // It has waited all its time for this thread, and nobody waits for the reply any more.
      from.failed(ticket, new CallTimeoutError(target, timeout));
    } else {
      // Whole milliseconds: calls of about the same time then share a timer.
      const wait = Math.ceil(left);
      server.answer(value, wait, ticket, from)?.then(
        (reply) => from.reply(ticket, reply),
        (error: unknown) => from.failed(ticket, asGiven(toError(error), target, wait, timeout)),
      );
    }
  }

  #cast(target: string, value: unknown): void {
    const server = findLocalServer(target);
    if (server === undefined) return; // it has ended while the message was on its way
    if (value instanceof Failure) {
      server.report(value.error, undefined);
      return;
    }
    try {
      server.deliver(value);
    } catch (error) {
      if (!(error instanceof ServerNotRunningError)) server.report(toError(error), value);
    }
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
function asGiven(error: Error, target: string, wait: number, timeout: number): Error {
  const own = error instanceof CallTimeoutError && error.serverId === target && error.timeoutMs === wait;
  return own ? new CallTimeoutError(target, timeout) : error;
}
