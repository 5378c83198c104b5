/** Where timers are kept so that they outlive the program: an interface for the user's storage. Nothing here runs. */

/** What is known of a stored state besides itself. */
export interface StateMetadata {
  /** Milliseconds since 1970. */
  readonly persistedAt: number;
  readonly serverId: string;
  readonly serverName?: string;
  /** The form that the state has. */
  readonly schemaVersion: number;
  readonly checksum?: string;
}

/** What is stored under a key. */
export interface PersistedState<T> {
  readonly state: T;
  readonly metadata: StateMetadata;
}

/** A storage by key. What it rejects with is reported by whoever uses it. */
export interface StorageAdapter {
  /** Writes, in place of what is there. */
  save(key: string, data: PersistedState<unknown>): Promise<void>;
  /** Reads; `undefined` where there is nothing. */
  load<T>(key: string): Promise<PersistedState<T> | undefined>;
  /** Takes away; resolves to whether there was anything. */
  delete(key: string): Promise<boolean>;
  exists?(key: string): Promise<boolean>;
  /** The keys that begin with `prefix`. */
  listKeys(prefix?: string): Promise<readonly string[]>;
  cleanup?(maxAgeMs: number): Promise<number>;
  close?(): Promise<void>;
}
