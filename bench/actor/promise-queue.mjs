/**
 * The baseline: an actor in plain JavaScript, a queue and an asynchronous loop that awaits one handler after another. The original of the actors cannot be
 * installed from npm. This does what that does for a message, and less: no process table, no timeouts, no events, no counters.
 */
export class PromiseQueueActor {
  #behavior;
  #state;
  #queue = [];
  #draining = false;

  /** @param {{ init(): unknown, handleCall: Function, handleCast: Function }} behavior As of a GenServer. */
  constructor(behavior) {
    this.#behavior = behavior;
    this.#state = behavior.init();
  }

  call(message) {
    return new Promise((resolve, reject) => {
      this.#add({ message, resolve, reject });
    });
  }

  cast(message) {
    this.#add({ message, resolve: undefined, reject: undefined });
  }

  #add(job) {
    this.#queue.push(job);
    if (!this.#draining) void this.#drain();
  }

  /** Goes by an index: `shift` of a long array moves all that is behind. */
  async #drain() {
    this.#draining = true;
    for (let index = 0; index < this.#queue.length; index++) {
      const { message, resolve, reject } = this.#queue[index];
      try {
        if (resolve === undefined) {
          this.#state = await this.#behavior.handleCast(message, this.#state);
        } else {
          const [reply, state] = await this.#behavior.handleCall(message, this.#state);
          this.#state = state;
          resolve(reply);
        }
      } catch (error) {
        reject?.(error);
      }
    }
    this.#queue = [];
    this.#draining = false;
  }
}
