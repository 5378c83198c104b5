/**
 * The rules of supervision, apart from what carries them out: who is restarted, with whom, and whose end ends the supervisor.
 * They are those of Erlang/OTP's `supervisor`.
 */
import type { AutoShutdown, ChildRestartStrategy, SupervisorStrategy } from './supervisor-types';
import type { ExitReason } from './types';

/** Whether a child that ended by itself is restarted. */
export function mustRestart(restart: ChildRestartStrategy, reason: ExitReason): boolean {
  return restart === 'permanent' || (restart === 'transient' && typeof reason === 'object');
}

/** Whether the strategy restarts children together. */
export function restartsGroups(strategy: SupervisorStrategy): boolean {
  return strategy === 'one_for_all' || strategy === 'rest_for_one';
}

/** Who is restarted when the `fallen` of `children` are: in the order of `children`. */
export function groupOf<C>(strategy: SupervisorStrategy, children: Iterable<C>, fallen: ReadonlySet<C>): C[] {
  const all = [...children];
  if (strategy === 'one_for_all') return all;
  const first = all.findIndex((child) => fallen.has(child));
  return first === -1 ? [] : all.slice(first);
}

/** Whether the supervisor ends now that `gone` has ended for good and so many significant children are left. */
export function callsForShutdown(
  mode: AutoShutdown,
  gone: { readonly significant: boolean },
  significantLeft: number,
): boolean {
  if (mode === 'never' || !gone.significant) return false;
  return mode === 'any_significant' || significantLeft === 0;
}
