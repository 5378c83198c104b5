/**
 * The messages that this thread has sent to one server of another thread, which has not taken them yet.
 */
import type { Route } from './route';

/** The messages of one post. */
interface Sent {
  /** The number of the post. */
  readonly post: number;
  count: number;
}

/** So many posts may be on the list before those that were taken are looked for. */
const FEW_POSTS = 64;

export class UnderWay {
  /** How many messages, as far as is known: some may have been taken meanwhile. */
  count = 0;
  /** In their order. */
  readonly #sent: Sent[] = [];
  #mostPosts = FEW_POSTS;

  constructor(private readonly route: Route) {}

  /** A message was added to the post of that number. */
  add(post: number): void {
    this.count += 1;
    const last = this.#sent.at(-1);
    if (last?.post === post) {
      last.count += 1;
      return;
    }
    this.#sent.push({ post, count: 1 });
    if (this.#sent.length > this.#mostPosts) {
      this.settle();
      this.#mostPosts = Math.max(FEW_POSTS, this.#sent.length * 2);
    }
  }

  /**
   * Forgets what was taken. Returns whether the other thread leaves posts with such messages lying: where not, the messages are those of this turn, which wait for
   * nothing but its end.
   */
  settle(): boolean {
    const sent = this.#sent;
    const { taken } = this.route;
    let through = 0;
    for (; through < sent.length && sent[through]!.post <= taken; through++)
      this.count -= sent[through]!.count;
    sent.splice(0, through);
    return sent.length > 0 && sent[0]!.post <= this.route.posts;
  }
}
