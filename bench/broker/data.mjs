/** Keys and values that all the libraries are given. */

/** Milliseconds for which items and leases are kept: longer than any run. */
export const TTL = 3_600_000;

/** A key of 12 bytes. */
export function keyOf(index) {
  return `key:${index.toString().padStart(8, '0')}`;
}

/** A string of `length` bytes, another one for each index. */
export function valueOf(index, length = 100) {
  return `${index} `.padEnd(length, 'v');
}

/** Lengths of 93 to 108, 100.5 in the mean: what allocators round up is met on the average. */
export function lengthOf(index) {
  return 93 + (index % 16);
}

/** A small object. */
export function objectOf(index) {
  return { id: index, name: `user ${index}`, active: true, roles: ['reader', 'writer'] };
}
