/** The main job: image + options → container directory → spec → plan → running program. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { readFileFromLayers } from '../image/layer-view.ts';
import type { ResolvedImage } from '../image/resolved.ts';
import { openImageStore } from '../image/store.ts';
import { type ResolvedUser, resolveUser } from '../image/user.ts';
import type { KernelDoor } from '../kernel/door.ts';
import type { Plan } from '../kernel/ops.ts';
import { type ContainerId, containerPath, type HostPath, hostPath } from '../lib/brands.ts';
import { errnoOf, TsrunError } from '../lib/errors.ts';
import type { OverlayRoot } from '../mounts/plan-rootfs.ts';
import { checkRoot, readHostFacts } from '../runtime/host-facts.ts';
import { launch } from '../runtime/launch.ts';
import { type HostFacts, planContainer, type StateFiles } from '../runtime/plan.ts';
import type { RuntimeSpec } from '../spec/runtime.ts';
import { writeEngineFiles } from './container-files.ts';
import type { ContainerOptions } from './container-options.ts';
import { containerSpec } from './container-spec.ts';
import {
  cgroupName,
  claimContainer,
  createDirectories,
  newContainerId,
  ownedPaths,
  removeContainer,
  reserveName,
  sweep,
  writeRecord,
} from './container-store.ts';
import { containerDir, type EnginePaths, prepareRoots, runDir } from './paths.ts';

export interface PreparedContainer {
  readonly id: ContainerId;
  readonly name: string;
  readonly plan: Plan;
}

/**
 * Everything of `run` but the launch: the container has its name and directories, and is removed again if this
 * throws. `reporter` is the argv that explains a failed start.
 */
export async function prepareContainer(
  paths: EnginePaths,
  options: ContainerOptions,
  reporter: (id: ContainerId) => readonly string[],
): Promise<PreparedContainer> {
  checkRoot(`run ${options.image}`);
  prepareRoots(paths);
  sweep(paths);
  const images = openImageStore(paths.dataRoot);
  // Until the container is on record, nothing else says that its image is in use.
  using _held = await images.hold();
  const drafted = draftContainer(paths, options, await images.resolve(options.image));
  const { id, image, spec } = drafted;
  claimContainer(paths, id);
  let name: string | undefined;
  try {
    name = reserveName(paths, id, options.name);
    createDirectories(paths, id);
    const dir = containerDir(paths, id);
    writeEngineFiles(dir, spec.hostname ?? '', options.network);
    writeRecord(paths, {
      id,
      name,
      image: options.image,
      imageId: image.id,
      chainIds: image.layers.map((layer) => layer.chainId),
      created: new Date().toISOString(),
      autoRemove: options.remove,
      spec,
    });
    const state: StateFiles = {
      runDir: runDir(paths, id),
      containerDir: dir,
      owned: ownedPaths(paths, { id, name }),
      remove: options.remove,
    };
    const plan = planOf(paths, drafted, options, state, reporter(id));
    return { id, name, plan };
  } catch (error) {
    removeContainer(paths, { id, name });
    throw error;
  }
}

/** Makes the container, runs it through `door` and waits for its end: its exit status. */
export async function runContainer(
  paths: EnginePaths,
  options: ContainerOptions,
  door: KernelDoor,
): Promise<number> {
  const { plan } = await prepareContainer(paths, options, () => []);
  return launch(plan, door);
}

/** The plan of a container that is not made: nothing on disk is touched. */
export async function explainContainer(paths: EnginePaths, options: ContainerOptions): Promise<Plan> {
  const image = await openImageStore(paths.dataRoot).resolve(options.image);
  const drafted = draftContainer(paths, options, image);
  const { id } = drafted;
  const name = options.name ?? 'explained';
  const state: StateFiles = {
    runDir: runDir(paths, id),
    containerDir: containerDir(paths, id),
    owned: ownedPaths(paths, { id, name }),
    remove: options.remove,
  };
  return planOf(paths, drafted, options, state, []);
}

interface Draft {
  readonly id: ContainerId;
  readonly image: ResolvedImage;
  readonly spec: RuntimeSpec;
  readonly host: HostFacts;
}

function draftContainer(paths: EnginePaths, options: ContainerOptions, image: ResolvedImage): Draft {
  const host = readHostFacts();
  const id = newContainerId();
  const hostname = checkHostname(options.hostname ?? id.slice(0, 12));
  const user = userOf(image, options);
  const dir = containerDir(paths, id);
  const spec = containerSpec({ options, image: image.config.config, user, hostname, dir, host });
  return { id, image, spec, host };
}

function planOf(
  paths: EnginePaths,
  { id, image, spec, host }: Draft,
  options: ContainerOptions,
  state: StateFiles,
  reporter: readonly string[],
): Plan {
  const dir = containerDir(paths, id);
  return planContainer(
    {
      spec,
      root: overlayRoot(paths, image, dir),
      cgroupName: cgroupName(id),
      state,
      interactive: options.interactive,
      sourceType: (path) => (path.startsWith(`${dir}/`) ? 'file' : sourceType(path)),
      reporter,
    },
    host,
  );
}

function overlayRoot(paths: EnginePaths, image: ResolvedImage, dir: HostPath): OverlayRoot {
  return {
    kind: 'overlay',
    layersDir: paths.layers,
    lower: image.layers.map((layer) => `l/${layer.link}`).toReversed(),
    upper: hostPath(join(dir, 'upper')),
    work: hostPath(join(dir, 'work')),
    mountPoint: hostPath(join(dir, 'rootfs')),
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
