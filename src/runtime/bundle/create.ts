/** A bundle → a container on disk, and the plan that makes it. OCI runtime-spec, bundle.md and runtime.md, Create. */
import { mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import type { CgroupManager, ContainerCgroups } from '../../cgroup/host.ts';
import { MANAGERS } from '../../cgroup/managers.ts';
import type { Plan } from '../../kernel/ops.ts';
import { type HostPath, hostPath } from '../../lib/brands.ts';
import { errnoOf, reasonOf, TsrunError } from '../../lib/errors.ts';
import { makesNamespace } from '../../namespaces/plan-namespaces.ts';
import type { NetDevicesPlan } from '../../network/plan-net-devices.ts';
import type { SeccompProgram } from '../../security/seccomp-compile.ts';
import type { LinuxSpec, ProcessSpec, RuntimeSpec } from '../../spec/runtime.ts';
import { type BundleSpec, inBundle, parseRuntimeSpec } from '../../spec/runtime-config.ts';
import { readHostFacts } from '../host-facts.ts';
import { type Detachment, type HostFacts, planContainer } from '../plan.ts';
import type { PassedDescriptors } from './descriptors.ts';
import { lastOfEach } from './environment.ts';
import { isPaused } from './freezer.ts';
import { hookStates } from './hooks.ts';
import { NOTIFY_DIRECTORY, NOTIFY_NAME, NOTIFY_VARIABLE, notifyMount } from './notify.ts';
import { checkId, identityOf, reserve, userName, writeRecord } from './record.ts';
import { processesOf } from './signal.ts';
import { bundleWarnings } from './warnings.ts';

export interface BundleOptions {
  readonly id: string;
  readonly bundle: HostPath;
  readonly cgroupManager: CgroupManager;
  /** Where the containers of this runtime are kept. */
  readonly root: HostPath;
  /** Left out: the helper looks after the container to its end. */
  readonly detached: Detachment | undefined;
  /** After the end, what is left of the container stays until it is deleted. */
  readonly keep: boolean;
  readonly pidFile: HostPath | undefined;
  readonly consoleSocket: HostPath | undefined;
  readonly passed: PassedDescriptors;
  readonly keepsKeyring: boolean;
  /** NOTIFY_SOCKET of the caller. */
  readonly notifySocket: string | undefined;
  /** Takes what the container does not get although it runs. */
  readonly warn: (message: string) => void;
  /** argv of the program that explains a failure. */
  readonly reporter: readonly string[];
}

/** When this returns, the id is taken, and the plan, should it fail, gives it back. */
export async function prepareBundle(options: BundleOptions): Promise<Plan> {
  checkId(options.id);
  const spec = withProcess(readBundle(options.bundle));
  checkTerminal(spec.process, options);
  const { id, bundle, cgroupManager, detached } = options;
  const cgroupsPath = spec.linux.cgroupsPath || (cgroupManager === 'systemd' ? `:tsrun:${id}` : id);
  const host = readHostFacts(cgroupsPath);
  const resources = spec.linux.resources ?? {};
  const linux = { ...spec.linux, cgroupsPath };
  const rootfs = hostPath(spec.root.path);
  checkRootfs(rootfs);
  for (const warning of bundleWarnings(spec, host)) options.warn(warning);
  const seccomp = await compileFilter(spec, host);
  const netDevices = await planDevicesToMove(spec.linux);
  const planned = MANAGERS[cgroupManager].cgroups(host.cgroup, cgroupsPath, resources, 'all');
  const dir = reserve(options.root, id);
  try {
    // Not before: the cgroups of an id that is in use are those of its container.
    const cgroups = checkCgroups(planned, options.warn);
    const record = { id, bundle, rootfs, spec: { ...spec, linux } };
    writeRecord(dir, {
      ...record,
      seccomp: seccomp && {
        flags: seccomp.flags,
        programBase64: Buffer.from(seccomp.program).toString('base64'),
      },
      createdAtMs: Date.now(),
      owner: userName(process.getuid?.() ?? 0),
      cgroups,
    });
    return planContainer(
      {
        spec: handingOver(record.spec, dir, options),
        cgroupManager,
        root: { kind: 'directory', path: rootfs },
        state: {
          runDir: dir,
          owned: [{ path: dir, what: 'what is known of the container' }],
          remove: detached === undefined && !options.keep,
        },
        interactive: true,
        seccomp,
        netDevices,
        identity: identityOf(record),
        sourceType,
        reporter: options.reporter,
        detached,
        everyCgroup: true,
        keepsCgroups: cgroups.areShared,
        pidFile: options.pidFile,
        consoleSocket: options.consoleSocket,
        hooks: hookStates(record),
        keptDescriptors: options.passed.count,
        keepsKeyring: options.keepsKeyring,
        notify:
          options.notifySocket === undefined || detached === 'waiting'
            ? undefined
            : { path: `${NOTIFY_DIRECTORY}/${NOTIFY_NAME}`, host: options.notifySocket },
      },
      host,
    );
  } catch (error) {
    rmSync(dir, { recursive: true });
    throw error;
  }
}

/** Of cgroups that are there already: in a frozen one the first process would stand still before it is one. In runc's words. */
function checkCgroups(cgroups: ContainerCgroups, warn: (message: string) => void): ContainerCgroups {
  if (isPaused(cgroups)) {
    throw new TsrunError('FROZEN_CGROUP', "container's cgroup unexpectedly frozen", {
      hint: 'thaw it first, or give the container another cgroupsPath',
      exitCode: 1,
    });
  }
  const count = processesOf(cgroups).length;
  if (count === 0) return cgroups;
  warn(`container's cgroup is not empty: ${count} process(es) found`);
  return { ...cgroups, areShared: true };
}

/** The configuration of a bundle, with absolute paths. */
export function readBundle(bundle: HostPath): BundleSpec {
  const file = `${bundle}/config.json`;
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    if (errnoOf(cause) !== 'ENOENT') throw cause;
    throw new TsrunError('NO_CONFIG', `JSON specification file ${file} not found`, {
      hint: 'name the directory that holds config.json with --bundle',
      exitCode: 1,
      cause,
    });
  }
  return inBundle(parseRuntimeSpec(text), bundle);
}

function withProcess({ process, ...spec }: BundleSpec): RuntimeSpec {
  if (process === undefined) {
    throw new TsrunError('NO_PROCESS', 'config.json has no process: there is no program to run', {
      exitCode: 1,
    });
  }
  return { ...spec, process: { ...process, env: lastOfEach(process.env) } };
}

/** With what the caller hands to the first program, and to none that is added later. */
function handingOver(spec: RuntimeSpec, dir: HostPath, { passed, notifySocket }: BundleOptions): RuntimeSpec {
  const { process, mounts } = spec;
  if (notifySocket === undefined && passed.env.length === 0) return spec;
  const notify = notifySocket === undefined ? [] : [NOTIFY_VARIABLE];
  if (notifySocket !== undefined) mkdirSync(`${dir}/${NOTIFY_DIRECTORY}`, { mode: 0o755 });
  return {
    ...spec,
    process: { ...process, env: lastOfEach(process.env, passed.env, notify) },
    mounts: notifySocket === undefined ? mounts : [...mounts, notifyMount(dir)],
  };
}

/** Who leaves the container to itself leaves its terminal to somebody. */
export function checkTerminal(
  { terminal }: ProcessSpec,
  { detached, consoleSocket }: Pick<BundleOptions, 'detached' | 'consoleSocket'>,
): void {
  const refuse = (message: string, hint: string) => {
    throw new TsrunError('BAD_CONSOLE', message, { hint, exitCode: 1 });
  };
  if (detached !== undefined && terminal && consoleSocket === undefined) {
    refuse(
      'cannot allocate tty if the runtime will detach without setting console socket',
      'name a socket with --console-socket, or set process.terminal to false',
    );
  }
  if (consoleSocket !== undefined && (detached === undefined || !terminal)) {
    refuse(
      'cannot use console socket if the runtime will not detach or allocate tty',
      'leave out --console-socket, or set process.terminal to true',
    );
  }
}

function checkRootfs(rootfs: HostPath): void {
  try {
    if (statSync(rootfs).isDirectory()) return;
  } catch (cause) {
    throw new TsrunError('NO_ROOTFS', `cannot use the root file system ${rootfs}: ${reasonOf(cause)}`, {
      hint: 'root.path in config.json is relative to the bundle',
      exitCode: 1,
      cause,
    });
  }
  throw new TsrunError('NO_ROOTFS', `cannot use the root file system ${rootfs}: it is not a directory`, {
    exitCode: 1,
  });
}

export async function compileFilter(
  { linux }: Pick<RuntimeSpec, 'linux'>,
  { arch }: HostFacts,
): Promise<SeccompProgram | undefined> {
  if (linux.seccomp === undefined) return undefined;
  const { compileSeccomp } = await import('../../security/seccomp-compile.ts');
  return compileSeccomp(linux.seccomp, arch);
}

/** Most containers have none, and the code for them is not loaded then. */
async function planDevicesToMove(linux: LinuxSpec): Promise<NetDevicesPlan | undefined> {
  const { netDevices = {} } = linux;
  if (Object.keys(netDevices).length === 0) return undefined;
  const { planNetDevices, readNetDevices } = await import('../../network/plan-net-devices.ts');
  return planNetDevices(readNetDevices(netDevices), makesNamespace(linux, 'network'));
}

/** What a bind mount shows; a source that is missing becomes an error of the plan, which names it. */
function sourceType(path: string): 'directory' | 'file' {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ? 'directory' : 'file';
}
