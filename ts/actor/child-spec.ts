/** The options of a supervisor and the descriptions of its children, read and checked. */
import { DuplicateChildError, InvalidSimpleOneForOneConfigError, MissingChildTemplateError } from './errors';
import { Intensity } from './intensity';
import { milliseconds, options as read } from './settings';
import { DEFAULTS } from './types';
import type {
  AutoShutdown,
  ChildPolicy,
  ChildRestartStrategy,
  ChildSpec,
  ChildTemplate,
  RestartIntensity,
  SupervisorOptions,
  SupervisorStrategy,
} from './supervisor-types';

const STRATEGIES = ['one_for_one', 'one_for_all', 'rest_for_one', 'simple_one_for_one'] as const;
const RESTARTS = ['permanent', 'transient', 'temporary'] as const;
const AUTO_SHUTDOWNS = ['never', 'any_significant', 'all_significant'] as const;

/** A description of a child with all defaults filled in. */
export interface CheckedSpec {
  readonly id: string;
  readonly spec: ChildSpec;
  readonly restart: ChildRestartStrategy;
  /** `undefined`: by the kind of the process. */
  readonly shutdownTimeout: number | undefined;
  readonly significant: boolean;
}

/** The options of a supervisor with all defaults filled in. */
export interface CheckedOptions {
  readonly strategy: SupervisorStrategy;
  readonly children: readonly CheckedSpec[];
  readonly childTemplate: ChildTemplate | undefined;
  readonly intensity: Intensity;
  readonly autoShutdown: AutoShutdown;
  readonly name: string | undefined;
}

/** Checks the options of the supervisor `id`. */
export function checkOptions(id: string, given: SupervisorOptions | undefined): CheckedOptions {
  const options = read.object<SupervisorOptions>('options', given);
  const { children, childTemplate, name } = options;
  const strategy = read.oneOf('strategy', options.strategy, 'one_for_one', STRATEGIES);
  if (children !== undefined) read.array('children', children);
  if (strategy === 'simple_one_for_one') {
    if (childTemplate === undefined) throw new MissingChildTemplateError(id);
    checkTemplate(childTemplate);
    if (children !== undefined && children.length > 0)
      throw new InvalidSimpleOneForOneConfigError(id, 'static children are not allowed');
  }
  const checked = Array.from(children ?? [], (spec, index) => checkSpec(`children[${index}]`, spec));
  const ids = new Set<string>();
  for (const child of checked) {
    if (ids.has(child.id)) throw new DuplicateChildError(id, child.id);
    ids.add(child.id);
  }
  return {
    strategy,
    children: checked,
    childTemplate,
    intensity: checkIntensity(options.restartIntensity),
    autoShutdown: read.oneOf('autoShutdown', options.autoShutdown, 'never', AUTO_SHUTDOWNS),
    name: name === undefined ? undefined : read.text('name', name),
  };
}

/** Checks one description; `what` is how the caller knows it. */
function checkSpec(what: string, given: ChildSpec): CheckedSpec {
  if (given === undefined) throw read.type(what, given, 'an object');
  const spec = read.object<ChildSpec>(what, given);
  const id = read.text(`${what}.id`, spec.id);
  read.callback(`${what}.start`, spec.start);
  return { id, spec: given, ...checkPolicy(what, spec) };
}

/**
 * Checks what `startChild` of the supervisor `id` is given: arguments for the template, or a description.
 *
 * @param number of the child, for its id where the template makes it
 */
export function specOfNewChild(
  id: string,
  { strategy, childTemplate }: CheckedOptions,
  number: number,
  given: ChildSpec | readonly unknown[],
): CheckedSpec {
  const isSimple = strategy === 'simple_one_for_one';
  if (Array.isArray(given) !== isSimple) {
    throw new InvalidSimpleOneForOneConfigError(
      id,
      isSimple
        ? 'startChild requires an arguments array for simple_one_for_one'
        : 'startChild requires a ChildSpec for non-simple_one_for_one supervisors',
    );
  }
  if (!isSimple) return checkSpec('spec', given as ChildSpec);
  return specOfTemplate(`child_${number}`, childTemplate!, given as readonly unknown[]);
}

/** The description of the child `id` that `template` gives with `args`. */
function specOfTemplate(id: string, template: ChildTemplate, args: readonly unknown[]): CheckedSpec {
  const given = [...args];
  const { start: _, ...policy } = template;
  const spec: ChildSpec = { ...policy, id, start: () => template.start(...given) };
  return { id, spec, ...checkPolicy('childTemplate', template) };
}

function checkTemplate(template: ChildTemplate): void {
  read.callback('childTemplate.start', read.object<ChildTemplate>('childTemplate', template).start);
  checkPolicy('childTemplate', template);
}

function checkPolicy(
  what: string,
  policy: ChildPolicy,
): Pick<CheckedSpec, 'restart' | 'shutdownTimeout' | 'significant'> {
  const { restart, shutdownTimeout, significant } = policy;
  return {
    restart: read.oneOf(`${what}.restart`, restart, 'permanent', RESTARTS),
    shutdownTimeout:
      shutdownTimeout === undefined
        ? undefined
        : milliseconds(`${what}.shutdownTimeout`, shutdownTimeout, DEFAULTS.SHUTDOWN_TIMEOUT),
    significant: read.boolean(`${what}.significant`, significant, false),
  };
}

function checkIntensity(given: RestartIntensity | undefined): Intensity {
  const { maxRestarts, withinMs } = read.object<RestartIntensity>('restartIntensity', given);
  return new Intensity(
    read.integer('restartIntensity.maxRestarts', maxRestarts, DEFAULTS.MAX_RESTARTS, {
      min: 0,
      orInfinity: true,
    }),
    read.number('restartIntensity.withinMs', withinMs, DEFAULTS.RESTART_WITHIN_MS, {
      min: 0,
      orInfinity: true,
    }),
  );
}
