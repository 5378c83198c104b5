/**
 * The services where they are fullest: a cache that evicts an entry with each new one, a rate limiter with many stamps in the window of a key, a bus with many
 * subscriptions of which each event reaches one.
 */
import { fileURLToPath } from 'node:url';
import { Cache, EventBus, RateLimiter } from '../../dist/actor/index.js';
import { tell } from '../lib/apart.mjs';
import { randomFrom } from '../lib/random.mjs';
import { whole } from '../lib/report.mjs';
import { inRounds, printRates, rateOf } from './rounds.mjs';

const OPERATIONS = 100_000;
const BAR = 300_000;
const CAPACITY = 50_000;
const STAMPS = 10_000;
const WINDOW_MS = 3_600_000;
const SUBSCRIPTIONS = 4_000;

const CASES = [
  { name: `Cache.set of a new key, all ${whole(CAPACITY)} places taken`, args: ['set'], bar: BAR },
  { name: `RateLimiter.check with ${whole(STAMPS)} stamps, allowed`, args: ['check', 'allowed'], bar: BAR },
  { name: `RateLimiter.check with ${whole(STAMPS)} stamps, refused`, args: ['check', 'refused'], bar: BAR },
  {
    name: `EventBus.publish with ${whole(SUBSCRIPTIONS)} exact subscriptions`,
    args: ['publish'],
    bar: BAR,
  },
];

export async function run() {
  const rates = await inRounds(fileURLToPath(import.meta.url), CASES);
  printRates({ title: 'Services', unit: 'operations', cases: CASES, rates });
}

await tell((operation, ...args) => ({ set, check, publish })[operation](...args));

async function set() {
  const cache = await Cache.start({ maxSize: CAPACITY });
  let last = 0;
  for (; last < CAPACITY; last++) await Cache.set(cache, `key ${last}`, last);
  const rate = await rateOf(async () => {
    for (const end = last + OPERATIONS; last < end; last++) await Cache.set(cache, `key ${last}`, last);
    return OPERATIONS;
  });
  const [oldest, evicted] = [last - CAPACITY, last - CAPACITY - 1];
  if ((await Cache.size(cache)) !== CAPACITY) throw new Error('the cache is not full');
  if ((await Cache.get(cache, `key ${oldest}`)) !== oldest) throw new Error('an entry was lost');
  if (await Cache.has(cache, `key ${evicted}`)) throw new Error('an entry was not evicted');
  return rate;
}

async function check(outcome) {
  const isAllowed = outcome === 'allowed';
  const limiter = await RateLimiter.start({
    maxRequests: isAllowed ? STAMPS + 1 : STAMPS,
    windowMs: WINDOW_MS,
  });
  await stamp(limiter);
  return rateOf(async () => {
    for (let index = 0; index < OPERATIONS; index++) {
      const { allowed, current } = await RateLimiter.check(limiter, 'key');
      if (allowed !== isAllowed || current !== STAMPS) throw new Error('a wrong answer');
    }
    return OPERATIONS;
  });
}

/** Consumes at as many different times, all within the window: by a clock that the limiter asks, and that is put back in place. */
async function stamp(limiter) {
  const { now } = Date;
  let time = now() - STAMPS;
  Date.now = () => time;
  try {
    for (; time < now() && (await RateLimiter.getStatus(limiter, 'key')).current < STAMPS; time++) {
      await RateLimiter.consume(limiter, 'key');
    }
  } finally {
    Date.now = now;
  }
}

async function publish() {
  const bus = await EventBus.start();
  const delivered = new Uint32Array(SUBSCRIPTIONS);
  for (let index = 0; index < SUBSCRIPTIONS; index++) {
    await EventBus.subscribe(bus, topicOf(index), (amount) => {
      delivered[index] += amount;
    });
  }
  const random = randomFrom(1);
  const expected = new Uint32Array(SUBSCRIPTIONS);
  const order = Uint32Array.from({ length: OPERATIONS }, () => random(SUBSCRIPTIONS));
  const topics = Array.from(order, topicOf);
  return rateOf(async () => {
    for (const index of order) expected[index] += 1;
    for (let index = 0; index < OPERATIONS - 1; index++) EventBus.publish(bus, topics[index], 1);
    await EventBus.publishSync(bus, topics.at(-1), 1);
    if (!expected.every((count, index) => count === delivered[index])) throw new Error('an event was lost');
    return OPERATIONS;
  });
}

function topicOf(index) {
  return `orders.${index % 40}.item.${index}`;
}
