/**
 * Who has subscribed to a topic: an index over patterns, so that a topic costs what it matches and not what there is.
 *
 * Topics and patterns are text in segments between dots. A pattern without a segment `*` matches the equal topic; those are in a map. In a
 * pattern with such segments
 * - `*` alone matches every topic;
 * - `*` stands for exactly one segment where topic and pattern have as many segments;
 * - `*` as the last segment stands for one or more, where all segments before it are literally those of the topic.
 *
 * Those are in a trie with a node for each segment. A topic goes down all paths that match segment by segment at once; on the one path that
 * is literally its own it also meets the patterns whose last `*` takes all the rest.
 */

/** What a subscription must have to be kept here. */
export interface Subscribed {
  readonly pattern: string;
  /** Ascending in the order of subscription. */
  readonly order: number;
}

interface TrieNode<S> {
  /** The segment that leads here from the parent. */
  readonly segment: string;
  readonly parent: TrieNode<S> | undefined;
  readonly children: Map<string, TrieNode<S>>;
  /** Those whose pattern ends here. */
  subscriptions: Set<S> | undefined;
}

/** All subscriptions to one pattern. */
interface Pattern<S> {
  readonly subscriptions: Set<S>;
  /** Where it is in the trie; a pattern without wildcards is not. */
  readonly node: TrieNode<S> | undefined;
}

const WILDCARD = '*';
const NONE: readonly never[] = [];

/** Subscriptions, found by topic. */
export class TopicTrie<S extends Subscribed> {
  readonly #patterns = new Map<string, Pattern<S>>();
  readonly #root: TrieNode<S> = newNode<S>('', undefined);
  #size = 0;

  /** How many subscriptions there are. */
  get size(): number {
    return this.#size;
  }

  /** The patterns, each once, in the order in which they came. */
  patterns(): string[] {
    return [...this.#patterns.keys()];
  }

  /** Adds a subscription; one that was added later has the greater `order`. */
  add(subscription: S): void {
    const { pattern } = subscription;
    let known = this.#patterns.get(pattern);
    if (known === undefined) {
      const segments = pattern.split('.');
      known = {
        subscriptions: new Set(),
        node: segments.includes(WILDCARD) ? this.#grow(segments) : undefined,
      };
      if (known.node !== undefined) known.node.subscriptions = known.subscriptions;
      this.#patterns.set(pattern, known);
    }
    known.subscriptions.add(subscription);
    this.#size++;
  }

  /** Takes a subscription away. @returns whether it was there */
  delete(subscription: S): boolean {
    const known = this.#patterns.get(subscription.pattern);
    if (known?.subscriptions.delete(subscription) !== true) return false;
    this.#size--;
    if (known.subscriptions.size === 0) {
      this.#patterns.delete(subscription.pattern);
      if (known.node !== undefined) prune(known.node);
    }
    return true;
  }

  /** The subscriptions whose patterns match, in the order of subscription. They must not be added to or deleted from meanwhile. */
  match(topic: string): Iterable<S> {
    const equal = this.#patterns.get(topic);
    const exact = equal?.node === undefined ? equal?.subscriptions : undefined;
    if (this.#root.children.size === 0) return exact ?? NONE;
    const found = this.#matchWildcards(topic);
    if (exact !== undefined) found.push(exact);
    if (found.length <= 1) return found[0] ?? NONE;
    const all: S[] = [];
    for (const subscriptions of found) for (const one of subscriptions) all.push(one);
    return all.toSorted((a, b) => a.order - b.order);
  }

  /** The subscriptions of all patterns with wildcards that match, a set for each pattern. */
  #matchWildcards(topic: string): Set<S>[] {
    const found: Set<S>[] = [];
    const segments = topic.split('.');
    const last = segments.length - 1;
    /** The node whose path is literally that of the topic. */
    let literal: TrieNode<S> | undefined = this.#root;
    /** The other nodes whose path matches. */
    let others: TrieNode<S>[] = [];
    for (let at = 0; at <= last && (literal !== undefined || others.length > 0); at++) {
      const segment = segments[at]!;
      const next: TrieNode<S>[] = [];
      for (const node of others) {
        follow(node, segment, next);
        if (segment !== WILDCARD) follow(node, WILDCARD, next);
      }
      const star = literal?.children.get(WILDCARD);
      if (star !== undefined) {
        if (at < last && star.subscriptions !== undefined) found.push(star.subscriptions);
        if (segment !== WILDCARD) next.push(star);
      }
      literal = literal?.children.get(segment);
      others = next;
    }
    if (literal !== undefined) others.push(literal);
    for (const { subscriptions } of others) if (subscriptions !== undefined) found.push(subscriptions);
    return found;
  }

  #grow(segments: string[]): TrieNode<S> {
    let node = this.#root;
    for (const segment of segments) {
      let child = node.children.get(segment);
      if (child === undefined) {
        child = newNode(segment, node);
        node.children.set(segment, child);
      }
      node = child;
    }
    return node;
  }
}

function newNode<S>(segment: string, parent: TrieNode<S> | undefined): TrieNode<S> {
  return { segment, parent, children: new Map(), subscriptions: undefined };
}

function follow<S>(node: TrieNode<S>, segment: string, into: TrieNode<S>[]): void {
  const child = node.children.get(segment);
  if (child !== undefined) into.push(child);
}

/** Takes away a node where no pattern ends any more, and all that lead nowhere then. */
function prune<S>(end: TrieNode<S>): void {
  end.subscriptions = undefined;
  let node = end;
  while (node.subscriptions === undefined && node.children.size === 0 && node.parent !== undefined) {
    node.parent.children.delete(node.segment);
    node = node.parent;
  }
}
