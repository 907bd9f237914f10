/** The hooks of a configuration and what they are told: as ops of a plan, or run from here. config.md, POSIX-platform Hooks. */
import type { Plan } from '../../kernel/ops.ts';
import { realDoor } from '../../kernel/real-door.ts';
import type { TsrunError } from '../../lib/errors.ts';
import { HOOK_NAMES, type HookName } from '../../spec/runtime.ts';
import { failureToError } from '../failure.ts';
import { type HookStates, type Hooks, planHooks } from '../plan-detached.ts';
import { type BundleRecord, type BundleStatus, OCI_VERSION } from './record.ts';

type Told = Pick<BundleRecord, 'id' | 'bundle' | 'spec'>;

const STATUS: Readonly<Record<HookName, BundleStatus>> = {
  // It was called after `create` before specification 1.1, and those that are left may look for that.
  prestart: 'created',
  createRuntime: 'creating',
  createContainer: 'creating',
  startContainer: 'created',
  poststart: 'running',
  poststop: 'stopped',
};

/** For planContainer. */
export function hookStates(container: Told): HookStates | undefined {
  if (container.spec.hooks === undefined) return undefined;
  const all = HOOK_NAMES.map((name) => [name, hooksOf(container, name)] as const);
  return Object.fromEntries(all) as unknown as HookStates;
}

function hooksOf(container: Told, name: HookName): Hooks {
  const { spec, id, bundle } = container;
  const before = JSON.stringify({ ociVersion: OCI_VERSION, id, status: STATUS[name] });
  const behind = JSON.stringify({ bundle, annotations: spec.annotations });
  return {
    name,
    hooks: spec.hooks?.[name] ?? [],
    state: [`${before.slice(0, -1)},"pid":`, `,${behind.slice(1)}`],
  };
}

/**
 * Runs the hooks that follow the start or the end, one after the other. `failed` is called for one that fails, and decides whether
 * the others still have their turn: by returning.
 */
export function runHooks(
  container: Told,
  name: HookName,
  pid: number,
  failed: (error: TsrunError) => void,
): void {
  const { hooks, state } = hooksOf(container, name);
  const whole: Hooks['state'] = [`${state[0]}${pid}${state[1]}`, ''];
  hooks.forEach((hook) => {
    const ops = planHooks({ name, hooks: [hook], state: whole });
    const groups: Plan['groups'] = [{ who: 'host', title: `Hooks: ${name}`, ops }];
    const { failure } = realDoor.run({ groups, monitor: { interactive: false }, reporter: [] }).report;
    if (failure !== undefined) failed(failureToError(failure));
  });
}
