/**
 * This thread's office: what comes from other threads and goes to them. It knows the ways there and who waits for an answer; what is asked of the processes
 * here is the affair of `desk.ts`.
 *
 * As long as an answer is awaited the thread stays alive. When another thread ends, whoever waits for an answer from there is told.
 */
import { setImmediate } from 'node:timers';
import { type Bridge, type Channel, type FrameView, getBridge, RecordKind } from '../../bridge/bridge';
import { Failure } from '../../bridge/payload';
import { throwLater } from '../../bridge/throw-later';
import { isOutOfMemory, NoizylabError } from '../../errors';
import { type Sender, tellAtExit } from './at-exit';
import { type Message, Op, readBatch } from './batch';
import { decodeFault } from './faults';
import { Poller } from './poller';
import { type Carrier, Route } from './route';
import { type Awaiting, Tickets } from './tickets';

/** What comes unasked. */
export interface Desk {
  /** A message of another kind than `reply` and `failed`. */
  take(from: Route, message: Message): void;
  /** Another thread has ended. */
  gone(office: number): void;
}

/** A record of the bridge. */
interface Post {
  readonly kind: number;
  readonly office: number;
  readonly frame: FrameView;
}

export class Office implements Channel, Sender, Carrier {
  readonly bridge: Bridge = getBridge();
  /** By which other threads know this one. */
  readonly number: number;
  readonly #routes = new Map<number, Route>();
  readonly #tickets = new Tickets();
  readonly #poller: Poller;
  #retained = false;
  #isReading = false;
  #isLastTurn = false;
  readonly #backlog: Post[] = [];

  constructor(private readonly desk: Desk) {
    const [number, channel] = this.bridge.native.actorOpen(this.bridge.load) ?? [];
    if (number === undefined || channel === undefined)
      throw new NoizylabError('ERR_CORE_UNAVAILABLE', 'this thread is about to end');
    this.number = number;
    this.#poller = new Poller(this.bridge, () => this.#settle());
    this.bridge.open(channel, this);
    tellAtExit(this);
  }

  /** The way to another office. */
  route(office: number): Route {
    let route = this.#routes.get(office);
    if (route === undefined) {
      route = new Route(office, this);
      this.#routes.set(office, route);
      if (this.#isLastTurn) route.lastTurn();
    }
    return route;
  }

  lastTurn(): void {
    this.#isLastTurn = true;
    for (const route of this.#routes.values()) route.lastTurn();
  }

  /** A ticket for a question; its answer goes to `awaiting`. */
  expect(awaiting: Awaiting): number {
    if (!this.#retained) {
      this.#retained = true;
      this.bridge.retain(this);
    }
    return this.#tickets.add(awaiting);
  }

  /** Nobody waits for that answer any more. */
  forget(ticket: number): void {
    this.#tickets.forget(ticket);
    this.#settleSoon();
  }

  /** A question was not sent after all. */
  cancel(ticket: number): void {
    this.#tickets.cancel(ticket);
    this.#settleSoon();
  }

  record(kind: number, _group: number, office: number, _count: number, frame: FrameView): void {
    if (kind === RecordKind.actorPost) this.#poller.received();
    else if (kind !== RecordKind.actorOfficeGone) return;
    if (this.#isReading) {
      // A handler has made the bridge deliver: this comes after what is being read.
      const bytes = Buffer.from(frame.bytes.subarray(frame.start, frame.end));
      this.#backlog.push({ kind, office, frame: { ...frame, bytes, start: 0, end: bytes.length } });
      return;
    }
    this.#isReading = true;
    this.#read({ kind, office, frame });
    for (let next = this.#backlog.shift(); next !== undefined; next = this.#backlog.shift()) this.#read(next);
    this.#isReading = false;
    this.#settleSoon();
  }

  #read({ kind, office, frame }: Post): void {
    const route = this.route(office);
    try {
      if (kind === RecordKind.actorOfficeGone) this.#gone(route);
      else readBatch(route.unpacker, frame, (message) => this.#take(route, message));
    } catch (error) {
      // What could not be read must not keep the rest from being read.
      throwLater(error);
    }
  }

  #take(route: Route, message: Message): void {
    const { op, ticket } = message;
    if (op !== Op.reply && op !== Op.failed) {
      this.desk.take(route, message);
      return;
    }
    const awaiting = this.#tickets.take(ticket);
    if (awaiting === undefined) return;
    if (op === Op.failed) awaiting.reject(decodeFault(String(message.reason)));
    else if (message.value instanceof Failure) awaiting.reject(message.value.error);
    else awaiting.resolve(message.value);
  }

  post(route: Route, bytes: Buffer, length: number): number | undefined {
    let underWay: number;
    try {
      underWay = this.bridge.native.actorPost(route.office, this.number, bytes, length);
    } catch (error) {
      if (!isOutOfMemory(error)) throw error;
      return undefined;
    }
    if (underWay >= 0) {
      this.#poller.sent();
      return underWay;
    }
    // It is closed. What it has sent before may still wait here, and comes first.
    setImmediate(() => {
      this.bridge.flush();
      this.#gone(route);
      this.#settleSoon();
    });
    return 0;
  }

  underWay(office: number): number {
    return this.bridge.native.actorUnderWay(office);
  }

  taken(office: number): number {
    return this.bridge.native.actorTaken(office, this.number);
  }

  #gone(route: Route): void {
    const { office } = route;
    if (this.#routes.get(office) === route) this.#routes.delete(office);
    this.#tickets.lose(route);
    this.desk.gone(office);
  }

  /** At once, or when the poller is through: until then the next question is likely to come. */
  #settleSoon(): void {
    if (!this.#poller.running) this.#settle();
  }

  /** The thread need not stay alive where no answer is awaited. */
  #settle(): void {
    if (!this.#retained || this.#tickets.waiting > 0) return;
    this.#retained = false;
    this.bridge.release(this);
  }
}
