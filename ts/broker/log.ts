/** The lines that a broker logs: through the console, looked up at each line, because programs replace its methods. */

/** How grave a line is, the least first. */
export const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
/** How grave a line is. */
export type LogLevel = (typeof LEVELS)[number];

/** What is logged beside the message. */
export type LogFields = Record<string, unknown>;

const METHODS = { debug: 'log', info: 'log', warn: 'warn', error: 'error' } as const;

/** Writes the lines of one broker. */
export class Log {
  constructor(
    private readonly least: LogLevel,
    private readonly isStructured: boolean,
  ) {}

  /** The number by which the engine knows the least level. */
  get level(): number {
    return LEVELS.indexOf(this.least);
  }

  write(level: LogLevel, message: string, fields: LogFields = {}): void {
    if (LEVELS.indexOf(level) < this.level) return;
    const line = this.isStructured
      ? structured(level, message, fields)
      : `[broker] ${readable(message, fields)}`;
    // oxlint-disable-next-line no-console -- where a broker logs to is part of its contract
    console[METHODS[level]](line);
  }
}

function structured(level: LogLevel, message: string, fields: LogFields): string {
  return JSON.stringify({
    level,
    component: 'broker',
    message,
    ...fields,
    timestamp: new Date().toISOString(),
  });
}

function readable(message: string, fields: LogFields): string {
  if (message === 'Heartbeat') {
    const { uptime, items, leases, memoryMB } = fields as Record<string, number>;
    return `Heartbeat: uptime=${uptime}ms, items=${items}, leases=${leases}, memory=${memoryMB}MB`;
  }
  const pairs = Object.entries(fields).map(([name, value]) => `${name}=${shown(value)}`);
  return pairs.length === 0 ? message : `${message} (${pairs.join(' ')})`;
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
