/** How long requests took, and those of them that were in flight in a stretch of time. */
const MOST = 2_000_000;

/** Milliseconds by a clock that all processes of the machine share. */
export function now() {
  return performance.timeOrigin + performance.now();
}

/** Records when each request of a workload was made and when it was answered. */
export class Latencies {
  #begins = new Float64Array(MOST);
  #ends = new Float64Array(MOST);
  #count = 0;

  /** The same workload, recorded. */
  record({ request, isRight }) {
    return {
      isRight,
      request: async (at) => {
        const begin = now();
        const answer = await request(at);
        if (this.#count === MOST) throw new Error('too many requests to be recorded');
        this.#begins[this.#count] = begin;
        this.#ends[this.#count++] = now();
        return answer;
      },
    };
  }

  /** Percentiles of the requests that were in flight between two times, in milliseconds. Forgets all of them. */
  between(from, to) {
    const times = [];
    for (let i = 0; i < this.#count; i++) {
      if (this.#ends[i] >= from && this.#begins[i] <= to) times.push(this.#ends[i] - this.#begins[i]);
    }
    this.#count = 0;
    times.sort((a, b) => a - b);
    const at = (share) => times[Math.ceil(share * times.length) - 1];
    return { count: times.length, p50: at(0.5), p99: at(0.99), max: at(1) };
  }
}
