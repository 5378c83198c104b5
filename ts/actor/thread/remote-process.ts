/**
 * A process of another thread, as this thread sees it: what is asked of it is sent there. It knows of the end of the process when its thread has told, or
 * has ended itself; before that the table of all processes says whether a message can still arrive.
 */
import {
  BOUND,
  NOWHERE,
  openSlot,
  QUEUE,
  readCounter,
  STARTED_AT,
  STATUS,
  STATUS_STOPPED,
  STATUS_STOPPING,
} from '../counters';
import { AwaitedReply } from '../deadlines';
import { CallTimeoutError, MailboxFullError, ServerNotRunningError } from '../errors';
import type { Process } from '../processes';
import type { ExitReason, Ref } from '../types';
import { encodeReason } from './faults';
import type { Office } from './office';
import type { Route } from './route';
import type { Awaiting } from './tickets';
import { UnderWay } from './under-way';

/** Who knows all of them. */
export interface RemoteOwner {
  /** It was killed from here. */
  killed(process: RemoteProcess, reason: ExitReason): void;
}

/** A call that waits for its reply from another thread. */
class RemoteCall extends AwaitedReply implements Awaiting {
  /** V8 drops what it has compiled for objects of one shape when a full collection finds none of them: there is always one. */
  static readonly kept = new RemoteCall(undefined as unknown as RemoteProcess);

  ticket = 0;

  constructor(private readonly process: RemoteProcess) {
    super();
  }

  get route(): Route {
    return this.process.route;
  }

  lost(): void {
    this.reject(new ServerNotRunningError(this.process.id));
  }

  protected expired(timeout: number): Error {
    this.process.office.forget(this.ticket);
    return new CallTimeoutError(this.process.id, timeout);
  }
}

export class RemoteProcess implements Process {
  readonly ref: Ref;
  /** Supervisors of other threads can be watched, stopped and killed; they take no messages. */
  readonly kind: Process['kind'];
  slot: number;
  #listeners: readonly ((reason: ExitReason) => void)[] = [];
  #ended = false;
  /** What is under way to it, where its mailbox has a bound. */
  #underWay: UnderWay | undefined;
  /** When it was started: by this it is known whether its slot is still its own. 0 where that cannot be read. */
  readonly #startedAt: number;

  constructor(
    readonly id: string,
    readonly route: Route,
    readonly office: Office,
    private readonly owner: RemoteOwner,
  ) {
    this.ref = { id };
    const slot = office.bridge.native.actorSlot(id);
    this.slot = slot === null ? NOWHERE : openSlot(slot);
    this.#startedAt = readCounter(this.slot, STARTED_AT);
    this.kind = id.startsWith('supervisor_') ? 'supervisor' : 'server';
  }

  isRunning(): boolean {
    if (this.#ended || this.office.bridge.native.actorOffice(this.id) !== this.route.office) return false;
    return this.#takesMessages();
  }

  onEnd(listener: (reason: ExitReason) => void): () => void {
    this.#listeners = [...this.#listeners, listener];
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== listener);
    };
  }

  call(message: unknown, timeout: number): Promise<unknown> {
    if (!this.#isReachable()) return Promise.reject(new ServerNotRunningError(this.id));
    const full = this.#refusal();
    if (full !== undefined) return Promise.reject(full);
    const call = new RemoteCall(this);
    call.ticket = this.office.expect(call);
    const post = this.route.posts + 1;
    try {
      this.route.call(this.id, call.ticket, timeout, message);
    } catch (error) {
      this.office.cancel(call.ticket);
      call.reject(error as Error);
      return call.promise;
    }
    this.#underWay?.add(post);
    this.route.deadline.join(call, timeout);
    return call.promise;
  }

  cast(message: unknown): void {
    if (!this.#isReachable()) throw new ServerNotRunningError(this.id);
    const full = this.#refusal();
    if (full !== undefined) {
      if (readCounter(this.slot, BOUND) < 0) return;
      throw full;
    }
    const post = this.route.posts + 1;
    this.route.cast(this.id, message);
    this.#underWay?.add(post);
  }

  stop(reason: ExitReason): Promise<void> {
    // One that is stopping already is waited for.
    if (this.#ended) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const { route } = this;
      const done = (): void => resolve();
      const ticket = this.office.expect({ route, resolve: done, reject, lost: done });
      route.stop(this.id, ticket, encodeReason(reason));
    });
  }

  kill(reason: ExitReason): void {
    if (this.#ended) return;
    this.route.kill(this.id, encodeReason(reason));
    this.owner.killed(this, reason);
  }

  /** It has ended: tells those who watch it. */
  tellEnd(reason: ExitReason): void {
    this.#ended = true;
    this.slot = NOWHERE;
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener(reason);
  }

  /** Why no message may be added to what is under way; that is found out before anything of it is packed. */
  #refusal(): MailboxFullError | undefined {
    const bound = readCounter(this.slot, BOUND);
    if (bound !== 0 && this.#isFull(Math.abs(bound))) return new MailboxFullError(this.id, Math.abs(bound));
    if (!this.route.isFull) return undefined;
    const limit = bound === 0 ? Infinity : Math.abs(bound);
    return new MailboxFullError(this.id, limit, 'too much is under way to its thread');
  }

  /** Whether as many messages wait for it as may, those in its mailbox and those that its thread leaves lying. */
  #isFull(limit: number): boolean {
    this.#underWay ??= new UnderWay(this.route);
    const waiting = readCounter(this.slot, QUEUE);
    const underWay = this.#underWay;
    return underWay.count + waiting >= limit && underWay.settle() && underWay.count + waiting >= limit;
  }

  /** As `isRunning`, in most cases without a look at the table: the slot of a process is cleared when it ends. */
  #isReachable(): boolean {
    const startedAt = this.#startedAt;
    if (this.#ended || startedAt === 0 || readCounter(this.slot, STARTED_AT) !== startedAt)
      return this.isRunning();
    return this.#takesMessages();
  }

  #takesMessages(): boolean {
    const status = readCounter(this.slot, STATUS);
    return status !== STATUS_STOPPING && status !== STATUS_STOPPED;
  }
}
