/** What a connection to a broker is to its client, and what the client is to it. */
import type { Slot } from './pending';

/** A connection over which requests are sent as frames. It is ready from the start. */
export interface Connection {
  /** What the broker takes, in bytes. */
  readonly maxValueSize: number;
  readonly maxRequestSize: number;
  /** It is done with a frame when `send` returns. */
  readonly done: boolean;
  /**
   * Takes over the frame `bytes[start..end]`, which stays as it is until it is answered; it leaves with the next `flush`, if not before.
   * @param slot the request that it is of, if it is to be answered; it is marked as sent as soon as it may arrive
   * @returns false: the connection is gone, and the frame was not taken
   */
  send(bytes: Buffer, start: number, end: number, slot: Slot | undefined): boolean;
  flush(): void;
  /** Whether it keeps the process alive. */
  hold(on: boolean): void;
  /** Ends it; nothing is told any more. */
  close(): void;
}

/** An attempt to connect. */
export interface Attempt {
  /** Gives up; nothing is told any more. */
  cancel(): void;
}

/** Whom connections tell what happens. */
export interface Host {
  /** The broker takes but one line at a time. */
  oneAtATime: boolean;
  /** A connection is there. */
  ready(connection: Connection): void;
  /** There will be none by this attempt. */
  failed(error: Error): void;
  /** A frame stands at `bytes[at..end]`, in memory that is overwritten afterwards. */
  answer(bytes: Buffer, at: number, end: number): void;
  /** A request has its answer. */
  succeed(slot: Slot, value: unknown): void;
  refuse(slot: Slot, error: unknown): void;
  /** A connection has ended. */
  lost(connection: Connection, error: Error): void;
  /** Tells whoever debugs. */
  debug(text: string): void;
}
