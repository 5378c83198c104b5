/** What a state machine is told to do, checked before any of it is done: a wrong decision counts for nothing. */
import { LONGEST_TIMER } from './deadlines';
import { checkText, required } from './services';
import { options as read } from './settings';
import type { DeferredReply, StateMachineAction, StateTransitionResult } from './state-machine-types';

const DECISIONS = ['transition', 'keep_state', 'keep_state_and_data', 'postpone', 'stop'];
const ACTIONS = ['state_timeout', 'event_timeout', 'generic_timeout', 'next_event', 'reply'];
const TIME = { min: 0, max: LONGEST_TIMER, orInfinity: true } as const;

/**
 * Checks the type and the actions of what `handleEvent` has given, and gives it back.
 *
 * @throws TypeError `ERR_ACTOR_INVALID_TYPE`, RangeError `ERR_ACTOR_OUT_OF_RANGE`
 */
export function checkedDecision<S extends string, D>(given: unknown): StateTransitionResult<S, D> {
  checkObject('the result of handleEvent', given);
  const decision = given as StateTransitionResult<S, D>;
  if (!DECISIONS.includes(decision.type))
    throw read.range('type', decision.type, `one of ${DECISIONS.join(', ')}`);
  if ('actions' in decision) checkActions(decision.actions);
  return decision;
}

/** Checks all actions; `undefined` means none. Throws as `checkedDecision`. */
export function checkActions(actions: readonly StateMachineAction[] | undefined): void {
  if (actions === undefined) return;
  read.array('actions', actions);
  for (const action of actions) checkAction(action);
}

/** @throws TypeError `ERR_ACTOR_INVALID_TYPE`: `value` is no object */
export function checkObject(name: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) throw read.type(name, value, 'an object');
}

function checkAction(action: StateMachineAction): void {
  checkObject('an action', action);
  switch (action.type) {
    case 'generic_timeout':
      checkText('name', action.name);
      read.number('time', required(action.time), 0, TIME);
      break;
    case 'state_timeout':
    case 'event_timeout':
      read.number('time', required(action.time), 0, TIME);
      break;
    case 'next_event':
      break;
    case 'reply':
      checkReceiver(action.to);
      break;
    default:
      throw read.range(
        'the type of an action',
        (action as { type: unknown }).type,
        `one of ${ACTIONS.join(', ')}`,
      );
  }
}

function checkReceiver(to: DeferredReply | null | undefined): void {
  const { _id: id }: Partial<DeferredReply> = to ?? {};
  if (typeof id !== 'string') throw read.type('to', to, "the 'from' that handleEvent was given");
}
