/**
 * `getOrSet` where a cache of two tiers has the value: in its first tier, and in its second one only. The peers hold references as ours does
 * (their serialization is off), each on the fastest stores that it takes for both tiers.
 */
import { LRUCache, MultiTierCache } from '../../dist/cache/index.js';
import { loadPeer, measure } from '../lib/measure.mjs';

const KEYS = 10_000;
const CALLS = 50_000;
/** Entries of a first tier that holds hardly any of the keys. */
const FEW = 100;

const compute = () => {
  throw new Error('a value was not there');
};

export async function run() {
  await compare('the first of two tiers has the value', {
    first: KEYS,
    bars: { bentocache: 20, manager: 5 },
  });
  await compare('only the second has it, and it is copied to the first', { first: FEW, bars: {} });
}

async function compare(what, { first, bars }) {
  const keys = shuffled(Array.from({ length: KEYS }, (_, index) => `user:${index}`));
  const calls = (getOrSet) => async () => {
    for (let call = 0; call < CALLS; call++) {
      const key = keys[call % KEYS];
      const value = await getOrSet(key, compute);
      if (value.key !== key) throw new Error('a case gave wrong results');
    }
    return CALLS;
  };
  const fill = async (set) => {
    for (const key of keys) await set(key, { key });
  };

  const tiers = new MultiTierCache([new LRUCache({ maxSize: first }), new LRUCache({ maxSize: KEYS })]);
  await fill((key, value) => tiers.set(key, value));
  const ours = { name: 'MultiTierCache', run: calls((key, from) => tiers.getOrSet(key, from)) };

  const bento = await bentocache(first);
  if (bento) await fill((key, value) => bento.set({ key, value }));
  await measure({
    title: `getOrSet: ${what} (bentocache)`,
    baseline: 'bentocache',
    bar: bars.bentocache,
    cases: [
      ours,
      bento && { name: 'bentocache', run: calls((key, factory) => bento.getOrSet({ key, factory })) },
    ],
  });
  await bento?.disconnectAll();

  const manager = await cacheManager(first);
  if (manager) await fill((key, value) => manager.set(key, value));
  await measure({
    title: `getOrSet: ${what} (cache-manager)`,
    baseline: 'cache-manager',
    bar: bars.manager,
    cases: [ours, manager && { name: 'cache-manager', run: calls((key, from) => manager.wrap(key, from)) }],
  });
}

/** Its memory driver in front of a second layer that is a Map; what it holds there is always text. */
async function bentocache(first) {
  const library = await loadPeer('bentocache');
  if (library === undefined) return undefined;
  const { memoryDriver } = await import('bentocache/drivers/memory');
  const { BentoCache, bentostore } = library;
  const store = bentostore()
    .useL1Layer(memoryDriver({ maxItems: first, serialize: false }))
    .useL2Layer({ options: {}, factory: () => new MapDriver() });
  return new BentoCache({ default: 'tiers', stores: { tiers: store } });
}

/** The least that a second layer of bentocache has to be. */
class MapDriver {
  type = 'l2';
  #values = new Map();

  namespace() {
    return this;
  }

  async get(key) {
    return this.#values.get(key);
  }

  async set(key, value) {
    this.#values.set(key, value);
    return true;
  }

  async delete(key) {
    return this.#values.delete(key);
  }

  async deleteMany(keys) {
    for (const key of keys) this.#values.delete(key);
    return true;
  }

  async clear() {
    this.#values.clear();
  }

  async disconnect() {}
}

async function cacheManager(first) {
  const [library, keyv, lru] = await Promise.all(['cache-manager', 'keyv', 'lru-cache'].map(loadPeer));
  if (library === undefined || keyv === undefined || lru === undefined) return undefined;
  const storeOf = (max) => {
    const store = new keyv.Keyv({ store: new lru.LRUCache({ max }) });
    store.serialize = undefined;
    store.deserialize = undefined;
    return store;
  };
  return library.createCache({ stores: [storeOf(first), storeOf(KEYS)] });
}

/** Fisher and Yates, with the generator of Park and Miller: the same order in every run. */
function shuffled(list) {
  let state = 42;
  for (let last = list.length - 1; last > 0; last--) {
    state = (state * 48_271) % 2_147_483_647;
    const other = state % (last + 1);
    [list[last], list[other]] = [list[other], list[last]];
  }
  return list;
}
