/** The hooks of a configuration and what they are told: as ops of a plan, or run from here. config.md, POSIX-platform Hooks. */
import { spawnSync } from 'node:child_process';
import { errnoOf, TsrunError } from '../../lib/errors.ts';
import { HOOK_NAMES, type HookName } from '../../spec/runtime.ts';
import type { Hooks, HookStates } from '../plan-detached.ts';
import { type BundleRecord, type BundleStatus, OCI_VERSION } from './record.ts';

type Told = Pick<BundleRecord, 'id' | 'bundle' | 'spec'>;

const STATUS: Readonly<Record<HookName, BundleStatus>> = {
  prestart: 'creating',
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
 * Runs the hooks that follow the start or the end, one after the other, in the namespaces of this process. `failed` is called for
 * one that fails, and decides whether the others still have their turn: by returning.
 */
export function runHooks(container: Told, name: HookName, pid: number, failed: (error: TsrunError) => void): void {
  const { hooks, state } = hooksOf(container, name);
  hooks.forEach(({ path, args, env, timeout }, i) => {
    const { error, status, signal, stderr } = spawnSync(path, (args ?? []).slice(1), {
      argv0: args?.[0] ?? path,
      env: environment(env ?? []),
      input: `${state[0]}${pid}${state[1]}`,
      stdio: ['pipe', 'inherit', 'pipe'],
      ...(timeout === undefined ? {} : { timeout: timeout * 1000 }),
      killSignal: 'SIGKILL',
    });
    if (status === 0) return;
    const ended = status === null ? `signal ${signal}` : `exit status ${status}`;
    const why = error === undefined ? ended : errnoOf(error) === 'ETIMEDOUT' ? 'timeout' : error.message;
    const said = `${stderr ?? ''}`.trim();
    failed(
      new TsrunError(
        'HOOK_FAILED',
        `error running ${name} hook #${i}: ${path}: ${why}${said === '' ? '' : `: ${said}`}`,
        { exitCode: 1 },
      ),
    );
  });
}

function environment(env: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    env.map((entry) => {
      const at = entry.indexOf('=');
      return at < 0 ? [entry, ''] : [entry.slice(0, at), entry.slice(at + 1)];
    }),
  );
}
