/**
 * What the benchmarks let worker threads do: `piscina` and `tinypool` run the exports of this file by name, and ours gets the very same
 * functions, which is why each stands alone.
 */
const echo = (value) => value;
const number = (value) => value * 2 + 1;
const text = (value) => value + '!';
const record = (value) => ({ id: value.id, total: value.price * value.count });

/** Sum of the square roots below `iterations`, as the native operation `compute` adds them up. */
function compute(data) {
  let computed = 0;
  for (let i = 0; i < data.iterations; i++) computed += Math.sqrt(i);
  return { computed, input: data };
}

/** Counts the primes below `limit` by trial division: some milliseconds of nothing but arithmetic. */
function primesBelow(limit) {
  let count = 0;
  for (let candidate = 2; candidate < limit; candidate++) {
    let divisor = 2;
    while (divisor * divisor <= candidate && candidate % divisor !== 0) divisor++;
    if (divisor * divisor > candidate) count++;
  }
  return count;
}

module.exports = {
  echo,
  number,
  text,
  record,
  compute,
  primesBelow,
  numbers: (values) => values.map(number),
  texts: (values) => values.map(text),
  records: (values) => values.map(record),
};
