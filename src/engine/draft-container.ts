/** image + options → everything that is known of a container before anything of it is made, and from that its plan. */
import { statSync } from 'node:fs';
import type { ContainerCgroups } from '../cgroup/host.ts';
import { MANAGERS } from '../cgroup/managers.ts';
import { readFileFromLayers } from '../image/layer-view.ts';
import type { ResolvedImage } from '../image/resolved.ts';
import { type ResolvedUser, resolveUser } from '../image/user.ts';
import type { Plan } from '../kernel/ops.ts';
import { type ContainerId, containerPath, type HostPath, hostPath } from '../lib/brands.ts';
import { errnoOf, TsrunError } from '../lib/errors.ts';
import type { OverlayRoot } from '../mounts/plan-rootfs.ts';
import type { NetworkPlan } from '../network/plan-network.ts';
import { readHostFacts } from '../runtime/host-facts.ts';
import { type HostFacts, planContainer } from '../runtime/plan.ts';
import type { SeccompProgram } from '../security/seccomp-compile.ts';
import type { RuntimeSpec } from '../spec/runtime.ts';
import { chooseSeccomp } from './choose-seccomp.ts';
import type { ContainerOptions } from './container-options.ts';
import { containerSpec } from './container-spec.ts';
import { newContainerId, ownedPaths } from './container-store.ts';
import { findPeer, type NetworkPeer } from './network-peer.ts';
import { containerDir, type EnginePaths, runDir } from './paths.ts';

export interface ContainerDraft {
  readonly id: ContainerId;
  readonly options: ContainerOptions;
  readonly image: ResolvedImage;
  readonly spec: RuntimeSpec;
  readonly seccomp: SeccompProgram | undefined;
  readonly host: HostFacts;
  readonly peer: NetworkPeer | undefined;
}

export async function draftContainer(
  paths: EnginePaths,
  options: ContainerOptions,
  image: ResolvedImage,
): Promise<ContainerDraft> {
  const host = readHostFacts();
  const id = newContainerId();
  const peer = findPeer(paths, options.network.mode);
  const hostname = checkHostname(options.hostname ?? peer?.hostname ?? id.slice(0, 12));
  const user = userOf(image, options);
  const dir = containerDir(paths, id);
  const spec = containerSpec({ id, options, image: image.config.config, user, hostname, dir, host, peer });
  const seccomp = await chooseSeccomp(options, spec.process.capabilities?.bounding ?? [], host.arch);
  return { id, options, image, spec, seccomp, host, peer };
}

/** `reporter` is the argv of the program that explains a failed start; empty when this process does. */
export function planDraft(
  paths: EnginePaths,
  draft: ContainerDraft,
  name: string,
  network: NetworkPlan | undefined,
  reporter: readonly string[],
): Plan {
  const { id, options, image, spec, seccomp, host, peer } = draft;
  const dir = containerDir(paths, id);
  return planContainer(
    {
      spec,
      cgroupManager: options.cgroupManager,
      root: overlayRoot(paths, image, dir, options.remove),
      state: {
        runDir: runDir(paths, id),
        containerDir: dir,
        owned: ownedPaths(paths, id, name),
        remove: options.remove,
      },
      network,
      joined: peer === undefined ? {} : { network: peer.process },
      interactive: options.interactive,
      seccomp,
      sourceType: (path) => (path.startsWith(`${dir}/`) ? 'file' : sourceType(path)),
      reporter,
    },
    host,
  );
}

/** Where its plan makes the cgroups. */
export function draftCgroups({ spec: { linux }, host, options }: ContainerDraft): ContainerCgroups {
  return MANAGERS[options.cgroupManager].cgroups(host.cgroup, linux.cgroupsPath ?? '', linux.resources ?? {});
}

/** How the plan calls a layer: short, and relative to the directory of layers. */
export function layerName({ link }: ResolvedImage['layers'][number]): string {
  return `l/${link}`;
}

function overlayRoot(
  paths: EnginePaths,
  image: ResolvedImage,
  dir: HostPath,
  discarded: boolean,
): OverlayRoot {
  return {
    kind: 'overlay',
    layersDir: paths.layers,
    lower: image.layers.map(layerName).toReversed(),
    upper: hostPath(`${dir}/upper`),
    work: hostPath(`${dir}/work`),
    discarded,
    mountPoint: hostPath(`${dir}/rootfs`),
  };
}

/** Names are looked up in the image's own files, before anything runs. */
function userOf(image: ResolvedImage, options: ContainerOptions): ResolvedUser {
  const layers = image.layers.map((layer) => layer.diffPath).toReversed();
  const read = (path: string) => readFileFromLayers(layers, containerPath(path));
  return resolveUser(options.user ?? image.config.config.User ?? '', read('/etc/passwd'), read('/etc/group'));
}

/** hostname(7): up to 64 bytes; nothing that could start a new line in /etc/hosts. */
function checkHostname(hostname: string): string {
  if (/^[a-zA-Z0-9]([a-zA-Z0-9_.-]{0,62}[a-zA-Z0-9])?$/.test(hostname)) return hostname;
  throw new TsrunError(
    'BAD_HOSTNAME',
    `Cannot use ${JSON.stringify(hostname)} as a host name: 1 to 64 letters, digits, dots and hyphens are allowed`,
  );
}

function sourceType(path: string): 'directory' | 'file' {
  try {
    return statSync(path).isDirectory() ? 'directory' : 'file';
  } catch (cause) {
    throw new TsrunError(
      'NO_MOUNT_SOURCE',
      `Cannot mount ${path}: ${errnoOf(cause) === 'ENOENT' ? 'it does not exist on the host' : cause}`,
      {
        hint: 'make it first, or correct the path before the colon of -v',
        cause,
      },
    );
  }
}
